"""Sums of closed days, which make a month's report quick."""

from __future__ import annotations

from server.migrations.versions import run_file

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables; days closed before are summed from their charges, as until now."""
    run_file("0030_charge_sums.sql")


def downgrade() -> None:
    """Refuse: restore a backup made before the upgrade."""
    msg = "sums of closed days cannot be taken away again; restore a backup made before the upgrade"
    raise RuntimeError(msg)
