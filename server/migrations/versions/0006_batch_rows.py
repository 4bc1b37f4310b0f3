"""The row types in which a batch of taps hands its rows to PostgreSQL, one array a table."""

from __future__ import annotations

from alembic import op

from server.migrations.versions import run_file

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_TYPES = ("record_row", "charge_row", "transfer_row", "purse_row", "meal_row", "head_row", "outbox_row")


def upgrade() -> None:
    """Create the types."""
    run_file("0006_batch_rows.sql")


def downgrade() -> None:
    """Drop the types."""
    for name in _TYPES:
        op.execute(f"drop type {name}")
