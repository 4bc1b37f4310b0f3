"""Orders about the keys of OSDP readers."""

from __future__ import annotations

from alembic import op

from server.migrations.versions import run_file

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    run_file("0035_reader_order.sql")


def downgrade() -> None:
    """Drop it; which orders were given stays in the audit log."""
    op.execute("drop table reader_order")
