"""The SQL of bank lines: taken in once, matched once, and our own transfers that no line stands for yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Connection, RowMapping, text

Row = RowMapping
Rows = Sequence[RowMapping]
MAX_OPEN = 50_000
"""Open lines of one account that are looked at."""


def insert_lines(session: Connection, rows: Sequence[Mapping[str, Any]]) -> int:
    """Add lines; one whose reference is there already is left out. Return how many were new."""
    return session.execute(_INSERT, {"rows": msgspec.json.encode(rows).decode()}).rowcount if rows else 0


def open_lines(session: Connection, site_id: UUID, account: str) -> Rows:
    """Return the bank's lines without a transfer, oldest first: id, day, amount_fen, reference, text."""
    parameters = {"site_id": site_id, "account": account, "limit": MAX_OPEN}
    return session.execute(_OPEN_LINES, parameters).mappings().all()


def open_transfers(session: Connection, site_id: UUID, account: str) -> Rows:
    """Return our transfers over the bank account or its clearing without a line, oldest first; the same columns."""
    parameters = {"site_id": site_id, "account": account, "limit": MAX_OPEN}
    return session.execute(_OPEN_TRANSFERS, parameters).mappings().all()


def accounts(session: Connection, site_id: UUID) -> list[str]:
    """Return the accounts with lines, in order."""
    return list(session.execute(_ACCOUNTS, {"site_id": site_id}).scalars())


def match(session: Connection, pairs: Sequence[tuple[UUID, UUID]], at: datetime) -> None:
    """Note which transfer each line stands for."""
    rows = [{"id": line, "transfer_id": transfer, "at": at} for line, transfer in pairs]
    if rows:
        session.execute(_MATCH, rows)


def matched_count(session: Connection, site_id: UUID, account: str) -> int:
    """Count the matched lines."""
    return int(session.execute(_MATCHED, {"site_id": site_id, "account": account}).scalar_one())


_INSERT = text("""
    insert into bank_line (id, site_id, account, day, amount_fen, reference, note, taken_in_by, taken_in_at)
    select id, site_id, account, day, amount_fen, reference, note, taken_in_by, taken_in_at
    from json_populate_recordset(null::bank_line, cast(:rows as json))
    on conflict (site_id, account, reference) do nothing
""")
_OPEN_LINES = text("""
    select id, day, amount_fen, reference, note as text from bank_line
    where site_id = :site_id and account = :account and transfer_id is null order by day, reference limit :limit
""")
_OPEN_TRANSFERS = text("""
    with book as (
        select id from ledger_account where site_id = :site_id and role in ('bank', 'bank_clearing') and name = :account
    ), moved as (
        select t.id, t.business_day, t.amount_fen, t.note, t.kind, t.posted_at from transfer t
        where t.from_account in (select id from book) and t.to_account not in (select id from book)
        union all
        select t.id, t.business_day, -t.amount_fen, t.note, t.kind, t.posted_at from transfer t
        where t.to_account in (select id from book) and t.from_account not in (select id from book)
    )
    select m.id, m.business_day as day, m.amount_fen, '' as reference, m.note as text
    from moved m where not exists (select from bank_line b where b.transfer_id = m.id)
    order by m.business_day, m.posted_at, m.id limit :limit
""")
_ACCOUNTS = text("select distinct account from bank_line where site_id = :site_id order by 1")
_MATCH = text(
    "update bank_line set transfer_id = :transfer_id, matched_at = :at where id = :id and transfer_id is null"
)
_MATCHED = text("""
    select count(*) from bank_line where site_id = :site_id and account = :account and transfer_id is not null
""")
