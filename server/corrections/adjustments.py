"""Booking a found difference on a purse (C62): never an edit of a balance, always a transfer with a reason.

Reached only through an approval. A difference that takes money away stops at the purse's floor: what is owed beyond it
is a debt to collect, not a correction.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cardcore.access.items import AccountState
from cardcore.ids import AccountId, SiteId, TransferId
from cardcore.money import MAX_AMOUNT_FEN, Fen
from server.audit.service import Deed, record
from server.database import WriteSession
from server.ledger import repository as ledger_rows
from server.ledger.booking import About, Booking
from server.ledger.roles import LedgerRole, TransferKind
from server.ledger.service import MAIN
from server.system import System

ADJUSTED_KINDS = frozenset({"cash", "subsidy"})


class AdjustmentRefusal(StrEnum):
    """Why nothing was booked."""

    UNKNOWN_ACCOUNT = "unknown_account"
    ACCOUNT_CLOSED = "account_closed"
    UNKNOWN_KIND = "unknown_kind"
    AMOUNT_OUT_OF_RANGE = "amount_out_of_range"
    BELOW_FLOOR = "below_floor"
    OTHER_CONTENT = "other_content"


@dataclass(frozen=True, slots=True)
class AdjustmentOrder:
    """A signed difference for one purse; positive gives to the holder. `transfer` is drawn by whoever asks."""

    transfer: TransferId
    account: AccountId
    purse: str
    amount: Fen
    reason: str


def adjust(
    session: WriteSession, system: System, site_id: SiteId, order: AdjustmentOrder, actor: str
) -> Fen | AdjustmentRefusal:
    """Book a difference; return the balance after it. Asking again returns the balance of then."""
    if order.purse not in ADJUSTED_KINDS:
        return AdjustmentRefusal.UNKNOWN_KIND
    if not 0 < abs(order.amount) <= MAX_AMOUNT_FEN:
        return AdjustmentRefusal.AMOUNT_OUT_OF_RANGE
    booking = Booking(session, system, site_id, actor)
    place = booking.books(LedgerRole.ADJUSTMENT, MAIN)
    purse = booking.lock([(order.account, order.purse)]).get((order.account, order.purse))
    if purse is None:
        return AdjustmentRefusal.UNKNOWN_ACCOUNT
    accounts = (place, purse.id) if order.amount > 0 else (purse.id, place)
    stored = ledger_rows.transfer(session, order.transfer)
    if stored is not None:
        asked = (TransferKind.ADJUSTMENT, *accounts, abs(order.amount))
        if (stored["kind"], stored["from_account"], stored["to_account"], stored["amount_fen"]) != asked:
            return AdjustmentRefusal.OTHER_CONTENT
        return Fen(stored["to_balance_fen"] if order.amount > 0 else stored["from_balance_fen"])
    if purse.state is AccountState.CLOSED:
        return AdjustmentRefusal.ACCOUNT_CLOSED
    if order.amount < 0 and purse.balance + order.amount < purse.floor:
        return AdjustmentRefusal.BELOW_FLOOR
    before = purse.balance
    booking.move(TransferKind.ADJUSTMENT, accounts, abs(order.amount), About(order.reason), order.transfer)
    booking.write()
    subject = f"account:{order.account}"
    after = {"purse": order.purse, "balance_fen": purse.balance, "transfer": str(order.transfer)}
    deed = Deed(actor, "balance_adjusted", subject, {"balance_fen": before}, after, order.reason)
    record(session, system, site_id, deed)
    return Fen(purse.balance)
