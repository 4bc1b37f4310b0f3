"""Marked points with their taps, patrols, roll-calls, shifts and attendance."""

from __future__ import annotations

from alembic import op

from server.migrations.versions import run_file

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    run_file("0026_rounds.sql")


def downgrade() -> None:
    """Drop them with everything they hold."""
    op.execute("drop table attendance_day, attendance_rules, shift_holder, work_shift, roll_call_person, roll_call")
    op.execute("drop table tour_round, tour_guard, tour_checkpoint, tour, point_mark, point_tap, marked_point")
