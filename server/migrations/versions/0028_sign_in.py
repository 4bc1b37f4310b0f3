"""Second factors, recovery codes, passwords that must be replaced, outside identity providers."""

from __future__ import annotations

from alembic import op

from server.migrations.versions import run_file

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    run_file("0028_sign_in.sql")


def downgrade() -> None:
    """Drop them; everybody signs in by password alone afterwards."""
    op.execute("drop table sign_in_errand, staff_outside_login, staff_recovery_code, staff_factor")
    op.execute("alter table staff_session drop column pending, drop column agent, drop column challenge")
    op.execute("alter table staff drop column must_set_password")
