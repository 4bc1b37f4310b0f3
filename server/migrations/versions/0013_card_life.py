"""The life of a card: stolen, found, replaced, lent; credentials by application; privileged access levels."""

from __future__ import annotations

from server.migrations.versions import run_file

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and the table of loans."""
    run_file("0013_card_life.sql")


def downgrade() -> None:
    """Refuse: a card that was stolen or found has no state to go back to."""
    msg = "states and loans of cards cannot be undone; restore a backup instead"
    raise RuntimeError(msg)
