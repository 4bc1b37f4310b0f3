"""All roles of ledger accounts, all kinds of transfers, units of account, and links from a correction to its origin."""

from __future__ import annotations

from server.migrations.versions import run_file

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Widen the two lists and add `unit` and `corrects`."""
    run_file("0003_ledger_roles.sql")


def downgrade() -> None:
    """Refuse: rows of the new kinds could not be kept."""
    msg = "the ledger's kinds cannot be narrowed again; restore a backup made before the upgrade"
    raise RuntimeError(msg)
