"""The hash tree over the audit log: leaves, nodes, signed checkpoints, cosignatures, restore statements."""

from __future__ import annotations

from server.migrations.versions import run_file

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tree; what stands in the log already is sealed first."""
    run_file("0005_audit_tree.sql")


def downgrade() -> None:
    """Refuse: witnesses outside hold what was sealed."""
    msg = "a sealed log cannot be unsealed: witnesses would see it as an attack; restore a backup instead"
    raise RuntimeError(msg)
