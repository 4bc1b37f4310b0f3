"""The first schema: people, cards, access, devices, ledger, canteen, taps, policy, outbox, staff, audit."""

from __future__ import annotations

from server.migrations.versions import run_file

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create everything."""
    run_file("0001_first.sql")


def downgrade() -> None:
    """Refuse: going back before the first version is a new installation."""
    msg = "the first migration cannot be undone; restore a backup or create a new database"
    raise RuntimeError(msg)
