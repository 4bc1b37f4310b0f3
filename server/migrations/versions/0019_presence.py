"""Where people are: positions, unknown heads, rules of zones, and threat plans."""

from __future__ import annotations

from alembic import op

from server.migrations.versions import run_file

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables and the columns."""
    run_file("0019_presence.sql")


def downgrade() -> None:
    """Drop them; nobody's position is known afterwards."""
    op.execute("drop table presence, zone_state, threat_plan")
    for column in (
        "passback", "passback_minutes", "passback_forgets_hours", "occupancy_limit", "occupancy_hard", "nightly_reset",
    ):  # fmt: skip
        op.execute(f"alter table zone drop column {column}")
    op.execute("alter table access_level drop column passback_exempt, drop column overrides_lockdown")
