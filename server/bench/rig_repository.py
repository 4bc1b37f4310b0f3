"""The benchmark's own SQL: making databases, reading settings back, checking that the books are whole."""

from __future__ import annotations

from uuid import UUID

import psycopg
from psycopg import sql
from sqlalchemy import text

from cardcore.ids import SiteId
from server.database import ReadSession, WriteSession, psycopg_url

_SETTINGS = ("fsync", "synchronous_commit", "full_page_writes", "wal_compression", "shared_buffers", "jit")


def server_settings(url: str) -> dict[str, str]:
    """Return the version and what a commit promises, as the server itself says."""
    with psycopg.connect(psycopg_url(url), autocommit=True) as connection:
        shown = {name: _shown(connection, name) for name in ("server_version", *_SETTINGS)}
    return {"PostgreSQL": shown.pop("server_version"), **shown}


def recreate_database(url: str, name: str) -> None:
    """Drop and make a database beside the one of `url`."""
    with psycopg.connect(psycopg_url(url), autocommit=True) as connection:
        connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))
        connection.execute(sql.SQL("create database {} template template0").format(sql.Identifier(name)))


def drop_database(url: str, name: str) -> None:
    """Drop a database beside the one of `url`."""
    with psycopg.connect(psycopg_url(url), autocommit=True) as connection:
        connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


def checkpoint(url: str) -> None:
    """Write everything out now, so that no round pays for the one before."""
    with psycopg.connect(psycopg_url(url), autocommit=True) as connection:
        connection.execute("checkpoint")


def analyze(url: str) -> None:
    """Give the planner its statistics, as autovacuum would have by then."""
    with psycopg.connect(psycopg_url(url), autocommit=True) as connection:
        connection.execute("analyze")


def cash_purses(session: WriteSession, site_id: SiteId) -> dict[UUID, UUID]:
    """Return the cash purse of every account of a site."""
    rows = session.execute(
        text("select account_id, id from purse where site_id = :site and kind = 'cash'"), {"site": site_id}
    )
    return {row[0]: row[1] for row in rows}


def purse_balances(session: ReadSession, site_id: SiteId) -> dict[UUID, int]:
    """Return what each account holds in all its purses together, fen."""
    rows = session.execute(
        text("select account_id, sum(balance_fen) from purse where site_id = :site group by account_id"),
        {"site": site_id},
    )
    return {row[0]: int(row[1]) for row in rows}


def unequal_purses(session: ReadSession, site_id: SiteId) -> int:
    """Count the purses whose balance is not the sum of their postings (I2)."""
    return int(session.execute(_UNEQUAL, {"site": site_id}).scalar_one())


def doubly_charged(session: ReadSession, site_id: SiteId) -> int:
    """Count the taps with more than one charge in force (I3)."""
    return int(session.execute(_DOUBLY, {"site": site_id}).scalar_one())


def decided_offline(session: ReadSession, site_id: SiteId) -> int:
    """Count the gate taps that a device decided by itself."""
    return int(session.execute(_OFFLINE, {"site": site_id}).scalar_one())


def _shown(connection: psycopg.Connection, name: str) -> str:
    row = connection.execute(sql.SQL("show {}").format(sql.Identifier(name))).fetchone()
    return "" if row is None else str(row[0])


_UNEQUAL = text("""
    select count(*) from purse u
    left join (select ledger_account_id, sum(amount_fen) as fen from posting group by 1) s on s.ledger_account_id = u.id
    where u.site_id = :site and u.balance_fen <> coalesce(s.fen, 0)
""")
_OFFLINE = text("""
    select count(*) from record where site_id = :site and kind = 'outcome' and purpose = 'gate' and offline
""")
_DOUBLY = text("""
    select count(*) from (
        select device_id, epoch, seq from charge where site_id = :site
        group by 1, 2, 3 having sum(case when revision % 2 = 0 then 1 else -1 end) > 1
    ) taps
""")
