"""Settlement sheets: turnover - refunds - fees = payable, drawn up by one person and marked paid by another (C65).

A sheet covers closed days only and follows the one before without a gap, so no fen is settled twice or never. Drawing
it up books the fees; paying it books the payout. What a sheet leaves below nothing is carried to the next.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import RowMapping

from cardcore.ids import SiteId, StaffId, StallId
from cardcore.money import Fen
from server.audit.service import Deed, record, staff_actor
from server.close.service import actor_staff, first_open_day
from server.database import ReadSession, WriteSession
from server.ledger.booking import About, Booking
from server.ledger.roles import LedgerRole, TransferKind
from server.ledger.service import MAIN
from server.reports.paging import Page, page_of
from server.settlement import repository
from server.settlement.contracts import contracts_of
from server.settlement.models import Fees, SettlementRefusal, Sheet, SheetState, Taking, fees_of
from server.staff import service as staff
from server.staff.roles import Permission
from server.system import System

MAX_SHEET_DAYS = 366
MAX_REFERENCE = 100
"""Characters of the bank's reference of a payout."""


def draw_up(
    session: WriteSession, system: System, site_id: SiteId, stall_id: StallId, through: date, maker: StaffId
) -> Sheet | SettlementRefusal:
    """Draw up a stall's sheet from the day after the last one through a closed day, and book its fees.

    Asked again for the same day it returns the sheet as it stands.
    """
    if not staff.may(session, maker, site_id, Permission.SETTLE):
        return SettlementRefusal.NOT_ALLOWED
    if repository.lock_stall(session, site_id, stall_id) is None:
        return SettlementRefusal.STALL_UNKNOWN
    last = repository.last_sheet(session, site_id, stall_id)
    if last is not None and last["through_day"] == through:
        return sheet_of(last)
    days = _days(session, site_id, stall_id, through, last)
    if isinstance(days, SettlementRefusal):
        return days
    takings = [
        Taking(row["business_day"], row["charges"], Fen(row["turnover"]), Fen(row["refunds"]))
        for row in repository.takings(session, site_id, stall_id, days)
    ]
    fees = fees_of(takings, contracts_of(session, site_id, stall_id))
    if fees is None:
        return SettlementRefusal.NO_CONTRACT
    carried = Fen(last["payable_fen"]) if last is not None and last["state"] == SheetState.NOTHING_DUE else Fen(0)
    actor = staff_actor(maker)
    row = _row(takings, fees, carried) | {
        "id": system.ids.uuid7(), "site_id": site_id, "stall_id": stall_id, "from_day": days[0],
        "through_day": days[1], "made_by": actor, "made_at": system.clock.now(),
    }  # fmt: skip
    repository.insert_sheet(session, row)
    _book_fees(Booking(session, system, site_id, actor), stall_id, fees, f"settlement {row['id']}")
    subject = f"settlement:{row['id']}"
    record(
        session, system, site_id, Deed(actor, "settlement_drawn", subject, after={"payable_fen": row["payable_fen"]})
    )
    drawn = repository.last_sheet(session, site_id, stall_id)
    assert drawn is not None
    return sheet_of(drawn)


def mark_paid(
    session: WriteSession, system: System, site_id: SiteId, sheet_id: UUID, payer: StaffId, reference: str
) -> SettlementRefusal | None:
    """Book a sheet's payout from the bank; another person than the one who drew it up, with the bank's reference."""
    if not staff.may(session, payer, site_id, Permission.SETTLE):
        return SettlementRefusal.NOT_ALLOWED
    row = repository.lock_sheet(session, site_id, sheet_id)
    refusal = _paying_refusal(session, row, payer, reference)
    if refusal is not None or row is None:
        return refusal
    actor = staff_actor(payer)
    booking = Booking(session, system, site_id, actor)
    accounts = (booking.books(LedgerRole.STALL, row["stall_id"]), booking.books(LedgerRole.BANK, MAIN))
    note = About(note=f"settlement {sheet_id} {reference}")
    booking.move(TransferKind.STALL_PAYOUT, accounts, row["payable_fen"], note)
    booking.write()
    repository.mark_paid(session, sheet_id, actor, system.clock.now(), reference)
    after = {"payable_fen": row["payable_fen"], "reference": reference}
    record(session, system, site_id, Deed(actor, "settlement_paid", f"settlement:{sheet_id}", after=after))
    return None


