"""Ways to charge: modes and hours of tills, dated meal periods, limits, rates, eligibility, menus, orders and PINs."""

from __future__ import annotations

from server.migrations.versions import run_file

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns and tables; every till goes on as it was."""
    run_file("0010_ways_to_charge.sql")


def downgrade() -> None:
    """Refuse: charges of the new modes could not be told any more."""
    msg = "the ways to charge cannot be taken away again; restore a backup made before the upgrade"
    raise RuntimeError(msg)
