"""Webhooks and their delivery log."""

from __future__ import annotations

from alembic import op

from server.migrations.versions import run_file

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    run_file("0034_webhooks.sql")


def downgrade() -> None:
    """Drop them; receivers hear nothing more."""
    op.execute("drop table webhook_delivery, webhook")
