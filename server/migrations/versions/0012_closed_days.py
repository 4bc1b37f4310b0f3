"""The guard of closed business days, and the day of late charges among the tap path's rows."""

from __future__ import annotations

from server.migrations.versions import run_file

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the triggers."""
    run_file("0012_closed_days.sql")


def downgrade() -> None:
    """Refuse: closed days would be open to everybody."""
    msg = "closed days stay guarded; restore a backup made before the upgrade"
    raise RuntimeError(msg)
