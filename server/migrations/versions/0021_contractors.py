"""Outside crews: workers, permits and crew lists."""

from __future__ import annotations

from alembic import op

from server.migrations.versions import run_file

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    run_file("0021_contractors.sql")


def downgrade() -> None:
    """Drop them with every permit."""
    op.execute("drop table crew_member, crew_permit, crew_worker")
