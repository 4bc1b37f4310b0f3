"""Visitors: how a site takes them, who they are, and their visits."""

from __future__ import annotations

from alembic import op

from server.migrations.versions import run_file

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    run_file("0020_visitors.sql")


def downgrade() -> None:
    """Drop them with the register."""
    op.execute("drop table visit, visitor, visitor_rules")
