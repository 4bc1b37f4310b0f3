"""Closing accounts, deposits and card fees: nothing is lost, what comes late still lands."""

from __future__ import annotations

from uuid import UUID

from cardcore.access.items import AccountState
from cardcore.ids import SiteId, StallId, TillId
from cardcore.money import Fen
from server.canteen import service as canteen
from server.cashdesk import desk
from server.cashdesk.closing import Closed, Closure, Rest, close_account, late_charges
from server.cashdesk.desk import CASH
from server.cashdesk.models import DeskRefusal
from server.database import WriteSession
from server.ledger.booking import Booking
from server.ledger.roles import LedgerRole, TransferKind
from server.ledger.rules import PurseRule, put_rule
from server.ledger.service import set_account_state
from server.system import System
from tests.server.cashdesk.conftest import Counter, printed
from tests.server.money import Holder, Money


def book(
    session: WriteSession, system: System, site: SiteId, kind: TransferKind, ends: tuple[object, object], amount: int
) -> None:
    """Move between purses (holder, kind) and accounts of the books (role, name)."""
    booking = Booking(session, system, site, "test")
    wanted = [(end[0].account, end[1]) for end in ends if isinstance(end, tuple) and isinstance(end[0], Holder)]
    purses = booking.lock(wanted)

    def place(end: object) -> UUID:
        assert isinstance(end, tuple)
        return purses[end[0].account, end[1]].id if isinstance(end[0], Holder) else booking.books(*end)

    booking.move(kind, (place(ends[0]), place(ends[1])), amount)
    booking.write()


def fill(counter: Counter, holder: Holder) -> None:
    """Give 30 yuan cash, 20 yuan deposit, 5 yuan subsidy and 7 meals."""
    counter.top_up(holder, 3_000)
    counter.call(desk.take_deposit, counter.till, counter.order(holder, 2_000))
    counter.call(book, TransferKind.SUBSIDY, ((LedgerRole.SUBSIDY, "main"), (holder, "subsidy")), 500)
    counter.call(book, TransferKind.MEAL_RIGHTS, ((LedgerRole.MEAL_RIGHTS, "main"), (holder, "count")), 7)


def test_c45_closing_pays_out_cash_and_deposit_and_ends_the_rest(money: Money, counter: Counter) -> None:
    holder = money.holder()
    fill(counter, holder)
    done = counter.call(close_account, counter.till, Closure(holder.account, Rest.PAID_OUT, "left the site"))
    assert done == Closed(Fen(5_000), Fen(0), Fen(500), Fen(0))
    assert set(money.balances(holder).values()) == {0}
    assert counter.top_up(holder, 100) is DeskRefusal.ACCOUNT_NOT_OPEN
    again = counter.call(close_account, counter.till, Closure(holder.account, Rest.PAID_OUT, "again"))
    assert again is DeskRefusal.ACCOUNT_NOT_OPEN
    assert money.books() == {("cash_safe", "main"): 20_000, ("cash_drawer", "desk/1"): -20_000}
    money.prove()


def test_c45_what_nobody_collects_is_left_to_the_site(money: Money, counter: Counter) -> None:
    holder = money.holder()
    fill(counter, holder)
    done = counter.call(close_account, counter.till, Closure(holder.account, Rest.LEFT, "cannot be found"))
    assert done == Closed(Fen(0), Fen(5_000), Fen(500), Fen(0))
    assert money.books()["balances_left", "main"] == 5_000
    money.prove()


def test_c45_a_debt_is_paid_first_or_becomes_a_claim(money: Money, counter: Counter) -> None:
    holder = money.holder()
    counter.call(book, TransferKind.ADJUSTMENT, ((holder, CASH), (LedgerRole.ADJUSTMENT, "main")), 800)
    closure = Closure(holder.account, Rest.PAID_OUT, "left")
    assert counter.call(close_account, counter.till, closure) is DeskRefusal.DEBT_OPEN
    claimed = Closure(holder.account, Rest.PAID_OUT, "left", claim_debt=True)
    assert counter.call(close_account, counter.till, claimed) == Closed(Fen(0), Fen(0), Fen(0), Fen(800))
    assert money.books()["receivable", "closed_account"] == -800
    money.prove()


