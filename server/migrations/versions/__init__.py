"""One module a migration, newest last; each runs the SQL file of its name."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import psycopg
from alembic import op


def run_file(name: str) -> None:
    """Run a file of statements from this folder on the migration's own connection and transaction."""
    connection = cast("psycopg.Connection[Any]", op.get_bind().connection.driver_connection)
    connection.execute((Path(__file__).parent / name).read_bytes())
