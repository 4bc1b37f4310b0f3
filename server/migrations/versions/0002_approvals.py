"""Two pairs of eyes: requests that wait for another person, and who stands behind a login."""

from __future__ import annotations

from server.migrations.versions import run_file

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add `approval` and `staff.person_id`."""
    run_file("0002_approvals.sql")


def downgrade() -> None:
    """Refuse: what was approved stays on record."""
    msg = "approvals stay on record; restore a backup instead of going back"
    raise RuntimeError(msg)
