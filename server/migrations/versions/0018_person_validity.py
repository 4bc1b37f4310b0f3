"""Validity of people, and the list of devices that hold a reading key."""

from __future__ import annotations

from server.migrations.versions import run_file

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and the table."""
    run_file("0018_person_validity.sql")


def downgrade() -> None:
    """Refuse: which device was given a key must not be forgotten."""
    msg = "the list of edge keys is kept; restore a backup instead"
    raise RuntimeError(msg)
