"""Rules of lanes, zones and levels; proofs of people; what lanes remember; orders to lanes."""

from __future__ import annotations

from alembic import op

from server.migrations.versions import run_file

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables and the columns."""
    run_file("0029_lane_rules.sql")


def downgrade() -> None:
    """Drop them; every rule of these kinds is forgotten."""
    op.execute("drop table lane_order, lane_moment, person_proof, requirement")
    for table, columns in (
        ("zone", ("requires", "pairs", "pair_seconds")),
        ("access_level", ("needs_escort", "escorts", "supervises")),
        ("person", ("extended",)),
        (
            "lane",
            (
                "locked_hours", "free_hours", "first_person", "held", "held_until", "interlock", "escort_seconds",
                "extended_window_ms", "held_open_ms",
            ),
        ),
    ):  # fmt: skip
        for column in columns:
            op.execute(f"alter table {table} drop column {column}")
