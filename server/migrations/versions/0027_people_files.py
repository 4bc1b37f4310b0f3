"""Photos of people, and files that somebody is about to import."""

from __future__ import annotations

from server.migrations.versions import run_file

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    run_file("0027_people_files.sql")


def downgrade() -> None:
    """Refuse: photos would be lost."""
    msg = "photos are kept; restore a backup instead"
    raise RuntimeError(msg)
