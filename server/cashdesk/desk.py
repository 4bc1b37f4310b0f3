"""Cash over the counter, each time with a receipt: top-up, pay-out, a wrong top-up taken back, deposits, card fees.

The transfer's id is drawn by whoever asks, so that asking twice books once and prints the same number. Everything
happens in an open shift of the operator, and moves that shift's drawer.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import RowMapping

from cardcore.access.items import AccountState
from cardcore.ids import AccountId, ShiftId, SiteId, StaffId, TransferId
from cardcore.money import MAX_AMOUNT_FEN, Fen
from server.audit.service import Deed, record, staff_actor
from server.cashdesk import repository
from server.cashdesk.models import DeskRefusal, Receipt
from server.database import WriteSession
from server.ledger import repository as ledger_rows
from server.ledger.booking import About, Booking, LockedPurse
from server.ledger.roles import LedgerRole, TransferKind
from server.ledger.service import MAIN, MAX_NOTE
from server.staff import service as staff
from server.system import System

CASH = "cash"
DEPOSIT = "deposit"


@dataclass(frozen=True, slots=True)
class Till:
    """Where and by whom: the operator's open shift."""

    shift: ShiftId
    operator: StaffId


@dataclass(frozen=True, slots=True)
class CashOrder:
    """Cash for an account, or from it. `transfer` is drawn by whoever asks."""

    transfer: TransferId
    account: AccountId
    amount: Fen
    note: str = ""


def top_up(
    session: WriteSession, system: System, site_id: SiteId, till: Till, order: CashOrder
) -> Receipt | DeskRefusal:
    """Take cash and put it on the cash purse; what is owed is repaid by it first, as the purse simply rises."""
    work = _Work.begin(session, system, site_id, till, order)
    if isinstance(work, Receipt | DeskRefusal):
        return work
    stored = work.stored(TransferKind.TOPUP, (work.drawer, work.purse.id))
    if stored is not None:
        return stored
    if work.purse.state is not AccountState.OPEN:
        return DeskRefusal.ACCOUNT_NOT_OPEN
    if not work.purse.takes(order.amount):
        return DeskRefusal.ABOVE_HIGHEST
    return work.book(TransferKind.TOPUP, comes_in=True)


def pay_out(
    session: WriteSession, system: System, site_id: SiteId, till: Till, order: CashOrder
) -> Receipt | DeskRefusal:
    """Give cash back from the cash purse; a closed account may still collect what came late."""
    work = _Work.begin(session, system, site_id, till, order)
    if isinstance(work, Receipt | DeskRefusal):
        return work
    stored = work.stored(TransferKind.PAYOUT, (work.purse.id, work.drawer))
    if stored is not None:
        return stored
    if work.purse.state is AccountState.FROZEN:
        return DeskRefusal.ACCOUNT_NOT_OPEN
    # A reserve is for the card in use: of a closed account everything is the holder's.
    is_closed = work.purse.state is AccountState.CLOSED
    if order.amount > (work.purse.balance if is_closed else work.purse.spendable):
        return DeskRefusal.BALANCE_TOO_LOW
    if order.amount > repository.cash_in(session, work.drawer):
        return DeskRefusal.DRAWER_TOO_LOW
    return work.book(TransferKind.PAYOUT, comes_in=False)


def reverse_top_up(
    session: WriteSession, system: System, site_id: SiteId, till: Till, original: TransferId, order: CashOrder
) -> Receipt | DeskRefusal:
    """Take a wrong top-up back, whole and once, and hand the cash back; refused when the holder has spent of it.

    `order` repeats the account and amount of the top-up and says why.
    """
    if not order.note.strip():
        return DeskRefusal.REASON_MISSING
    work = _Work.begin(session, system, site_id, till, order)
    if isinstance(work, Receipt | DeskRefusal):
        return work
    stored = work.stored(TransferKind.TOPUP_REVERSAL, (work.purse.id, work.drawer), corrects=original)
    if stored is not None:
        return stored
    row = ledger_rows.transfer(session, original)
    if row is None or row["kind"] != TransferKind.TOPUP or row["to_account"] != work.purse.id:
        return DeskRefusal.TOPUP_UNKNOWN
    if row["amount_fen"] != order.amount:
        return DeskRefusal.OTHER_CONTENT
    if repository.undoing_of(session, original) is not None:
        return DeskRefusal.REVERSED_BEFORE
    if work.purse.balance < order.amount:
        return DeskRefusal.ALREADY_SPENT
    if order.amount > repository.cash_in(session, work.drawer):
        return DeskRefusal.DRAWER_TOO_LOW
    return work.book(TransferKind.TOPUP_REVERSAL, comes_in=False, corrects=original)


def take_deposit(
    session: WriteSession, system: System, site_id: SiteId, till: Till, order: CashOrder
) -> Receipt | DeskRefusal:
    """Take a deposit for a card; it is held in the account's deposit purse and buys no meal."""
    work = _Work.begin(session, system, site_id, till, order, DEPOSIT)
    if isinstance(work, DeskRefusal):
        return work
    stored = work.stored(TransferKind.DEPOSIT, (work.drawer, work.purse.id))
    if stored is not None:
        return stored
    if work.purse.state is not AccountState.OPEN:
        return DeskRefusal.ACCOUNT_NOT_OPEN
    return work.book(TransferKind.DEPOSIT, comes_in=True)


