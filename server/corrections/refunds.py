"""Refunds of a charge that stands: undo by the cashier (C59), correction by the office (C60, C61).

A refund leaves the charge as it is and books opposite transfers, each naming the leg that it gives back, so the sum of
all refunds can never pass the charge (I13). Money goes back the way it came: cash first, then subsidy; what the house
paid of it (discount, first tap) goes back to the house in proportion. When nothing is left, meal rights and the meal's
count are given back too. A refund is no charge and cannot itself be
refunded; to undo a wrong refund, charge or adjust.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import RowMapping

from cardcore.ids import AccountId, ChargeId, SiteId
from cardcore.money import Fen, split_by_weight
from server.audit.service import Deed, record
from server.corrections import repository
from server.database import ReadSession, WriteSession
from server.ledger.booking import About, Booking
from server.ledger.roles import TransferKind
from server.ledger.service import MAX_NOTE
from server.system import System

UNDO_WINDOW = timedelta(minutes=5)
"""How long after the meal a cashier may undo it alone (offline-payments 2.6)."""


class RefundKind(StrEnum):
    """Who gives back."""

    UNDO = "undo"
    """The cashier, the whole of what is left, within `UNDO_WINDOW`."""
    OFFICE = "office"
    """Two people of the office, any part, at any time."""


class RefundRefusal(StrEnum):
    """Why nothing was given back."""

    CHARGE_UNKNOWN = "charge_unknown"
    NOT_IN_FORCE = "not_in_force"
    """The charge was reversed, or this is the reversal."""
    NOT_SERVED_YET = "not_served_yet"
    """The till has not said what became of the meal; if it was not served it reverses by itself."""
    TOO_LATE = "too_late"
    AMOUNT_OUT_OF_RANGE = "amount_out_of_range"
    MORE_THAN_LEFT = "more_than_left"
    REASON_MISSING = "reason_missing"
    REASON_TOO_LONG = "reason_too_long"
    OTHER_CONTENT = "other_content"
    """The refund's id was used for something else."""


@dataclass(frozen=True, slots=True)
class RefundOrder:
    """What to give back. `id` is drawn by whoever asks, so that asking twice gives back once."""

    id: UUID
    charge: ChargeId
    amount: Fen | None
    """None = all that is left, which is the only way for a charge of nothing (a meal right)."""
    reason: str


@dataclass(frozen=True, slots=True)
class Refunded:
    """A refund that stands; `left` is what could still be given back."""

    amount: Fen
    left: Fen
    repeated: bool = False


def shown(session: ReadSession, site_id: SiteId, charge: ChargeId) -> RowMapping | None:
    """Return a charge as whoever asks for a refund reads it, or None if unknown or of another site."""
    return repository.shown(session, site_id, charge)


def undo(
    session: WriteSession, system: System, site_id: SiteId, order: RefundOrder, actor: str
) -> Refunded | RefundRefusal:
    """Undo a meal just served; for the cashier alone."""
    if order.amount is not None:
        return RefundRefusal.AMOUNT_OUT_OF_RANGE
    return _refund(session, system, site_id, order, actor, RefundKind.UNDO)


def refund(
    session: WriteSession, system: System, site_id: SiteId, order: RefundOrder, actor: str
) -> Refunded | RefundRefusal:
    """Give back all or part of a charge; reached only through an approval (`server.corrections.approved`)."""
    return _refund(session, system, site_id, order, actor, RefundKind.OFFICE)


