"""Orders of online payments and the callbacks that were taken."""

from __future__ import annotations

from server.migrations.versions import run_file

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the two tables."""
    run_file("0016_payments.sql")


def downgrade() -> None:
    """Refuse: they are records."""
    msg = "payments cannot be dropped; restore a backup made before the upgrade"
    raise RuntimeError(msg)