def test_c45_a_silent_till_is_told_before_closing(money: Money, counter: Counter) -> None:
    def till(session: WriteSession, system: System, site: SiteId) -> None:
        canteen.put_stalls(session, system, site, [canteen.Stall(StallId("hall"), "Hall", "大厅")], "test")
        new = canteen.Till(TillId("t01"), "T", "T", "t01", StallId("hall"))
        assert canteen.put_tills(session, system, site, [new], "test") is None

    holder = money.holder()
    counter.call(till)
    late = money.database.read(lambda session: late_charges(session, money.site))
    assert (late.tills, late.possible) == (("t01",), 3 * 5_000)
    closure = Closure(holder.account, Rest.PAID_OUT, "left")
    assert counter.call(close_account, counter.till, closure) is DeskRefusal.TILLS_SILENT
    despite = Closure(holder.account, Rest.PAID_OUT, "left", despite_silent_tills=True)
    assert isinstance(counter.call(close_account, counter.till, despite), Closed)


def test_c45_money_that_comes_after_closing_can_be_collected(money: Money, counter: Counter) -> None:
    holder = money.holder()
    counter.call(put_rule, PurseRule("cash", floor=Fen(1_000)), "test")  # a reserve holds back nothing here
    counter.call(set_account_state, holder.account, AccountState.CLOSED, "test")
    counter.call(book, TransferKind.REFUND, ((LedgerRole.STALL, "hall"), (holder, CASH)), 1_200)
    assert printed(counter.pay_out(holder, 1_200)).balance == 0


def test_c45_a_drawer_that_cannot_pay_closes_nothing(money: Money, counter: Counter) -> None:
    holder = money.holder()
    money.give(holder, 30_000)
    closure = Closure(holder.account, Rest.PAID_OUT, "left")
    assert counter.call(close_account, counter.till, closure) is DeskRefusal.DRAWER_TOO_LOW
    assert money.cash(holder) == 30_000


class TestDeposit:
    def test_c31_a_deposit_is_held_and_given_back(self, money: Money, counter: Counter) -> None:
        holder = money.holder()
        taken = printed(counter.call(desk.take_deposit, counter.till, counter.order(holder, 2_000)))
        assert (taken.balance, money.cash(holder), money.balances(holder)["deposit"]) == (2_000, 0, 2_000)
        more = counter.call(desk.return_deposit, counter.till, counter.order(holder, 2_001))
        assert more is DeskRefusal.BALANCE_TOO_LOW
        back = printed(counter.call(desk.return_deposit, counter.till, counter.order(holder, 2_000)))
        assert back.balance == 0
        money.prove()

    def test_c32_a_card_fee_is_income_and_not_refundable(self, money: Money, counter: Counter) -> None:
        holder = money.holder()
        order = counter.order(holder, 1_500, "reissue")
        fee = printed(counter.call(desk.sell_card, counter.till, order))
        again = printed(counter.call(desk.sell_card, counter.till, order))
        assert (again.number, again.repeated) == (fee.number, True)
        assert money.cash(holder) == 0
        assert money.books()["card_cost_income", "main"] == 1_500
        undo = counter.order(holder, 1_500, "no")
        assert counter.call(desk.reverse_top_up, counter.till, fee.transfer, undo) is DeskRefusal.TOPUP_UNKNOWN
        money.prove()

    def test_a_closed_account_pays_neither(self, money: Money, counter: Counter) -> None:
        holder = money.holder()
        counter.call(set_account_state, holder.account, AccountState.CLOSED, "test")
        for service in (desk.take_deposit, desk.sell_card):
            assert counter.call(service, counter.till, counter.order(holder, 100)) is DeskRefusal.ACCOUNT_NOT_OPEN
