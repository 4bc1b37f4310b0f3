"""Restores: which generation began when, from what, and whose state has come back since."""

from __future__ import annotations

from server.migrations.versions import run_file

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add `restore` and `restore_device`."""
    run_file("0011_restore.sql")


def downgrade() -> None:
    """Refuse: what a restore lost stays on record."""
    msg = "restores stay on record; restore a backup instead of going back"
    raise RuntimeError(msg)
