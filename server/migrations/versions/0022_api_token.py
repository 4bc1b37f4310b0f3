"""API tokens: programs that act for a member of staff, with no more than that member may do."""

from __future__ import annotations

from alembic import op

from server.migrations.versions import run_file

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    run_file("0022_api_token.sql")


def downgrade() -> None:
    """Drop it; every program needs a new token afterwards."""
    op.execute("drop table api_token")
