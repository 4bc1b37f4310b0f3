"""From where each deed of the trail came."""

from __future__ import annotations

from server.migrations.versions import run_file

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; older rows have none and prove themselves as before."""
    run_file("0032_audit_origin.sql")


def downgrade() -> None:
    """Refuse: restore a backup made before the upgrade."""
    msg = "the origins of deeds cannot be taken away again; restore a backup made before the upgrade"
    raise RuntimeError(msg)
