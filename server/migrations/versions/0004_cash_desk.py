"""Rules of purses by category, shifts of cash desks, numbered receipts."""

from __future__ import annotations

from server.migrations.versions import run_file

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the three tables."""
    run_file("0004_cash_desk.sql")


def downgrade() -> None:
    """Refuse: shifts and receipts are records."""
    msg = "shifts and receipts cannot be dropped; restore a backup made before the upgrade"
    raise RuntimeError(msg)
