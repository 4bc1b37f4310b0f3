"""Shifts: the count is blind, the difference is booked and found, the drawer is empty afterwards."""

from __future__ import annotations

from cardcore.ids import StaffId
from cardcore.money import Fen
from server.cashdesk import shifts
from server.cashdesk.models import DeskRefusal, ShiftView
from server.ledger.roles import TransferKind
from server.staff.roles import Role
from tests.server.cashdesk.conftest import Counter, closed
from tests.server.conftest import Hire
from tests.server.money import Money

FINDINGS = "select detail ->> 'counted_fen' from finding where kind = 'cash_difference'"


def findings(money: Money) -> list[str]:
    return money.database.read(lambda session: [row[0] for row in session.exec_driver_sql(FINDINGS)])


def test_c70_a_shift_that_adds_up_leaves_an_empty_drawer(money: Money, counter: Counter) -> None:
    holder = money.holder()
    counter.top_up(holder, 5_000)
    counter.pay_out(holder, 1_000)
    ended = closed(counter.close(24_000))
    assert (ended.expected, ended.counted, ended.difference, ended.is_open) == (24_000, 24_000, 0, False)
    assert money.books() == {("cash_safe", "main"): -4_000, ("purse", "cash"): 4_000}
    assert findings(money) == []
    totals = money.database.read(lambda session: shifts.totals(session, money.site, counter.shift.id))
    assert totals == {
        TransferKind.TOPUP: (1, 5_000), TransferKind.PAYOUT: (1, -1_000), TransferKind.CASH_MOVE: (2, -4_000),
    }  # fmt: skip
    money.prove()


def test_c70_a_difference_is_booked_and_found(money: Money, counter: Counter, hire: Hire) -> None:
    counter.top_up(money.holder(), 5_000)
    short = closed(counter.close(24_900))
    assert (short.expected, short.difference) == (25_000, -100)
    assert money.books()["over_short", "desk"] == -100
    over = closed(Counter(money, hire(Role.CASHIER)[0]).close(20_300))
    assert (over.number, over.difference) == (2, 300)
    assert money.books() == {
        ("over_short", "desk"): 200, ("cash_safe", "main"): -5_200, ("purse", "cash"): 5_000,
    }  # fmt: skip
    assert findings(money) == ["24900", "20300"]
    money.prove()


def test_c70_the_count_is_blind_and_made_once(money: Money, counter: Counter) -> None:
    counter.top_up(money.holder(), 5_000)
    view = money.database.read(lambda session: shifts.shift_of(session, counter.operator))
    assert view is not None
    assert (view.expected, view.counted, view.difference) == (None, None, None)
    assert money.database.read(lambda session: shifts.totals(session, money.site, counter.shift.id)) is None
    assert closed(counter.close(25_000)).difference == 0
    assert counter.close(25_000) is DeskRefusal.SHIFT_CLOSED


def test_c70_one_open_shift_a_desk_and_an_operator(money: Money, counter: Counter, hire: Hire) -> None:
    other = hire(Role.CASHIER)[0]
    assert counter.call(shifts.open_shift, "desk", other, Fen(0)) is DeskRefusal.DESK_BUSY
    assert counter.call(shifts.open_shift, "desk2", counter.operator, Fen(0)) is DeskRefusal.DESK_BUSY
    assert counter.call(shifts.open_shift, "Desk 2", other, Fen(0)) is DeskRefusal.DESK_UNUSABLE
    assert counter.call(shifts.open_shift, "desk2", other, Fen(-1)) is DeskRefusal.AMOUNT_OUT_OF_RANGE
    assert counter.call(shifts.close_shift, counter.shift.id, other, Fen(0)) is DeskRefusal.NOT_YOUR_SHIFT


def test_c70_a_hand_over_passes_the_counted_cash_on(money: Money, counter: Counter, hire: Hire) -> None:
    taker: StaffId = hire(Role.CASHIER)[0]
    counter.top_up(money.holder(), 5_000)

    def hand(given: int, taken: int) -> object:
        return counter.call(shifts.hand_over, counter.shift.id, (counter.operator, Fen(given)), (taker, Fen(taken)))

    assert hand(24_000, 25_000) is DeskRefusal.COUNTS_DIFFER
    handed = hand(24_950, 24_950)
    assert isinstance(handed, tuple)
    ended, opened = handed
    assert isinstance(opened, ShiftView)
    assert (ended.difference, opened.number, opened.float_, opened.is_open) == (-50, 2, 24_950, True)
    assert {key for key in money.books() if key[0] == "cash_drawer"} == {("cash_drawer", "desk/2")}
    counter.shift, counter.operator = opened, taker
    assert closed(counter.close(24_950)).difference == 0
    money.prove()