def return_deposit(
    session: WriteSession, system: System, site_id: SiteId, till: Till, order: CashOrder
) -> Receipt | DeskRefusal:
    """Give a deposit back when the card has come back."""
    work = _Work.begin(session, system, site_id, till, order, DEPOSIT)
    if isinstance(work, DeskRefusal):
        return work
    stored = work.stored(TransferKind.DEPOSIT_RETURN, (work.purse.id, work.drawer))
    if stored is not None:
        return stored
    if order.amount > work.purse.balance:
        return DeskRefusal.BALANCE_TOO_LOW
    if order.amount > repository.cash_in(session, work.drawer):
        return DeskRefusal.DRAWER_TOO_LOW
    return work.book(TransferKind.DEPOSIT_RETURN, comes_in=False)


def sell_card(
    session: WriteSession, system: System, site_id: SiteId, till: Till, order: CashOrder
) -> Receipt | DeskRefusal:
    """Take the price of a card or of its reissue in cash: income at once, on no purse, never refunded."""
    work = _Work.begin(session, system, site_id, till, order)
    if isinstance(work, DeskRefusal):
        return work
    income = work.booking.books(LedgerRole.CARD_COST_INCOME, MAIN)
    stored = work.stored(TransferKind.CARD_COST, (work.drawer, income))
    if stored is not None:
        return stored
    if work.purse.state is not AccountState.OPEN:
        return DeskRefusal.ACCOUNT_NOT_OPEN
    return work.book(TransferKind.CARD_COST, comes_in=True, place=income)


@dataclass(frozen=True, slots=True)
class _Work:
    """An order with its shift and purse locked."""

    session: WriteSession
    system: System
    site_id: SiteId
    order: CashOrder
    shift: RowMapping
    purse: LockedPurse
    booking: Booking

    @classmethod
    def begin(
        cls, session: WriteSession, system: System, site_id: SiteId, till: Till, order: CashOrder, kind: str = CASH
    ) -> _Work | DeskRefusal:
        """Check the order and the shift, and lock shift and purse in this order."""
        if not 0 < order.amount <= MAX_AMOUNT_FEN:
            return DeskRefusal.AMOUNT_OUT_OF_RANGE
        if len(order.note) > MAX_NOTE:
            return DeskRefusal.NOTE_TOO_LONG
        shift = repository.lock_shift(session, site_id, till.shift)
        if shift is None:
            return DeskRefusal.SHIFT_UNKNOWN
        if shift["operator"] != till.operator:
            return DeskRefusal.NOT_YOUR_SHIFT
        booking = Booking(session, system, site_id, staff_actor(till.operator))
        purse = booking.lock([(order.account, kind)]).get((order.account, kind))
        if purse is None:
            return DeskRefusal.UNKNOWN_ACCOUNT
        if purse.person == staff.person_of(session, till.operator):
            return DeskRefusal.OWN_ACCOUNT
        stored = ledger_rows.transfer(session, order.transfer)
        if stored is None and shift["state"] != "open":
            return DeskRefusal.SHIFT_CLOSED
        return cls(session, system, site_id, order, shift, purse, booking)

    @property
    def drawer(self) -> UUID:
        """The shift's drawer in the books."""
        drawer: UUID = self.shift["drawer"]
        return drawer

    def stored(
        self, kind: TransferKind, accounts: tuple[UUID, UUID], corrects: UUID | None = None
    ) -> Receipt | DeskRefusal | None:
        """Return the receipt of the first try, a refusal if the id stands for something else, None for a new order."""
        row = ledger_rows.transfer(self.session, self.order.transfer)
        if row is None:
            return None
        asked = (kind, *accounts, self.order.amount, corrects)
        if (row["kind"], row["from_account"], row["to_account"], row["amount_fen"], row["corrects"]) != asked:
            return DeskRefusal.OTHER_CONTENT
        slip = repository.receipt(self.session, self.order.transfer)
        if slip is None:
            return DeskRefusal.OTHER_CONTENT
        after = (row["to_balance_fen"], row["from_balance_fen"], self.purse.balance)
        balance = next(fen for fen in after if fen is not None)
        return Receipt(
            slip["number"], self.order.transfer, self.order.account, self.order.amount, Fen(balance), row["at"],
            repeated=True,
        )  # fmt: skip

    def book(
        self, kind: TransferKind, *, comes_in: bool, corrects: UUID | None = None, place: UUID | None = None
    ) -> Receipt:
        """Move the cash between drawer and purse (or another place), draw a receipt number, write the trail."""
        other = place or self.purse.id
        accounts = (self.drawer, other) if comes_in else (other, self.drawer)
        about = About(self.order.note, corrects)
        self.booking.move(kind, accounts, self.order.amount, about, self.order.transfer)
        self.booking.write()
        shift = self.shift
        number = f"{shift['desk']}-{shift['number']}-{repository.draw_receipt(self.session, shift['id']):04d}"
        slip = {"transfer_id": self.order.transfer, "site_id": self.site_id, "number": number, "shift_id": shift["id"]}
        repository.insert_receipt(self.session, slip)
        after = {"amount_fen": self.order.amount, "balance_fen": self.purse.balance, "receipt": number}
        subject = f"account:{self.order.account}"
        deed = Deed(staff_actor(StaffId(shift["operator"])), f"{kind}_booked", subject, None, after, self.order.note)
        record(self.session, self.system, self.site_id, deed)
        return Receipt(
            number, self.order.transfer, self.order.account, self.order.amount, Fen(self.purse.balance),
            self.system.clock.now(),
        )  # fmt: skip
