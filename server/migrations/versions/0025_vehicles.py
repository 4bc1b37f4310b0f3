"""Vehicles with their drivers, garages with their entrances, and how far passages were counted."""

from __future__ import annotations

from alembic import op

from server.migrations.versions import run_file

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    run_file("0025_vehicles.sql")


def downgrade() -> None:
    """Drop them; nobody knows how many vehicles are in afterwards."""
    op.execute("drop table garage_flow, garage_mark, garage_lane, garage, vehicle_driver, vehicle")
