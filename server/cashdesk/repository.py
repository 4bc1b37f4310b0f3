"""The SQL of shifts and receipts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, text

Rows = Sequence[RowMapping]


def insert_shift(session: Connection, row: Mapping[str, Any]) -> bool:
    """Open a shift; False when the desk or the operator has one open."""
    return session.execute(_INSERT_SHIFT, row).rowcount > 0


def next_number(session: Connection, site_id: UUID, desk: str) -> int:
    """Return the number after the desk's last shift."""
    return int(session.execute(_NEXT_NUMBER, {"site_id": site_id, "desk": desk}).scalar_one())


def shift(session: Connection, site_id: UUID, shift_id: UUID) -> RowMapping | None:
    """Return a shift, or None if unknown or of another site."""
    return session.execute(_SHIFT, {"site_id": site_id, "id": shift_id}).mappings().one_or_none()


def lock_shift(session: Connection, site_id: UUID, shift_id: UUID) -> RowMapping | None:
    """Lock and return a shift: one operation at a time in one drawer."""
    return session.execute(_LOCK_SHIFT, {"site_id": site_id, "id": shift_id}).mappings().one_or_none()


def open_shift_of(session: Connection, operator: UUID) -> RowMapping | None:
    """Return the shift an operator has open, or None."""
    return session.execute(_OPEN_SHIFT_OF, {"operator": operator}).mappings().one_or_none()


def close_shift(session: Connection, row: Mapping[str, Any]) -> None:
    """Note what was counted and expected, and end the shift."""
    session.execute(_CLOSE_SHIFT, row)


def shifts(session: Connection, site_id: UUID, limit: int, offset: int) -> Rows:
    """Return shifts, newest first."""
    return session.execute(_SHIFTS, {"site_id": site_id, "limit": limit, "offset": offset}).mappings().all()


def totals(session: Connection, drawer: UUID) -> Rows:
    """Return kind, count and fen of cash that came in (out if negative) of a drawer, by kind of transfer."""
    return session.execute(_TOTALS, {"drawer": drawer}).mappings().all()


def cash_in(session: Connection, drawer: UUID) -> int:
    """Return what a drawer should hold, in fen of cash."""
    return int(session.execute(_CASH_IN, {"drawer": drawer}).scalar_one())


def draw_receipt(session: Connection, shift_id: UUID) -> int:
    """Return the next receipt number of a locked shift."""
    return int(session.execute(_DRAW_RECEIPT, {"id": shift_id}).scalar_one())


def insert_receipt(session: Connection, row: Mapping[str, Any]) -> None:
    """Keep a receipt: transfer_id, site_id, number, shift_id."""
    session.execute(_INSERT_RECEIPT, row)


def receipt(session: Connection, transfer_id: UUID) -> RowMapping | None:
    """Return the receipt of a transfer."""
    return session.execute(_RECEIPT, {"id": transfer_id}).mappings().one_or_none()


def receipts(session: Connection, site_id: UUID, shift_id: UUID, limit: int) -> Rows:
    """Return a shift's receipts, newest first, with kind, amount, time, holder and whether a top-up was taken back."""
    parameters = {"site_id": site_id, "shift_id": shift_id, "limit": limit}
    return session.execute(_RECEIPTS, parameters).mappings().all()


def slip(session: Connection, site_id: UUID, transfer_id: UUID) -> RowMapping | None:
    """Return what a receipt prints, with its shift's operator, or None if unknown or of another site."""
    return session.execute(_SLIP, {"site_id": site_id, "id": transfer_id}).mappings().one_or_none()


def undoing_of(session: Connection, transfer_id: UUID) -> RowMapping | None:
    """Return the transfer that takes a top-up back, or None."""
    return session.execute(_UNDOING, {"id": transfer_id}).mappings().one_or_none()