def _refund(
    session: WriteSession, system: System, site_id: SiteId, order: RefundOrder, actor: str, kind: RefundKind
) -> Refunded | RefundRefusal:
    if not order.reason.strip():
        return RefundRefusal.REASON_MISSING
    if len(order.reason) > MAX_NOTE:
        return RefundRefusal.REASON_TOO_LONG
    if order.amount is not None and order.amount <= 0:
        return RefundRefusal.AMOUNT_OUT_OF_RANGE
    found = repository.charge(session, site_id, order.charge)
    if found is None:
        return RefundRefusal.CHARGE_UNKNOWN
    repository.lock_journal(session, found["device_id"], found["epoch"])
    charge = repository.charge(session, site_id, order.charge) or found  # again, now that nobody else may change it
    legs = repository.legs(session, order.charge)
    left = sum(leg["left_fen"] for leg in legs if leg["paid"])
    stored = repository.refund(session, order.id)
    if stored is not None:
        return _repeat(stored, order, left, kind)
    refusal = _refusal(system, charge, legs, kind)
    if refusal is not None:
        return refusal
    amount = left if order.amount is None else order.amount
    if amount > left:
        return RefundRefusal.MORE_THAN_LEFT
    booking = Booking(session, system, site_id, actor)
    _give_back(session, booking, charge, legs, (amount, left), order.reason)
    row = {
        "id": order.id, "site_id": site_id, "charge_id": order.charge, "kind": kind, "amount_fen": amount,
        "is_rest": amount == left, "reason": order.reason, "actor": actor, "business_day": booking.day,
        "at": system.clock.now(),
    }  # fmt: skip
    repository.insert_refund(session, row)
    after = {"amount_fen": amount, "left_fen": left - amount, "kind": kind}
    deed = Deed(actor, "charge_refunded", f"charge:{order.charge}", after=after, reason=order.reason)
    record(session, system, site_id, deed)
    return Refunded(Fen(amount), Fen(left - amount))


def _repeat(stored: RowMapping, order: RefundOrder, left: int, kind: RefundKind) -> Refunded | RefundRefusal:
    same = (stored["charge_id"], stored["kind"]) == (order.charge, kind)
    if not same or order.amount not in {None, stored["amount_fen"]}:
        return RefundRefusal.OTHER_CONTENT
    return Refunded(Fen(stored["amount_fen"]), Fen(left), repeated=True)


def _refusal(system: System, charge: RowMapping, legs: Sequence[RowMapping], kind: RefundKind) -> RefundRefusal | None:
    if charge["revision"] % 2 or charge["newest"] != charge["revision"]:
        return RefundRefusal.NOT_IN_FORCE
    if not charge["served"]:
        return RefundRefusal.NOT_SERVED_YET
    if kind is RefundKind.UNDO and system.clock.now() - charge["at"] > UNDO_WINDOW:
        return RefundRefusal.TOO_LATE
    if not any(leg["left_fen"] for leg in legs):
        return RefundRefusal.MORE_THAN_LEFT
    return None


def _share(leg: RowMapping, amount: int, left: int) -> int:
    """Return what of a part that the payer did not pay goes back: the house's money in proportion, a meal at last."""
    if amount == left:
        return int(leg["left_fen"])
    return split_by_weight(Fen(leg["left_fen"]), (amount, left - amount))[0] if leg["unit"] == "fen" else 0


def _give_back(
    session: WriteSession,
    booking: Booking,
    charge: RowMapping,
    legs: Sequence[RowMapping],
    sums: tuple[int, int],
    reason: str,
) -> None:
    """Book the way back: what was paid up to the amount, the house's share; with the last of it the meals."""
    amount, left = sums
    is_rest = amount == left
    booking.lock([(AccountId(leg["account_id"]), leg["purse"]) for leg in legs if leg["account_id"] is not None])
    rest = amount
    for leg in legs:
        part = min(rest, leg["left_fen"]) if leg["paid"] else _share(leg, amount, left)
        if not part:
            continue
        rest -= part if leg["paid"] else 0
        about = About(reason, corrects=leg["id"], charge=charge["id"])
        booking.move(TransferKind.REFUND, (leg["to_account"], leg["from_account"]), part, about)
    booking.write()
    if charge["account_id"] is not None:
        eaten = charge["event_day"] or charge["business_day"]
        meals = {"account_id": charge["account_id"], "business_day": eaten, "meal_id": charge["meal_id"]}
        repository.change_meals(session, {**meals, "count": -int(is_rest), "sum_fen": -amount})
