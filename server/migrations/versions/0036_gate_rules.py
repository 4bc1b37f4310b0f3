"""Escorts of visits, hosts through lanes, what was told of full and empty zones."""

from __future__ import annotations

from alembic import op

from server.migrations.versions import run_file

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns."""
    run_file("0036_gate_rules.sql")


def downgrade() -> None:
    """Drop them; who needs an escort goes by levels alone again."""
    op.execute("alter table visit drop column led_levels, drop column astray_at")
    op.execute("alter table lane_moment drop column hosts")
    op.execute("alter table zone_state drop column told")