def find(session: ReadSession, site_id: SiteId, stall_id: StallId | None, page: int) -> Page[Sheet]:
    """Return a page of sheets, newest first."""
    found: Page[RowMapping] = page_of(
        page, lambda limit, offset: repository.sheets(session, site_id, stall_id, limit, offset), lambda: None
    )
    return Page(tuple(map(sheet_of, found.rows)), found.number, found.has_next, None)


def _days(
    session: WriteSession, site_id: SiteId, stall_id: StallId, through: date, last: RowMapping | None
) -> tuple[date, date] | SettlementRefusal:
    """Return the first and last day of the next sheet."""
    open_day = first_open_day(session, site_id)
    if open_day is None or through >= open_day:
        return SettlementRefusal.DAYS_NOT_CLOSED
    if last is not None:
        first = last["through_day"] + timedelta(days=1)
    else:
        first = repository.first_posting_day(session, site_id, stall_id) or through
    if not 0 <= (through - first).days < MAX_SHEET_DAYS:
        return SettlementRefusal.DAYS_OUT_OF_RANGE
    return first, through


def _paying_refusal(
    session: WriteSession, row: RowMapping | None, payer: StaffId, reference: str
) -> SettlementRefusal | None:
    if row is None:
        return SettlementRefusal.SHEET_UNKNOWN
    if row["state"] == SheetState.PAID:
        return SettlementRefusal.ALREADY_PAID
    if row["state"] == SheetState.NOTHING_DUE:
        return SettlementRefusal.NOTHING_DUE
    if not reference.strip():
        return SettlementRefusal.REFERENCE_MISSING
    if len(reference) > MAX_REFERENCE:
        return SettlementRefusal.TOO_LONG
    person, maker = staff.person_of(session, payer), staff.person_of(session, actor_staff(row["made_by"]))
    if person is None or maker is None:
        return SettlementRefusal.PERSON_UNKNOWN
    return SettlementRefusal.SAME_PERSON if person == maker else None


def _book_fees(booking: Booking, stall_id: StallId, fees: Fees, note: str) -> None:
    """Book commission by its lines, the residue on the rounding account, and the per-charge fees."""
    stall = booking.books(LedgerRole.STALL, stall_id)
    lines = fees.commission - fees.residue
    for kind, account, amount in (
        (TransferKind.COMMISSION, booking.books(LedgerRole.COMMISSION_INCOME, stall_id), lines),
        (TransferKind.ROUNDING, booking.books(LedgerRole.ROUNDING, MAIN), int(fees.residue)),
        (TransferKind.FEE, booking.books(LedgerRole.FEE_INCOME, stall_id), int(fees.fee)),
    ):
        if amount:
            way = (stall, account) if amount > 0 else (account, stall)
            booking.move(kind, way, abs(amount), About(note=note))
    booking.write()


def _row(takings: list[Taking], fees: Fees, carried: Fen) -> dict[str, Any]:
    turnover, refunds = sum(day.turnover for day in takings), sum(day.refunds for day in takings)
    payable = turnover - refunds - fees.commission - fees.fee + carried
    return {
        "lines": msgspec.json.encode([asdict(line) for line in fees.lines]).decode(),
        "charges": sum(day.charges for day in takings),
        "turnover_fen": turnover,
        "refunds_fen": refunds,
        "commission_fen": fees.commission,
        "fee_fen": fees.fee,
        "residue_fen": fees.residue,
        "carried_fen": carried,
        "payable_fen": payable,
        "state": SheetState.DRAWN if payable > 0 else SheetState.NOTHING_DUE,
    }


def sheet_of(row: RowMapping) -> Sheet:
    """Return the sheet of a row."""
    return Sheet(
        id=str(row["id"]),
        stall_id=StallId(row["stall_id"]),
        from_day=row["from_day"],
        through_day=row["through_day"],
        charges=row["charges"],
        turnover=Fen(row["turnover_fen"]),
        refunds=Fen(row["refunds_fen"]),
        commission=Fen(row["commission_fen"]),
        fee=Fen(row["fee_fen"]),
        residue=Fen(row["residue_fen"]),
        carried=Fen(row["carried_fen"]),
        payable=Fen(row["payable_fen"]),
        state=SheetState(row["state"]),
        made_by=row["made_by"],
        made_at=row["made_at"],
        paid_by=row["paid_by"],
        paid_at=row["paid_at"],
        reference=row["reference"],
    )
