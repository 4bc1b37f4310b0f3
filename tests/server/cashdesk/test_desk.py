"""Top-up, pay-out and top-up reversal at a cash desk: once, with a receipt, and never more than is there."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from cardcore.access.items import AccountState
from cardcore.ids import CategoryId, ShiftId, StaffId
from cardcore.money import Fen
from server.cashdesk import desk, repository
from server.cashdesk.desk import Till
from server.cashdesk.models import DeskRefusal, Receipt
from server.ledger import service
from server.ledger.rules import PurseRule, put_rule
from server.staff.roles import Role
from tests.server.cashdesk.conftest import Counter, printed
from tests.server.conftest import Hire
from tests.server.money import Holder, Money


def test_c36_a_top_up_has_a_receipt_and_moves_the_shifts_drawer(money: Money, counter: Counter) -> None:
    holder = money.holder()
    receipt = counter.top_up(holder, 5_000)
    assert isinstance(receipt, Receipt)
    assert (receipt.number, receipt.balance) == ("desk-1-0001", 5_000)
    assert printed(counter.top_up(holder, 100)).number == "desk-1-0002"
    drawer = money.database.read(lambda session: repository.cash_in(session, counter.shift.drawer))
    assert drawer == 20_000 + 5_100
    money.prove()


def test_c36_the_same_top_up_again_prints_the_same_receipt(money: Money, counter: Counter) -> None:
    holder = money.holder()
    order = counter.order(holder, 5_000)
    first = printed(counter.call(desk.top_up, counter.till, order))
    again = printed(counter.call(desk.top_up, counter.till, order))
    assert (again.number, again.balance, again.repeated) == (first.number, 5_000, True)
    assert money.cash(holder) == 5_000
    other = desk.CashOrder(order.transfer, holder.account, Fen(1))
    assert counter.call(desk.top_up, counter.till, other) is DeskRefusal.OTHER_CONTENT
    assert counter.call(desk.pay_out, counter.till, order) is DeskRefusal.OTHER_CONTENT


@pytest.mark.parametrize("amount", [0, -1, 100_000_001])
def test_an_impossible_amount_is_refused(money: Money, counter: Counter, amount: int) -> None:
    assert counter.top_up(money.holder(), amount) is DeskRefusal.AMOUNT_OUT_OF_RANGE


def test_only_the_operator_of_an_open_shift_may_take_cash(money: Money, counter: Counter, hire: Hire) -> None:
    holder = money.holder()
    order = counter.order(holder, 100)
    stranger = hire(Role.CASHIER)[0]
    assert counter.call(desk.top_up, Till(counter.shift.id, stranger), order) is DeskRefusal.NOT_YOUR_SHIFT
    unknown = Till(ShiftId(money.transfer_id()), counter.operator)
    assert counter.call(desk.top_up, unknown, order) is DeskRefusal.SHIFT_UNKNOWN
    counter.close(20_000)
    assert counter.top_up(holder, 100) is DeskRefusal.SHIFT_CLOSED
    assert money.cash(holder) == 0


def test_nobody_moves_cash_on_an_account_of_their_own(money: Money, counter: Counter, hire: Hire) -> None:
    holder, other = money.holder(), money.holder()
    own = Counter(money, hire(Role.CASHIER, holder.person)[0], 20_000, "second")
    assert own.top_up(holder, 100) is DeskRefusal.OWN_ACCOUNT
    printed(counter.top_up(holder, 500))
    assert own.pay_out(holder, 100) is DeskRefusal.OWN_ACCOUNT
    assert money.cash(holder) == 500
    assert isinstance(own.top_up(other, 100), Receipt)


def test_c30_a_top_up_above_the_highest_balance_is_refused(money: Money, counter: Counter) -> None:
    staff, guest = money.holder("staff"), money.holder("guest")
    for rule in (PurseRule("cash", highest=Fen(10_000)), PurseRule("cash", CategoryId("guest"), highest=Fen(500))):
        assert counter.call(put_rule, rule, "test") is None
    assert counter.top_up(guest, 501) is DeskRefusal.ABOVE_HIGHEST
    assert isinstance(counter.top_up(guest, 500), Receipt)
    assert isinstance(counter.top_up(staff, 9_999), Receipt)
    assert counter.top_up(staff, 2) is DeskRefusal.ABOVE_HIGHEST
    assert (money.cash(staff), money.cash(guest)) == (9_999, 500)


def test_c46_a_frozen_account_takes_nothing_and_gives_nothing(money: Money, counter: Counter) -> None:
    holder = money.holder()
    counter.top_up(holder, 1_000)
    counter.call(service.set_account_state, holder.account, AccountState.FROZEN, "test")
    assert counter.top_up(holder, 100) is DeskRefusal.ACCOUNT_NOT_OPEN
    assert counter.pay_out(holder, 100) is DeskRefusal.ACCOUNT_NOT_OPEN
    assert money.cash(holder) == 1_000


class TestPayOut:
    def test_c39_part_of_the_balance_is_paid_back(self, money: Money, counter: Counter) -> None:
        holder = money.holder()
        counter.top_up(holder, 5_000)
        assert printed(counter.pay_out(holder, 2_000)).balance == 3_000
        assert counter.pay_out(holder, 3_001) is DeskRefusal.BALANCE_TOO_LOW
        money.prove()

    def test_c29_a_reserve_stays_and_credit_is_never_paid_out(self, money: Money, counter: Counter) -> None:
        holder, pupil = money.holder(), money.holder("pupil")
        counter.call(put_rule, PurseRule("cash", floor=Fen(1_000)), "test")
        counter.call(put_rule, PurseRule("cash", CategoryId("pupil"), floor=Fen(-2_000)), "test")
        counter.top_up(holder, 1_500)
        assert counter.pay_out(holder, 501) is DeskRefusal.BALANCE_TOO_LOW
        assert isinstance(counter.pay_out(holder, 500), Receipt)
        assert counter.pay_out(pupil, 1) is DeskRefusal.BALANCE_TOO_LOW

    def test_cash_that_is_not_in_the_drawer_is_not_paid(self, money: Money, cashier: StaffId) -> None:
        counter = Counter(money, cashier, opening=0)
        holder = money.holder()
        money.give(holder, 5_000)
        assert counter.pay_out(holder, 1) is DeskRefusal.DRAWER_TOO_LOW


class TestReversal:
    def test_c38_a_wrong_top_up_is_taken_back_once_and_whole(self, money: Money, counter: Counter) -> None:
        holder = money.holder()
        wrong = printed(counter.top_up(holder, 50_000))
        order = counter.order(holder, 50_000, "one zero too many")
        taken = printed(counter.call(desk.reverse_top_up, counter.till, wrong.transfer, order))
        assert (taken.balance, taken.number) == (0, "desk-1-0002")
        again = printed(counter.call(desk.reverse_top_up, counter.till, wrong.transfer, order))
        assert again.repeated
        second = counter.order(holder, 50_000, "again")
        refused = counter.call(desk.reverse_top_up, counter.till, wrong.transfer, second)
        assert refused is DeskRefusal.REVERSED_BEFORE
        money.prove()

    def test_c38_it_is_refused_once_spent(self, money: Money, counter: Counter) -> None:
        holder = money.holder()
        wrong = printed(counter.top_up(holder, 5_000))
        counter.pay_out(holder, 1)
        order = counter.order(holder, 5_000, "wrong card")
        assert counter.call(desk.reverse_top_up, counter.till, wrong.transfer, order) is DeskRefusal.ALREADY_SPENT
        assert money.cash(holder) == 4_999

    def test_it_needs_a_reason_the_same_sum_and_a_top_up_of_this_account(self, money: Money, counter: Counter) -> None:
        holder, other = money.holder(), money.holder()
        wrong = printed(counter.top_up(holder, 5_000))
        counter.top_up(other, 9_000)

        def reverse(who: Holder, amount: int, note: str = "x") -> object:
            order = counter.order(who, amount, note)
            return counter.call(desk.reverse_top_up, counter.till, wrong.transfer, order)

        assert reverse(holder, 5_000, " ") is DeskRefusal.REASON_MISSING
        assert reverse(holder, 4_000) is DeskRefusal.OTHER_CONTENT
        assert reverse(other, 5_000) is DeskRefusal.TOPUP_UNKNOWN
        assert (money.cash(holder), money.cash(other)) == (5_000, 9_000)


def test_many_desks_and_pay_outs_at_once_lose_nothing(money: Money, hire: Hire) -> None:
    """Four operators top up and pay out one account from real threads; every receipt counts once."""
    holder = money.holder()
    money.give(holder, 1_000)
    counters = [Counter(money, hire(Role.CASHIER)[0], 100_000, f"desk{number}") for number in range(4)]

    def work(counter: Counter) -> int:
        total = 0
        for turn in range(12):
            sign, call = (1, counter.top_up) if turn % 3 else (-1, counter.pay_out)
            done = call(holder, 300 + turn)
            total += sign * (300 + turn) if isinstance(done, Receipt) else 0
        return total

    with ThreadPoolExecutor(4) as pool:
        changes = list(pool.map(work, counters))
    assert money.cash(holder) == 1_000 + sum(changes)
    money.prove()
