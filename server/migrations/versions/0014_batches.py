"""Batches of credits and monthly plans."""

from __future__ import annotations

from server.migrations.versions import run_file

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the three tables."""
    run_file("0014_batches.sql")


def downgrade() -> None:
    """Refuse: they are records."""
    msg = "batches cannot be dropped; restore a backup made before the upgrade"
    raise RuntimeError(msg)
