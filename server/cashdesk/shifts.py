"""Operators' shifts (C70): opening float, blind count, difference to the over/short account, hand-over.

Each shift has a drawer of its own in the books, so what it should hold is a sum of postings and nobody's memory. The
count comes before the books' sum is shown, is made once and ends the shift; the drawer stands at zero afterwards.
"""

from __future__ import annotations

import json
import re
from uuid import UUID

from sqlalchemy import RowMapping

from cardcore.ids import ShiftId, SiteId, StaffId, TransferId
from cardcore.money import Fen
from server.audit.service import Deed, record, staff_actor
from server.cashdesk import repository
from server.cashdesk.models import MAX_COUNTED_FEN, MAX_DESK, DeskRefusal, ShiftView, Slip
from server.database import ReadSession, WriteSession
from server.ledger.booking import Booking
from server.ledger.roles import LedgerRole, TransferKind
from server.ledger.service import MAIN
from server.reports.paging import PAGE_ROWS, Page, page_of
from server.system import System

DIFFERENCE = "cash_difference"
"""The finding of a shift whose count was not what the books say."""
_DESK = re.compile(rf"[a-z0-9][a-z0-9-]{{0,{MAX_DESK - 1}}}", re.ASCII)


def open_shift(
    session: WriteSession, system: System, site_id: SiteId, desk: str, operator: StaffId, opening: Fen
) -> ShiftView | DeskRefusal:
    """Begin a shift with the cash that the safe gave for change."""
    if not _DESK.fullmatch(desk):
        return DeskRefusal.DESK_UNUSABLE
    if not 0 <= opening <= MAX_COUNTED_FEN:
        return DeskRefusal.AMOUNT_OUT_OF_RANGE
    booking = Booking(session, system, site_id, staff_actor(operator))
    opened = _begin(session, system, booking, site_id, (desk, operator), opening)
    if opened is None:
        return DeskRefusal.DESK_BUSY
    if opening:
        safe = booking.books(LedgerRole.CASH_SAFE, MAIN)
        booking.move(TransferKind.CASH_MOVE, (opened.drawer, safe), opening)
        booking.write()
    return opened


def close_shift(
    session: WriteSession, system: System, site_id: SiteId, shift_id: ShiftId, operator: StaffId, counted: Fen
) -> ShiftView | DeskRefusal:
    """Count the drawer and end the shift: all of it goes to the safe, the difference to over/short."""
    row = _own_open_shift(session, site_id, shift_id, operator)
    if isinstance(row, DeskRefusal):
        return row
    if not 0 <= counted <= MAX_COUNTED_FEN:
        return DeskRefusal.AMOUNT_OUT_OF_RANGE
    booking = Booking(session, system, site_id, staff_actor(operator))
    expected = _count(session, system, booking, row, counted)
    if counted:
        safe = booking.books(LedgerRole.CASH_SAFE, MAIN)
        booking.move(TransferKind.CASH_MOVE, (safe, row["drawer"]), counted)
    booking.write()
    return _end(session, system, row, counted, expected)


def hand_over(
    session: WriteSession,
    system: System,
    site_id: SiteId,
    shift_id: ShiftId,
    giver: tuple[StaffId, Fen],
    taker: tuple[StaffId, Fen],
) -> tuple[ShiftView, ShiftView] | DeskRefusal:
    """Pass the drawer on: both count it, the giver's shift ends and the taker's begins with the same cash."""
    row = _own_open_shift(session, site_id, shift_id, giver[0])
    if isinstance(row, DeskRefusal):
        return row
    counted = giver[1]
    if not 0 <= counted <= MAX_COUNTED_FEN:
        return DeskRefusal.AMOUNT_OUT_OF_RANGE
    if counted != taker[1]:
        return DeskRefusal.COUNTS_DIFFER
    if repository.open_shift_of(session, taker[0]) is not None:
        return DeskRefusal.DESK_BUSY
    booking = Booking(session, system, site_id, staff_actor(giver[0]))
    expected = _count(session, system, booking, row, counted)
    ended = _end(session, system, row, counted, expected)
    opened = _begin(session, system, booking, site_id, (row["desk"], taker[0]), counted, ended.id)
    if opened is None:
        msg = "the desk was locked and is free, and yet no shift could be opened"
        raise RuntimeError(msg)
    if counted:
        booking.move(TransferKind.CASH_MOVE, (opened.drawer, row["drawer"]), counted)
    booking.write()
    return ended, opened


def shift_of(session: ReadSession | WriteSession, operator: StaffId) -> ShiftView | None:
    """Return the shift that an operator has open."""
    row = repository.open_shift_of(session, operator)
    return None if row is None else view_of(row)


def shifts(session: ReadSession, site_id: SiteId, page: int) -> Page[ShiftView]:
    """Return shifts, newest first."""

    def rows(limit: int, offset: int) -> list[ShiftView]:
        return [view_of(row) for row in repository.shifts(session, site_id, limit, offset)]

    return page_of(page, rows, lambda: None)


def shifts_named(session: ReadSession, site_id: SiteId, page: int) -> Page[tuple[ShiftView, str]]:
    """Return shifts with their operators' names, newest first."""

    def rows(limit: int, offset: int) -> list[tuple[ShiftView, str]]:
        found = repository.shifts(session, site_id, limit, offset)
        return [(view_of(row), row["operator_name"]) for row in found]

    return page_of(page, rows, lambda: None)


