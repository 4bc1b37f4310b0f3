"""Refunds, and charges entered from paper."""

from __future__ import annotations

from server.migrations.versions import run_file

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the three tables."""
    run_file("0008_corrections.sql")


def downgrade() -> None:
    """Refuse: they are records."""
    msg = "refunds and paper records cannot be dropped; restore a backup made before the upgrade"
    raise RuntimeError(msg)
