"""Issuing jobs: cards being made on encoders."""

from __future__ import annotations

from server.migrations.versions import run_file

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table of jobs."""
    run_file("0017_issuing.sql")


def downgrade() -> None:
    """Refuse: the jobs are the proof of how cards were made."""
    msg = "issuing jobs are kept; restore a backup instead"
    raise RuntimeError(msg)
