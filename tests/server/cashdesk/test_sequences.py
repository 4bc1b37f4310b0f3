"""Any order of taps, refunds, cash, batches and adjustments keeps the books: I1, I2, I3, I13, and the floor online."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import TypeVar

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardcore.ids import AccountId, ChargeId, SiteId, StaffId, TransferId
from cardcore.journal import OutcomeKind, Record
from cardcore.money import Fen
from server.cashdesk import desk, shifts
from server.cashdesk.desk import CashOrder, Till
from server.cashdesk.models import ShiftView
from server.corrections import adjustments, refunds
from server.corrections.adjustments import AdjustmentOrder
from server.corrections.refunds import RefundOrder
from server.database import Database, WriteSession, connect_app
from server.ledger import invariants
from server.subsidies import batches
from server.subsidies.batches import BatchKind, BatchView, Sheet
from server.system import System
from server.taps.repository import PostgresTaps
from server.taps.service import TapService
from tests.server.subsidies.sheets import csv
from tests.server.taps.small_site import Journal, SmallSite, make_site

R = TypeVar("R")
HOLDERS = 2
LUNCH = 1200
_names = count(1)

amounts = st.sampled_from([1, 333, 500, LUNCH, 2_000])
deeds = st.tuples(
    st.sampled_from(
        ["meal", "meal", "cancelled", "offline", "late_cancel", "refund", "refund", "undo", "top_up", "pay_out",
         "reverse", "adjust_up", "adjust_down", "subsidy", "take_back", "deposit"]
    ),
    st.integers(0, HOLDERS - 1),
    amounts,
    st.integers(0, 5),
)  # fmt: skip


class Books:
    """A small site on which deeds are done one after the other."""

    def __init__(self, database: Database, taps: TapService, small: SmallSite) -> None:
        self.database, self.taps, self.small = database, taps, small
        self.system = System(small.clock, small.ids)
        self.journal = Journal(small)
        self.served: list[Record] = []
        self.charges: list[ChargeId] = []
        self.top_ups: list[CashOrder] = []
        self.booked: list[BatchView] = []
        operator = StaffId(self.system.ids.uuid7())
        with psycopg.connect(database.url) as connection:
            connection.execute(
                "insert into staff (id, site_id, login, name, password_hash, roles, created_at)"
                " values (%s, %s, %s, 'x', '', '{}', %s)",
                (operator, small.site, str(operator), small.clock.now()),
            )
        opened = self.write(lambda session: shifts.open_shift(session, *self.at, "desk", operator, Fen(50_000)))
        assert isinstance(opened, ShiftView)
        self.till = Till(opened.id, operator)

    @property
    def at(self) -> tuple[System, SiteId]:
        return self.system, self.small.site

    def write(self, call: Callable[[WriteSession], R]) -> R:
        return self.database.write(call)

    def account(self, index: int) -> AccountId:
        account = self.small.holders[index].account
        assert account is not None
        return account

    def order(self, index: int, amount: int) -> CashOrder:
        return CashOrder(TransferId(self.system.ids.uuid7()), self.account(index), Fen(amount), "why")

    def cash(self) -> dict[str, int]:
        rows = self.small.rows(
            "select account_id || kind, balance_fen from purse where site_id = %s and kind <> 'deposit'",
            self.small.site,
        )
        return dict(rows)

    def do(self, deed: str, index: int, amount: int, pick: int) -> None:
        match deed:
            case "meal" | "cancelled" | "offline":
                self._meal(index, deed)
            case "late_cancel" if self.served:
                record = self.journal.outcome(self.served[pick % len(self.served)].seq, OutcomeKind.CANCELLED)
                self.taps.process([self.journal.upload([record])])
            case "refund" | "undo" if self.charges:
                whole = deed == "undo" or pick == 0
                wanted = RefundOrder(
                    self.system.ids.uuid7(), self.charges[pick % len(self.charges)],
                    None if whole else Fen(amount), "why",
                )  # fmt: skip
                service = refunds.undo if deed == "undo" else refunds.refund
                self.write(lambda session: service(session, *self.at, wanted, "test"))
            case "adjust_up" | "adjust_down":
                signed = Fen(amount if deed == "adjust_up" else -amount)
                order = AdjustmentOrder(TransferId(self.system.ids.uuid7()), self.account(index), "cash", signed, "why")
                self.write(lambda session: adjustments.adjust(session, *self.at, order, "test"))
            case "subsidy" | "take_back":
                self._batch(deed, index, amount, pick)
            case _:
                self._at_the_desk(deed, index, amount, pick)

    def _meal(self, index: int, deed: str) -> None:
        tap = self.journal.meal(self.small.holders[index])
        is_live = deed != "offline"
        (receipt,) = self.taps.process([self.journal.live(tap) if is_live else self.journal.upload([tap])])
        if is_live and (receipt.decision is None or not receipt.decision.granted):
            return
        kind = OutcomeKind.CANCELLED if deed == "cancelled" else OutcomeKind.SERVED
        outcome = self.journal.outcome(tap.seq, kind, offline=not is_live)
        self.taps.process([self.journal.upload([outcome])])
        ((charge,),) = self.small.rows(
            "select id from charge where device_id = %s and seq = %s and revision = 0",
            self.small.device.id, tap.seq,
        )  # fmt: skip
        self.charges.append(ChargeId(charge))
        if kind is OutcomeKind.SERVED:
            self.served.append(tap)

    def _batch(self, deed: str, index: int, amount: int, pick: int) -> None:
        if deed == "take_back" and self.booked:
            batch = self.booked[pick % len(self.booked)]
            self.write(lambda session: batches.reverse(session, *self.at, batch.id, "test", "why"))
            return
        content = csv([("number", "amount"), (index, f"{amount // 100}.{amount % 100:02d}")])
        sheet = Sheet(f"b{next(_names)}", BatchKind.SUBSIDY, "x", content, Fen(amount))
        made = self.write(lambda session: batches.draft(session, *self.at, sheet, "test"))
        assert isinstance(made, BatchView), made
        self.booked.append(made)
        self.write(lambda session: batches.book(session, *self.at, made.id, made.content_hash, "test"))

    def _at_the_desk(self, deed: str, index: int, amount: int, pick: int) -> None:
        order = self.order(index, amount)
        match deed:
            case "top_up":
                self.top_ups.append(order)
                self.write(lambda session: desk.top_up(session, *self.at, self.till, order))
            case "pay_out":
                self.write(lambda session: desk.pay_out(session, *self.at, self.till, order))
            case "deposit":
                self.write(lambda session: desk.take_deposit(session, *self.at, self.till, order))
            case "reverse" if self.top_ups:
                first = self.top_ups[pick % len(self.top_ups)]
                again = CashOrder(order.transfer, first.account, first.amount, "why")
                self.write(lambda session: desk.reverse_top_up(session, *self.at, self.till, first.transfer, again))

    def prove(self) -> None:
        site = self.small.site
        found = self.database.read(lambda session: invariants.all_invariants(session, site, drained=True))
        wrong = {name: violations for name, violations in found.items() if violations}
        assert not wrong, wrong
        owed = self.small.rows(
            "select m.account_id from meal_count m join account a on a.id = m.account_id"
            " where a.site_id = %s and (m.count < 0 or m.sum_fen < 0)", site,
        )  # fmt: skip
        assert owed == []


@pytest.fixture(scope="module")
def taps(module_database: Database) -> Iterator[list[TapService]]:
    opened: list[TapService] = []
    yield opened
    for service in opened:
        service.close()


@settings(max_examples=20)
@given(history=st.lists(deeds, min_size=12, max_size=24))
def test_any_history_keeps_the_books(
    module_database: Database, taps: list[TapService], history: list[tuple[str, int, int, int]]
) -> None:
    small = make_site(module_database.url, HOLDERS, 800, 700, f"s{next(_names)}")
    if not taps:
        taps.append(TapService(PostgresTaps(lambda: connect_app(module_database.url)), System(small.clock, small.ids)))
    books = Books(module_database, taps[0], small)
    for deed in history:
        before = books.cash()
        books.do(*deed)
        if deed[0] != "offline":
            fallen = {key: fen for key, fen in books.cash().items() if fen < min(0, before.get(key, 0))}
            assert fallen == {}, deed
    books.prove()
