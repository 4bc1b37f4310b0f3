"""Closes of business days: the mark of the books, closed days, their balances, late charges, owners of findings."""

from __future__ import annotations

from server.migrations.versions import run_file

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables and columns."""
    run_file("0007_close.sql")


def downgrade() -> None:
    """Refuse: a closed day could be written into again."""
    msg = "closed days cannot be forgotten; restore a backup made before the upgrade"
    raise RuntimeError(msg)