def silent_tills(session: Connection, site_id: UUID) -> Rows:
    """Return the tills out of reach, each with the most that it may charge one card meanwhile."""
    return session.execute(_SILENT_TILLS, {"site_id": site_id}).mappings().all()


def insert_finding(session: Connection, row: Mapping[str, Any]) -> None:
    """Open a finding for finance: id, site_id, kind, subject, detail (JSON text), opened_at."""
    session.execute(_INSERT_FINDING, row)


_INSERT_SHIFT = text("""
    insert into shift (id, site_id, desk, number, operator, drawer, float_fen, handed_from, opened_at)
    values (:id, :site_id, :desk, :number, :operator, :drawer, :float_fen, :handed_from, :opened_at)
    on conflict do nothing
""")
_NEXT_NUMBER = text("""
    select coalesce(max(number), 0) + 1 from shift where site_id = :site_id and desk = :desk
""")
_SHIFT = text("select * from shift where site_id = :site_id and id = :id")
_LOCK_SHIFT = text("select * from shift where site_id = :site_id and id = :id for update")
_OPEN_SHIFT_OF = text("select * from shift where operator = :operator and state = 'open'")
_CLOSE_SHIFT = text("""
    update shift set state = 'closed', counted_fen = :counted_fen, expected_fen = :expected_fen,
        closed_at = :closed_at
    where id = :id
""")
_SHIFTS = text("""
    select s.*, f.name as operator_name from shift s join staff f on f.id = s.operator
    where s.site_id = :site_id order by s.opened_at desc, s.id limit :limit offset :offset
""")
_TOTALS = text("""
    select kind, count(*) as count, cast(sum(case when from_account = :drawer then amount_fen else -amount_fen end)
        as bigint) as cash_fen
    from transfer where :drawer in (from_account, to_account) group by kind order by kind
""")
_CASH_IN = text("""
    select cast(coalesce(-sum(amount_fen), 0) as bigint) from posting where ledger_account_id = :drawer
""")
_DRAW_RECEIPT = text("update shift set receipts = receipts + 1 where id = :id returning receipts")
_INSERT_RECEIPT = text("""
    insert into cash_receipt (transfer_id, site_id, number, shift_id)
    values (:transfer_id, :site_id, :number, :shift_id)
""")
_RECEIPT = text("select * from cash_receipt where transfer_id = :id")
_UNDOING = text("select * from transfer where corrects = :id and kind = 'topup_reversal'")
_SILENT_TILLS = text("""
    select t.id, cast(t.offline_tap_cap_fen as bigint) * t.offline_card_cap as possible_fen
    from till t left join device_status s on s.device_id = t.device_id
    where t.site_id = :site_id and not coalesce(s.connected, false) order by t.id
""")
_INSERT_FINDING = text("""
    insert into finding (id, site_id, kind, subject, detail, opened_at)
    values (:id, :site_id, :kind, :subject, cast(:detail as jsonb), :opened_at)
""")
_SLIP_COLUMNS = """
    select r.transfer_id, r.number, r.shift_id, t.kind, t.amount_fen, t.at, t.note, s.operator, o.name as operator_name,
           u.account_id, p.id as person_id, p.name as holder, p.number as holder_number,
           case when t.to_account = u.id then t.to_balance_fen else t.from_balance_fen end as balance_fen,
           exists (select from transfer back where back.corrects = t.id and back.kind = 'topup_reversal') as taken_back
    from cash_receipt r join transfer t on t.id = r.transfer_id join shift s on s.id = r.shift_id
    join staff o on o.id = s.operator
    left join purse u on u.id in (t.from_account, t.to_account)
    left join account a on a.id = u.account_id left join person p on p.id = a.person_id
    where r.site_id = :site_id
"""
_RECEIPTS = text(
    f"{_SLIP_COLUMNS} and r.shift_id = :shift_id order by t.posted_at desc, r.transfer_id desc limit :limit"
)
_SLIP = text(f"{_SLIP_COLUMNS} and r.transfer_id = :id")
