"""Alarms with their acknowledgement, and masks that keep known ones off the list."""

from __future__ import annotations

from alembic import op

from server.migrations.versions import run_file

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    run_file("0024_alarms.sql")


def downgrade() -> None:
    """Drop them; the records they came from stay."""
    op.execute("drop table alarm, alarm_mask")
