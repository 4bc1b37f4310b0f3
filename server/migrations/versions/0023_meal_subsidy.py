"""Subsidies of the first tap of a meal or day."""

from __future__ import annotations

from server.migrations.versions import run_file

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table; nobody is subsidised yet."""
    run_file("0023_meal_subsidy.sql")


def downgrade() -> None:
    """Refuse: charges that were subsidised could not be told any more."""
    msg = "subsidies of meals cannot be taken away again; restore a backup made before the upgrade"
    raise RuntimeError(msg)
