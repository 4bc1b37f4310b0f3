"""The lines of bank statements."""

from __future__ import annotations

from server.migrations.versions import run_file

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    run_file("0015_bank_lines.sql")


def downgrade() -> None:
    """Refuse: what was matched could not be kept."""
    msg = "matched bank lines cannot be forgotten; restore a backup made before the upgrade"
    raise RuntimeError(msg)
