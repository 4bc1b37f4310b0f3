"""Cash from one holder's purse to another's (C35), both at a desk. Subsidies and deposits are not passed on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cardcore.access.items import AccountState
from cardcore.ids import AccountId, SiteId, TransferId
from cardcore.money import MAX_AMOUNT_FEN, Fen
from server.audit.service import Deed, record
from server.database import WriteSession
from server.ledger import repository
from server.ledger.booking import About, Booking
from server.ledger.roles import TransferKind
from server.ledger.service import MAX_NOTE
from server.system import System

CASH = "cash"


class PassOnRefusal(StrEnum):
    """Why nothing was passed on."""

    AMOUNT_OUT_OF_RANGE = "amount_out_of_range"
    NOTE_TOO_LONG = "note_too_long"
    SAME_ACCOUNT = "same_account"
    UNKNOWN_ACCOUNT = "unknown_account"
    ACCOUNT_NOT_OPEN = "account_not_open"
    BALANCE_TOO_LOW = "balance_too_low"
    ABOVE_HIGHEST = "above_highest"
    OTHER_CONTENT = "other_content"


@dataclass(frozen=True, slots=True)
class PassOn:
    """Cash from one account to another. `transfer` is drawn by whoever asks, so that asking twice moves once."""

    transfer: TransferId
    source: AccountId
    target: AccountId
    amount: Fen
    note: str = ""


def pass_on(session: WriteSession, system: System, site_id: SiteId, wanted: PassOn, actor: str) -> Fen | PassOnRefusal:
    """Move cash between two open accounts; return what the giver has left."""
    if not 0 < wanted.amount <= MAX_AMOUNT_FEN:
        return PassOnRefusal.AMOUNT_OUT_OF_RANGE
    if len(wanted.note) > MAX_NOTE:
        return PassOnRefusal.NOTE_TOO_LONG
    if wanted.source == wanted.target:
        return PassOnRefusal.SAME_ACCOUNT
    booking = Booking(session, system, site_id, actor)
    purses = booking.lock([(wanted.source, CASH), (wanted.target, CASH)])
    source, target = purses.get((wanted.source, CASH)), purses.get((wanted.target, CASH))
    if source is None or target is None:
        return PassOnRefusal.UNKNOWN_ACCOUNT
    stored = repository.transfer(session, wanted.transfer)
    if stored is not None:
        asked = (TransferKind.HOLDER_TRANSFER, source.id, target.id, wanted.amount)
        same = (stored["kind"], stored["from_account"], stored["to_account"], stored["amount_fen"]) == asked
        return Fen(stored["from_balance_fen"]) if same else PassOnRefusal.OTHER_CONTENT
    if {source.state, target.state} != {AccountState.OPEN}:
        return PassOnRefusal.ACCOUNT_NOT_OPEN
    if wanted.amount > source.spendable:
        return PassOnRefusal.BALANCE_TOO_LOW
    if not target.takes(wanted.amount):
        return PassOnRefusal.ABOVE_HIGHEST
    ends = (source.id, target.id)
    booking.move(TransferKind.HOLDER_TRANSFER, ends, wanted.amount, About(wanted.note), wanted.transfer)
    booking.write()
    after = {"to": str(wanted.target), "amount_fen": wanted.amount, "balance_fen": source.balance}
    record(session, system, site_id, Deed(actor, "holder_transfer", f"account:{wanted.source}", None, after))
    return Fen(source.balance)