def totals(session: ReadSession, site_id: SiteId, shift_id: ShiftId) -> dict[TransferKind, tuple[int, Fen]] | None:
    """Return count and cash of each kind of transfer of a closed shift; None while it is open: counted blind."""
    row = repository.shift(session, site_id, shift_id)
    if row is None or row["state"] == "open":
        return None
    found = repository.totals(session, row["drawer"])
    return {TransferKind(one["kind"]): (one["count"], Fen(one["cash_fen"])) for one in found}


def receipts(session: ReadSession, site_id: SiteId, shift_id: ShiftId) -> list[Slip]:
    """Return the newest receipts of a shift, at most `PAGE_ROWS`."""
    return [_slip(row) for row in repository.receipts(session, site_id, shift_id, PAGE_ROWS)]


def slip(session: ReadSession, site_id: SiteId, transfer: TransferId) -> Slip | None:
    """Return one receipt to print it again, or None if unknown or of another site."""
    row = repository.slip(session, site_id, transfer)
    return None if row is None else _slip(row)


def _slip(row: RowMapping) -> Slip:
    return Slip(
        row["number"], TransferId(row["transfer_id"]), ShiftId(row["shift_id"]), TransferKind(row["kind"]),
        Fen(row["amount_fen"]), row["at"], row["note"], StaffId(row["operator"]), row["operator_name"],
        row["account_id"], row["person_id"], row["holder"] or "", row["holder_number"] or "",
        None if row["balance_fen"] is None else Fen(row["balance_fen"]), taken_back=row["taken_back"],
    )  # fmt: skip


def view_of(row: RowMapping) -> ShiftView:
    """Return a shift as others may see it."""
    return ShiftView(
        ShiftId(row["id"]), row["desk"], row["number"], StaffId(row["operator"]), row["opened_at"],
        Fen(row["float_fen"]), row["drawer"], row["state"] == "open", row["receipts"], row["counted_fen"],
        row["expected_fen"], row["closed_at"],
    )  # fmt: skip


def _own_open_shift(
    session: WriteSession, site_id: SiteId, shift_id: ShiftId, operator: StaffId
) -> RowMapping | DeskRefusal:
    row = repository.lock_shift(session, site_id, shift_id)
    if row is None:
        return DeskRefusal.SHIFT_UNKNOWN
    if row["operator"] != operator:
        return DeskRefusal.NOT_YOUR_SHIFT
    return DeskRefusal.SHIFT_CLOSED if row["state"] != "open" else row


def _begin(
    session: WriteSession,
    system: System,
    booking: Booking,
    site_id: SiteId,
    who: tuple[str, StaffId],
    opening: Fen,
    handed_from: ShiftId | None = None,
) -> ShiftView | None:
    desk, operator = who
    number = repository.next_number(session, site_id, desk)
    shift_id = ShiftId(system.ids.uuid7())
    row = {
        "id": shift_id,
        "site_id": site_id,
        "desk": desk,
        "number": number,
        "operator": operator,
        "drawer": booking.books(LedgerRole.CASH_DRAWER, f"{desk}/{number}"),
        "float_fen": opening,
        "handed_from": handed_from,
        "opened_at": system.clock.now(),
    }
    if not repository.insert_shift(session, row):
        return None
    deed = Deed(staff_actor(operator), "shift_opened", f"shift:{shift_id}", after={"desk": desk, "float_fen": opening})
    record(session, system, site_id, deed)
    stored = repository.shift(session, site_id, shift_id)
    return None if stored is None else view_of(stored)


def _count(session: WriteSession, system: System, booking: Booking, row: RowMapping, counted: Fen) -> Fen:
    """Book the difference between the count and the books, with a finding for finance; return what the books say."""
    expected = Fen(repository.cash_in(session, row["drawer"]))
    difference = counted - expected
    if not difference:
        return expected
    place: UUID = booking.books(LedgerRole.OVER_SHORT, row["desk"])
    accounts = (row["drawer"], place) if difference > 0 else (place, row["drawer"])
    booking.move(TransferKind.CASH_DIFFERENCE, accounts, abs(difference))
    detail = {"counted_fen": counted, "expected_fen": expected, "desk": row["desk"], "number": row["number"]}
    finding = {"id": system.ids.uuid7(), "site_id": row["site_id"], "kind": DIFFERENCE}
    repository.insert_finding(
        session,
        {**finding, "subject": f"shift:{row['id']}", "detail": json.dumps(detail), "opened_at": system.clock.now()},
    )
    return expected


def _end(session: WriteSession, system: System, row: RowMapping, counted: Fen, expected: Fen) -> ShiftView:
    site_id, shift_id = SiteId(row["site_id"]), row["id"]
    ended = {"counted_fen": counted, "expected_fen": expected}
    repository.close_shift(session, {"id": shift_id, **ended, "closed_at": system.clock.now()})
    deed = Deed(staff_actor(StaffId(row["operator"])), "shift_closed", f"shift:{shift_id}", after=ended)
    record(session, system, site_id, deed)
    closed = repository.shift(session, site_id, shift_id)
    if closed is None:
        msg = f"shift {shift_id} went away under its lock"
        raise RuntimeError(msg)
    return view_of(closed)
