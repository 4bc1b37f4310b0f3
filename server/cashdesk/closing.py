"""Closing an account (C45): what is left is paid out or left to the site, what is owed becomes a claim, all in one go.

Meals that tills report later still land: on the receivable `closed_account`. Money that is refunded later stands on
the closed purse until the holder collects it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from cardcore.access.items import AccountState
from cardcore.ids import AccountId, SiteId
from cardcore.money import Fen
from server.audit.service import staff_actor
from server.cashdesk import repository
from server.cashdesk.desk import Till
from server.cashdesk.models import DeskRefusal
from server.database import ReadSession, WriteSession
from server.ledger import repository as ledger_rows
from server.ledger.booking import About, Booking, LockedPurse
from server.ledger.roles import LedgerRole, Receivable, TransferKind
from server.ledger.service import MAIN, MAX_NOTE, set_account_state
from server.system import System

KINDS = ("cash", "count", "deposit", "subsidy")


class Rest(StrEnum):
    """What becomes of cash and deposit."""

    PAID_OUT = "paid_out"
    LEFT = "left"
    """The holder left it, or cannot be found: income `balances_left`."""


@dataclass(frozen=True, slots=True)
class LateCharges:
    """Meals that tills may still report: each silent one, and the most that they could charge this account."""

    tills: tuple[str, ...]
    possible: Fen


@dataclass(frozen=True, slots=True)
class Closure:
    """An account to close. `despite_silent_tills` and `claim_debt` are decisions of the one who closes."""

    account: AccountId
    rest: Rest
    reason: str
    despite_silent_tills: bool = False
    claim_debt: bool = False


@dataclass(frozen=True, slots=True)
class Closed:
    """What closing did: cash handed over, left to the site, lapsed subsidy, and debt that became a claim."""

    paid_out: Fen
    left: Fen
    lapsed: Fen
    claimed: Fen


def late_charges(session: ReadSession | WriteSession, site_id: SiteId) -> LateCharges:
    """Return which tills are out of reach, for whoever closes an account or issues a card again."""
    rows = repository.silent_tills(session, site_id)
    return LateCharges(tuple(row["id"] for row in rows), Fen(sum(row["possible_fen"] for row in rows)))


def close_account(
    session: WriteSession, system: System, site_id: SiteId, till: Till, closure: Closure
) -> Closed | DeskRefusal:
    """Close an account at a desk whose shift is open; its drawer pays what is paid out."""
    refusal = _refusal(session, site_id, closure)
    if refusal is not None:
        return refusal
    shift = repository.lock_shift(session, site_id, till.shift)
    if shift is None or shift["state"] != "open":
        return DeskRefusal.SHIFT_UNKNOWN if shift is None else DeskRefusal.SHIFT_CLOSED
    if shift["operator"] != till.operator:
        return DeskRefusal.NOT_YOUR_SHIFT
    account = ledger_rows.lock_account(session, site_id, closure.account)
    if account is None:
        return DeskRefusal.UNKNOWN_ACCOUNT
    if account["state"] == AccountState.CLOSED:
        return DeskRefusal.ACCOUNT_NOT_OPEN
    booking = Booking(session, system, site_id, staff_actor(till.operator))
    purses = {kind: purse for (_, kind), purse in booking.lock((closure.account, kind) for kind in KINDS).items()}
    owed = -min(0, purses["cash"].balance) - min(0, purses["subsidy"].balance)
    if owed and not closure.claim_debt:
        return DeskRefusal.DEBT_OPEN
    rest = max(0, purses["cash"].balance) + max(0, purses["deposit"].balance)
    is_paid = closure.rest is Rest.PAID_OUT
    if is_paid and rest > repository.cash_in(session, shift["drawer"]):
        return DeskRefusal.DRAWER_TOO_LOW
    place = shift["drawer"] if is_paid else booking.books(LedgerRole.BALANCES_LEFT, MAIN)
    lapsed = max(0, purses["subsidy"].balance)
    _empty(booking, purses, place, closure.reason)
    booking.write()
    actor = staff_actor(till.operator)
    set_account_state(session, system, site_id, closure.account, AccountState.CLOSED, actor)
    return Closed(Fen(rest * is_paid), Fen(rest * (not is_paid)), Fen(lapsed), Fen(owed))


def _refusal(session: WriteSession, site_id: SiteId, closure: Closure) -> DeskRefusal | None:
    if not closure.reason.strip():
        return DeskRefusal.REASON_MISSING
    if len(closure.reason) > MAX_NOTE:
        return DeskRefusal.NOTE_TOO_LONG
    if not closure.despite_silent_tills and late_charges(session, site_id).tills:
        return DeskRefusal.TILLS_SILENT
    return None


def _empty(booking: Booking, purses: dict[str, LockedPurse], place: UUID, reason: str) -> None:
    """Bring every purse to zero: what is held to `place` or back where it came from, what is owed to the claim."""
    claim = booking.books(LedgerRole.RECEIVABLE, Receivable.CLOSED_ACCOUNT)
    subsidy, rights = booking.books(LedgerRole.SUBSIDY, MAIN), booking.books(LedgerRole.MEAL_RIGHTS, MAIN)
    ways = {
        "cash": (TransferKind.CLOSURE, place, claim),
        "deposit": (TransferKind.DEPOSIT_RETURN, place, claim),
        "subsidy": (TransferKind.SUBSIDY_LAPSE, subsidy, claim),
        "count": (TransferKind.MEAL_RIGHTS_LAPSE, rights, rights),
    }
    for name, purse in sorted(purses.items()):
        kind, target, debtor = ways[name]
        if purse.balance > 0:
            booking.move(kind, (purse.id, target), purse.balance, About(reason))
        elif purse.balance < 0:
            booking.move(TransferKind.CLOSURE, (debtor, purse.id), -purse.balance, About(reason))
