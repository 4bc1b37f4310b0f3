"""Reads the books of one site out of PostgreSQL: plain queries, none of the product's own checks."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import psycopg

from tests.simulation.books import (
    Books,
    ChargeRow,
    MarkRow,
    PurseRow,
    QuarantineRow,
    RecordRow,
    TransferRow,
)


def read_books(connection: psycopg.Connection[Any], site: UUID) -> Books:
    """Return everything the invariants look at."""

    def rows(query: str) -> list[tuple[Any, ...]]:
        return connection.execute(query.encode(), (site,)).fetchall()

    return Books(
        purses=[PurseRow(*row) for row in rows(_PURSES)],
        transfers=[TransferRow(*row) for row in rows(_TRANSFERS)],
        charges=[ChargeRow(row[0], (row[1], row[2], row[3]), *row[4:]) for row in rows(_CHARGES)],
        records=[RecordRow((row[0], row[1], row[2]), *row[3:]) for row in rows(_RECORDS)],
        quarantine=[QuarantineRow((row[0], row[1], row[2]), row[3], row[4]) for row in rows(_QUARANTINE)],
        findings=[(row[0], row[1]) for row in rows(_FINDINGS)],
        marks=[MarkRow(*row) for row in rows(_MARKS)],
        ledger_accounts={row[0] for row in rows("select id from ledger_account where site_id = %s")},
        positions={row[0]: row[1] for row in rows("select person_id, zone_id from presence where site_id = %s")},
    )


_PURSES = "select id, account_id, kind, balance_fen, floor_fen from purse where site_id = %s order by id"
_TRANSFERS = """
    select kind, from_account, to_account, amount_fen, from_balance_fen, charge_id, business_day, posted_at
    from transfer where site_id = %s
    order by posted_at, id
"""
_CHARGES = """
    select id, device_id, epoch, seq, revision, reverses, account_id, amount_fen, offline, flag from charge
    where site_id = %s order by device_id, epoch, seq, revision
"""
_RECORDS = """
    select device_id, epoch, seq, kind, tap_seq, coalesce(purpose, ''), granted, outcome, amount_fen,
        hash, previous, body, mac
    from record where site_id = %s order by device_id, epoch, seq
"""
_QUARANTINE = """
    select device_id, epoch, seq, why, hash from quarantine where site_id = %s order by device_id, epoch, seq, hash
"""
_FINDINGS = "select kind, subject from finding where site_id = %s order by opened_at, id"
_MARKS = """
    select e.device_id, e.epoch, e.acked_through, e.closed_at is not null from device_epoch e
    join device d on d.id = e.device_id where d.site_id = %s order by e.device_id, e.opened_at, e.epoch
"""
