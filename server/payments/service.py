"""Orders and what becomes of them (C37): pending, confirmed by the provider, booked on the purse, each once.

A callback and a poll say the same thing and go the same way: the order's row is locked, what is said is compared with
what was ordered, and only the first word that it was paid books anything. A provider's word is its signed word.
"""

from __future__ import annotations

import json
from datetime import datetime

from sqlalchemy import RowMapping

from cardcore.access.items import AccountState
from cardcore.ids import AccountId, SiteId, TransferId
from cardcore.money import MAX_AMOUNT_FEN, Fen
from server.audit.service import SYSTEM_ACTOR, Deed, record
from server.cashdesk.repository import insert_finding
from server.database import ReadSession, WriteSession
from server.ledger.booking import About, Booking
from server.ledger.roles import LedgerRole, TransferKind
from server.payments import repository
from server.payments.models import (
    MAX_PENDING,
    MAX_POLLED,
    ORDER_LIFE,
    POLL_AFTER,
    POLL_FOR,
    NewOrder,
    Order,
    OrderState,
    Payment,
    PaymentRefusal,
    Verdict,
)
from server.system import System

CASH = "cash"


def make_order(
    session: WriteSession, system: System, site_id: SiteId, new: NewOrder, actor: str
) -> Order | PaymentRefusal:
    """Make an order that waits for its payment."""
    if not 0 < new.amount <= MAX_AMOUNT_FEN:
        return PaymentRefusal.AMOUNT_OUT_OF_RANGE
    booking = Booking(session, system, site_id, actor)
    purse = booking.lock([(new.account, CASH)]).get((new.account, CASH))
    if purse is None:
        return PaymentRefusal.UNKNOWN_ACCOUNT
    stored = repository.order(session, site_id, new.id)
    if stored is not None:
        asked = (new.account, new.amount, new.provider)
        same = (stored["account_id"], stored["amount_fen"], stored["provider"]) == asked
        return _order(stored) if same else PaymentRefusal.OTHER_CONTENT
    if purse.state is not AccountState.OPEN:
        return PaymentRefusal.ACCOUNT_NOT_OPEN
    if not purse.takes(new.amount):
        return PaymentRefusal.ABOVE_HIGHEST
    if repository.count_pending(session, new.account) >= MAX_PENDING:
        return PaymentRefusal.TOO_MANY_PENDING
    now = system.clock.now()
    row = {
        "id": new.id, "site_id": site_id, "number": new.id.hex, "provider": new.provider, "account_id": new.account,
        "amount_fen": new.amount, "made_by": actor, "made_at": now, "expires_at": now + ORDER_LIFE,
    }  # fmt: skip
    if not repository.insert_order(session, row):
        return PaymentRefusal.OTHER_CONTENT
    after = {"amount_fen": new.amount, "provider": new.provider}
    record(session, system, site_id, Deed(actor, "payment_ordered", f"payment:{new.id.hex}", after=after))
    return Order(new.id, new.id.hex, new.account, new.amount, new.provider, OrderState.PENDING, now + ORDER_LIFE)


def settle(session: WriteSession, system: System, provider: str, payment: Payment) -> Verdict:
    """Take what a provider says of an order; a callback's nonce is taken once, whatever it says."""
    now = system.clock.now()
    if payment.nonce and not repository.keep_callback(session, provider, payment.nonce, payment.number, now):
        return Verdict.KNOWN_BEFORE
    row = repository.lock_by_number(session, provider, payment.number)
    if row is None:
        return Verdict.UNKNOWN_ORDER
    if not payment.paid:
        return _not_paid(session, system, row)
    if row["state"] in {OrderState.BOOKED, OrderState.CONFIRMED}:
        return Verdict.KNOWN_BEFORE
    if payment.amount != row["amount_fen"]:
        detail = {"ordered_fen": row["amount_fen"], "paid_fen": payment.amount, "reference": payment.reference}
        _find(session, system, row, "payment_amount_differs", detail)
        return Verdict.AMOUNT_DIFFERS
    return _book(session, system, row, payment)


def order(session: ReadSession | WriteSession, site_id: SiteId, new: NewOrder) -> Order | None:
    """Return an order as it stands."""
    row = repository.order(session, site_id, new.id)
    return None if row is None else _order(row)


def overdue(session: ReadSession, provider: str, now: datetime) -> tuple[Order, ...]:
    """Return the orders to ask a provider about: their callback is late or lost."""
    rows = repository.to_ask_about(session, provider, now - POLL_AFTER, now - POLL_FOR, MAX_POLLED)
    return tuple(_order(row) for row in rows)


def note_asked(session: WriteSession, system: System, asked: Order) -> None:
    """Remember that a provider was asked, so that others come first next time."""
    repository.note_asked(session, asked.id, system.clock.now())


def _book(session: WriteSession, system: System, row: RowMapping, payment: Payment) -> Verdict:
    site_id, account = SiteId(row["site_id"]), AccountId(row["account_id"])
    booking = Booking(session, system, site_id, f"payment:{row['provider']}")
    place = booking.books(LedgerRole.BANK_CLEARING, row["provider"])
    purse = booking.lock([(account, CASH)])[account, CASH]
    moved = {"id": row["id"], "reference": payment.reference, "at": system.clock.now()}
    if purse.state is AccountState.CLOSED:
        repository.set_state(session, {**moved, "state": OrderState.CONFIRMED, "transfer_id": None})
        _find(session, system, row, "payment_not_booked", {"amount_fen": row["amount_fen"]})
        return Verdict.CONFIRMED_ONLY
    # What was paid is booked, the highest balance notwithstanding: it was looked at when the order was made.
    transfer = TransferId(row["id"])
    about = About(f"{row['provider']} {payment.reference}")
    booking.move(TransferKind.BANK_TOPUP, (place, purse.id), row["amount_fen"], about, transfer)
    booking.write()
    repository.set_state(session, {**moved, "state": OrderState.BOOKED, "transfer_id": transfer})
    after = {"amount_fen": row["amount_fen"], "balance_fen": purse.balance, "reference": payment.reference}
    record(session, system, site_id, Deed(SYSTEM_ACTOR, "payment_booked", f"payment:{row['number']}", after=after))
    return Verdict.BOOKED


def _not_paid(session: WriteSession, system: System, row: RowMapping) -> Verdict:
    if row["state"] == OrderState.PENDING and row["expires_at"] <= system.clock.now():
        values = {"id": row["id"], "reference": None, "transfer_id": None, "at": system.clock.now()}
        repository.set_state(session, {**values, "state": OrderState.EXPIRED})
    return Verdict.NOT_PAID


def _find(session: WriteSession, system: System, row: RowMapping, kind: str, detail: dict[str, object]) -> None:
    finding = {"id": system.ids.uuid7(), "site_id": row["site_id"], "kind": kind, "opened_at": system.clock.now()}
    insert_finding(session, {**finding, "subject": f"payment:{row['number']}", "detail": json.dumps(detail)})


def _order(row: RowMapping) -> Order:
    return Order(
        row["id"], row["number"], AccountId(row["account_id"]), Fen(row["amount_fen"]), row["provider"],
        OrderState(row["state"]), row["expires_at"],
    )  # fmt: skip
