"""A meal that only paper remembers (C58): a till died with its journal, and two people enter what was written down.

The charge stands in the site's paper journal (device = the site, epoch 0), is booked today with the time it happened,
and always posts, as every meal that was eaten does. A slip is entered once; one that looks like a charge that is
there already is refused, for lost journals do turn up.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from cardcore.access.items import AccountState
from cardcore.ids import AccountId, ChargeId, MealId, SiteId, TillId
from cardcore.money import MAX_AMOUNT_FEN, Fen
from server.audit.service import Deed, record
from server.canteen import repository as canteen_rows
from server.corrections import repository
from server.database import WriteSession
from server.ledger.booking import About, Booking, LockedPurse
from server.ledger.roles import LedgerRole, Receivable, TransferKind
from server.ledger.service import business_day_at
from server.system import System

SPENT = ("subsidy", "cash")
DEBT_PURSE = "cash"
OLDEST = timedelta(days=62)
"""Older paper is a matter for an adjustment: its month is closed and settled."""
MAX_SLIP = 40


class PaperRefusal(StrEnum):
    """Why a paper record is not entered."""

    SLIP_MISSING = "slip_missing"
    SLIP_ENTERED = "slip_entered"
    CHARGED_ALREADY = "charged_already"
    """A charge in force has the same holder, till, meal and amount within half a day."""
    UNKNOWN_ACCOUNT = "unknown_account"
    UNKNOWN_TILL = "unknown_till"
    UNKNOWN_MEAL = "unknown_meal"
    AMOUNT_OUT_OF_RANGE = "amount_out_of_range"
    TIME_OUT_OF_RANGE = "time_out_of_range"


@dataclass(frozen=True, slots=True)
class PaperSlip:
    """What is written on the paper."""

    slip: str
    account: AccountId
    till: TillId
    meal: MealId
    amount: Fen
    at: datetime


def enter(
    session: WriteSession, system: System, site_id: SiteId, paper: PaperSlip, actor: str, reason: str
) -> ChargeId | PaperRefusal:
    """Charge what the paper says; reached only through an approval."""
    stall = _stall(session, site_id, paper.till)
    refusal = _refusal(session, system, site_id, paper, stall)
    if refusal is not None or stall is None:
        return refusal or PaperRefusal.UNKNOWN_TILL
    seq = repository.next_paper_seq(session, site_id)  # locks: one paper record at a time
    if repository.slip_taken(session, site_id, paper.slip):
        return PaperRefusal.SLIP_ENTERED
    booking = Booking(session, system, site_id, actor)
    purses = booking.lock((paper.account, kind) for kind in SPENT)
    if not purses:
        return PaperRefusal.UNKNOWN_ACCOUNT
    if repository.similar_charge(session, _charge_values(paper)) is not None:
        return PaperRefusal.CHARGED_ALREADY
    charge_id = ChargeId(system.ids.uuid7())
    place = booking.books(LedgerRole.STALL, stall)
    for source, part in _legs(booking, {kind: purse for (_, kind), purse in purses.items()}, paper.amount):
        about = About(reason, charge=charge_id, at=paper.at)
        booking.move(TransferKind.CHARGE, (source, place), part, about)
    booking.write()
    eaten = business_day_at(session, site_id, paper.at)
    charge = {
        **_charge_values(paper), "id": charge_id, "site_id": site_id, "device_id": site_id,
        "epoch": repository.PAPER_EPOCH, "seq": seq, "person_id": next(iter(purses.values())).person,
        "stall_id": stall, "business_day": booking.day, "posted_at": system.clock.now(),
        "event_day": eaten if eaten != booking.day else None,
    }  # fmt: skip
    slip = {"charge_id": charge_id, "site_id": site_id, "slip": paper.slip, "entered_by": actor, "reason": reason}
    repository.insert_paper(session, charge, {**slip, "at": system.clock.now()})
    meals = {"account_id": paper.account, "business_day": eaten, "meal_id": paper.meal}
    repository.change_meals(session, {**meals, "count": 1, "sum_fen": paper.amount})
    after = {"slip": paper.slip, "amount_fen": paper.amount, "account": str(paper.account)}
    record(session, system, site_id, Deed(actor, "paper_entered", f"charge:{charge_id}", after=after, reason=reason))
    return charge_id


def _refusal(
    session: WriteSession, system: System, site_id: SiteId, paper: PaperSlip, stall: str | None
) -> PaperRefusal | None:
    now = system.clock.now()
    if not paper.slip.strip() or len(paper.slip) > MAX_SLIP:
        return PaperRefusal.SLIP_MISSING
    if not 0 < paper.amount <= MAX_AMOUNT_FEN:
        return PaperRefusal.AMOUNT_OUT_OF_RANGE
    if not now - OLDEST <= paper.at <= now:
        return PaperRefusal.TIME_OUT_OF_RANGE
    if stall is None:
        return PaperRefusal.UNKNOWN_TILL
    if paper.meal not in {row["id"] for row in canteen_rows.meal_rows(session, site_id)}:
        return PaperRefusal.UNKNOWN_MEAL
    return None


def _stall(session: WriteSession, site_id: SiteId, till: TillId) -> str | None:
    tills = {row["id"]: str(row["stall_id"]) for row in canteen_rows.till_rows(session, site_id)}
    return tills.get(till)


def _charge_values(paper: PaperSlip) -> dict[str, Any]:
    return {
        "account_id": paper.account, "till_id": paper.till, "meal_id": paper.meal, "amount_fen": paper.amount,
        "at": paper.at,
    }  # fmt: skip


def _legs(booking: Booking, purses: dict[str, LockedPurse], amount: int) -> list[tuple[UUID, int]]:
    """Split an amount that must post: purses down to their floors in spend order, the rest as a debt."""
    if any(purse.state is AccountState.CLOSED for purse in purses.values()):
        return [(booking.books(LedgerRole.RECEIVABLE, Receivable.CLOSED_ACCOUNT), amount)]
    legs: dict[UUID, int] = {}
    for kind in SPENT:
        part = min(amount, max(0, purses[kind].balance - purses[kind].floor))
        legs[purses[kind].id] = part
        amount -= part
    legs[purses[DEBT_PURSE].id] += amount
    return [(purse, part) for purse, part in legs.items() if part]
