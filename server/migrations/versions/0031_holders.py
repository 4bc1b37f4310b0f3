"""Holders' own pages: one-time codes, sessions that are nobody's staff, ratings and complaints."""

from __future__ import annotations

from alembic import op

from server.migrations.versions import run_file

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    run_file("0031_holders.sql")


def downgrade() -> None:
    """Drop them; holders sign in anew, and what they wrote is lost."""
    op.execute("drop table complaint, meal_rating, holder_session, holder_code")
