"""The SQL that looks at a whole cluster rather than at our tables: roles, recovery, whether a database is empty."""

from __future__ import annotations

import psycopg

CONNECT_SECONDS = 10


def make_app_role(url: str) -> None:
    """Make the role that a dump grants rights to, where it is missing."""
    _run(
        url,
        "do $$ begin if not exists (select from pg_roles where rolname = 'onecard_app') then"
        " create role onecard_app nologin; end if; end $$",
    )


def is_empty(url: str) -> bool:
    """Tell whether a database holds no table of anybody's."""
    return _run(url, "select count(*) from pg_tables where schemaname = 'public'") == 0


def is_recovering(url: str) -> bool:
    """Tell whether the cluster is still replaying log."""
    return bool(_run(url, "select pg_is_in_recovery()"))


def last_segment(url: str) -> str:
    """Return the piece of the log in which the cluster stands, after a checkpoint: 24 hexadecimal digits."""
    _run(url, "checkpoint")
    return str(_run(url, "select redo_wal_file from pg_control_checkpoint()"))


def _run(url: str, statement: str) -> object:
    with psycopg.connect(url, autocommit=True, connect_timeout=CONNECT_SECONDS) as connection:
        cursor = connection.execute(statement)
        row = cursor.fetchone() if cursor.description else None
    return row[0] if row else None
