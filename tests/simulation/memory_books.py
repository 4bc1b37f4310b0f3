"""Reads the books out of tier 1's tables, as `postgres_books` does out of PostgreSQL."""

from __future__ import annotations

from tests.simulation.books import (
    Books,
    ChargeRow,
    MarkRow,
    PurseRow,
    QuarantineRow,
    RecordRow,
    TransferRow,
)
from tests.simulation.memory_rows import Tables


def read_books(tables: Tables) -> Books:
    """Return everything the invariants look at."""
    return Books(
        purses=[PurseRow(key, row.account, row.kind, row.balance, row.floor) for key, row in tables.purses.items()],
        transfers=[
            TransferRow(
                row.kind, row.from_account, row.to_account, row.amount_fen, row.from_balance_fen, row.charge_id,
                row.business_day, row.posted_at,
            )
            for row in tables.transfers
        ],
        charges=[
            ChargeRow(
                row.id, (key.device, key.epoch, key.seq), row.revision, row.reverses, row.account_id, row.amount_fen,
                row.offline, row.flag,
            )
            for key, rows in tables.charges.items()
            for row in rows
        ],
        records=[
            RecordRow(
                (key.device, key.epoch, key.seq), row.kind, row.tap_seq, row.purpose or "", row.granted, row.outcome,
                row.amount_fen, row.hash, row.previous,
                row.body, row.mac,
            )
            for key, row in sorted(tables.records.items())
        ],
        quarantine=[
            QuarantineRow((key.device, key.epoch, key.seq), why, digest)
            for (key, digest), (why, _) in tables.quarantine.items()
        ],
        findings=list(tables.findings),
        marks=[MarkRow(device, epoch, row.acked_through, row.closed) for (device, epoch), row in tables.heads.items()],
        ledger_accounts=set(tables.ledger_accounts.values()),
        positions={person: str(position.zone) for person, position in tables.presence.items()},
    )  # fmt: skip
