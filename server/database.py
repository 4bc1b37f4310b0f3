"""PostgreSQL: where it is, how the schema gets there, and the two kinds of session.

Services take a `ReadSession` or a `WriteSession`, so that a read path cannot be handed a writer. One service call is
one transaction and one retry unit: `Database.write` commits once and runs the call again, with whatever ids it was
given, when the database says that it lost a race or its connection (P20).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NewType, TypeVar

import psycopg
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

Result = TypeVar("Result")
ReadSession = NewType("ReadSession", Connection)
WriteSession = NewType("WriteSession", Connection)

OLDEST_SERVER = 150_000
"""PostgreSQL 15, as `server_version_num`."""
POOL_SIZE = 8
POOL_OVERFLOW = 4
CONNECT_TIMEOUT_SECONDS = 3
STATEMENT_TIMEOUT_MS = 30_000
LOCK_TIMEOUT_MS = 5_000
MAX_ATTEMPTS = 5
"""Times a transaction is run before its fault reaches the caller (P20)."""
RETRYABLE = frozenset({"40001", "40P01"})
"""Serialization failure and deadlock; class 08 and lost connections are recognised apart."""

BATCH_OPTIONS = (
    "set jit = off",
    "set plan_cache_mode = force_generic_plan",
    "set enable_seqscan = off",
    "set enable_hashjoin = off",
    "set enable_mergejoin = off",
)
"""Planning anew costs more than a third of a small batch and gains nothing at 500; compiling never pays either. A plan
made once does not know how small its arrays are: it must not read whole tables for them."""

MIGRATIONS = Path(__file__).parent / "migrations"


class DatabaseUnavailableError(Exception):
    """PostgreSQL cannot be reached or went away; carries what to do in words."""


def psycopg_url(url: str) -> str:
    """Return a libpq URL for psycopg from either form of address."""
    return url.replace("postgresql+psycopg://", "postgresql://", 1)


def sqlalchemy_url(url: str) -> str:
    """Return the SQLAlchemy form of an address, bound to psycopg 3."""
    scheme, _, rest = url.partition("://")
    if scheme not in {"postgresql", "postgres", "postgresql+psycopg"}:
        msg = f"ONECARD_DATABASE_URL must begin with postgresql://, not {scheme}://"
        raise ValueError(msg)
    return f"postgresql+psycopg://{rest}"


def migrate(url: str) -> None:
    """Bring the schema to the newest version, as the owning role. Raises DatabaseUnavailableError."""
    try:
        with psycopg.connect(psycopg_url(url), connect_timeout=CONNECT_TIMEOUT_SECONDS) as connection:
            version = connection.info.server_version
    except psycopg.OperationalError as error:
        raise DatabaseUnavailableError(_advice(error)) from error
    if version < OLDEST_SERVER:
        msg = f"PostgreSQL 15 or newer is needed, this is {version // 10_000}"
        raise DatabaseUnavailableError(msg)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["url"] = sqlalchemy_url(url)
    command.upgrade(config, "head")


def connect_app(url: str) -> psycopg.Connection:
    """Open a psycopg connection as the application's role, for the paths that bypass SQLAlchemy."""
    return psycopg.connect(
        psycopg_url(url), autocommit=True, connect_timeout=CONNECT_TIMEOUT_SECONDS, options=_SESSION_OPTIONS
    )


def connect_batch(url: str) -> psycopg.Connection:
    """Open the tap path's own connection: statements planned once, never compiled."""
    connection = connect_app(url)
    for option in BATCH_OPTIONS:
        connection.execute(option)
    return connection


class Database:
    """A pool of connections as `onecard_app`, and the one way to run a transaction."""

    def __init__(self, url: str) -> None:
        """Take the address; nothing is opened before the first call."""
        self._url = url
        self._engine = create_engine(
            sqlalchemy_url(url),
            poolclass=QueuePool,
            pool_size=POOL_SIZE,
            max_overflow=POOL_OVERFLOW,
            pool_timeout=CONNECT_TIMEOUT_SECONDS,
            pool_pre_ping=True,
            connect_args={
                "connect_timeout": CONNECT_TIMEOUT_SECONDS,
                "options": _SESSION_OPTIONS,
                "prepare_threshold": None,
            },
        )

    @property
    def url(self) -> str:
        """The address as given."""
        return self._url

    def read(self, call: Callable[[ReadSession], Result], *, stable: bool = False) -> Result:
        """Run a call in a read-only transaction; `stable` makes all its statements see one and the same moment."""
        level = "isolation level repeatable read, read only" if stable else "read only"
        try:
            with self._engine.connect() as connection:
                connection.execute(text(f"set transaction {level}"))
                return call(ReadSession(connection))
        except DBAPIError as error:
            if _lost(error):
                raise DatabaseUnavailableError(_advice(error)) from error
            raise

    def write(self, call: Callable[[WriteSession], Result]) -> Result:
        """Run a call in one transaction and commit; retried as a whole, at most MAX_ATTEMPTS times."""
        for attempt in range(1, MAX_ATTEMPTS + 1):
            try:
                with self._engine.begin() as connection:
                    return call(WriteSession(connection))
            except DBAPIError as error:
                if _retryable(error) and attempt < MAX_ATTEMPTS:
                    continue
                if _lost(error):
                    raise DatabaseUnavailableError(_advice(error)) from error
                raise
        msg = "unreachable: the last attempt returns or raises"
        raise AssertionError(msg)

    def close(self) -> None:
        """Close the pool's idle connections."""
        self._engine.dispose()


def schema_version(session: ReadSession) -> str:
    """Return the version of the schema in the database; empty when there is none."""
    exists = session.execute(text("select to_regclass('public.alembic_version') is not null")).scalar()
    if not exists:
        return ""
    return str(session.execute(text("select version_num from alembic_version")).scalar() or "")


_SESSION_OPTIONS = (
    f"-c role=onecard_app -c statement_timeout={STATEMENT_TIMEOUT_MS} -c lock_timeout={LOCK_TIMEOUT_MS}"
    " -c timezone=UTC -c synchronous_commit=on"
)


def _retryable(error: DBAPIError) -> bool:
    state = getattr(error.orig, "sqlstate", None)
    return state in RETRYABLE or _lost(error)


def _lost(error: DBAPIError) -> bool:
    state = getattr(error.orig, "sqlstate", None) or ""
    return (
        error.connection_invalidated
        or state.startswith(("08", "57P"))
        or (isinstance(error.orig, psycopg.OperationalError) and not state)
    )


def _advice(error: Exception) -> str:
    first_line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return f"PostgreSQL cannot be reached: {first_line}. Check that it runs and that ONECARD_DATABASE_URL is right."
