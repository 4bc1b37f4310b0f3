"""Contracts of stalls, their settlement sheets, and what they buy."""

from __future__ import annotations

from server.migrations.versions import run_file

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables."""
    run_file("0009_settlement.sql")


def downgrade() -> None:
    """Refuse: contracts and sheets could not be kept."""
    msg = "settlement sheets cannot be forgotten; restore a backup made before the upgrade"
    raise RuntimeError(msg)
