"""Monthly subsidies: once a month and person, reset or carried over, whoever runs it and how often."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pytest

from cardcore.ids import CategoryId
from cardcore.money import Fen
from server.ledger.rules import PurseRule, put_rule
from server.subsidies.approved import PLAN_PUT, PutPlan
from server.subsidies.plans import MonthRun, PlanMode, PlanRefusal, run_month
from tests.server.conftest import StillClock
from tests.server.money import Holder, Money
from tests.server.subsidies.conftest import Office
from tests.server.subsidies.test_batches import spend

SEPTEMBER, OCTOBER = date(2026, 9, 1), date(2026, 10, 1)
STAFF, GUEST = CategoryId("staff"), CategoryId("guest")


def plan(office: Office, mode: PlanMode, amount: int = 30_000, plan_id: str = "staff", **changes: object) -> object:
    values = {"category": STAFF, "from_month": SEPTEMBER} | changes
    return office.together(PLAN_PUT, PutPlan(plan_id, amount_fen=amount, mode=mode, **values))  # type: ignore[arg-type]


def subsidy(money: Money, *holders: Holder) -> list[int]:
    return [money.balances(holder)["subsidy"] for holder in holders]


def test_c24_what_is_left_ends_with_the_month(money: Money, office: Office, clock: StillClock) -> None:
    thrifty, hungry, guest = money.holder(), money.holder(), money.holder("guest")
    assert plan(office, PlanMode.RESET) is None
    assert office.call(run_month, SEPTEMBER) == (MonthRun("staff", 2, Fen(60_000), Fen(0), 0),)
    spend(office, hungry, 30_000)
    spend(office, thrifty, 1_000)
    clock.forward(days=30)
    (run,) = _runs(office.call(run_month, OCTOBER))
    assert (run.given, run.lapsed) == (2, 29_000)
    assert subsidy(money, thrifty, hungry, guest) == [30_000, 30_000, 0]
    assert money.books()["subsidy", "main"] == -60_000 - 60_000 + 29_000


def test_c25_what_is_left_adds_up(money: Money, office: Office, clock: StillClock) -> None:
    holder = money.holder()
    plan(office, PlanMode.ACCUMULATE)
    office.call(run_month, SEPTEMBER)
    spend(office, holder, 1_000)
    clock.forward(days=30)
    office.call(run_month, OCTOBER)
    assert subsidy(money, holder) == [59_000]


def test_c24_a_second_run_gives_only_to_those_who_joined(money: Money, office: Office) -> None:
    holder = money.holder()
    plan(office, PlanMode.RESET)
    office.call(run_month, SEPTEMBER)
    spend(office, holder, 500)
    joined = money.holder()
    (run,) = _runs(office.call(run_month, SEPTEMBER))
    assert (run.given, run.lapsed) == (1, 0)
    assert subsidy(money, holder, joined) == [29_500, 30_000]
    (run,) = _runs(office.call(run_month, SEPTEMBER))
    assert run.given == 0


def test_c24_four_runs_at_once_give_once(money: Money, office: Office) -> None:
    holder = money.holder()
    plan(office, PlanMode.ACCUMULATE)
    with ThreadPoolExecutor(4) as pool:
        runs = list(pool.map(lambda _: office.call(run_month, SEPTEMBER), range(4)))
    assert sorted(_runs(run)[0].given for run in runs) == [0, 0, 0, 1]
    assert subsidy(money, holder) == [30_000]
    money.prove()


@pytest.mark.parametrize("month", [date(2026, 8, 1), OCTOBER, date(2062, 9, 1), date(2026, 9, 2)])
def test_c24_a_slip_in_the_month_resets_nobody(money: Money, office: Office, month: date) -> None:
    holder = money.holder()
    plan(office, PlanMode.RESET)
    assert office.call(run_month, month) is PlanRefusal.NOT_THIS_MONTH
    assert subsidy(money, holder) == [0]


def test_c25_no_more_than_the_highest_balance(money: Money, office: Office) -> None:
    holder = money.holder()
    office.call(put_rule, PurseRule("subsidy", highest=Fen(20_000)), "test")
    plan(office, PlanMode.ACCUMULATE)
    (run,) = _runs(office.call(run_month, SEPTEMBER))
    assert run.capped == 1
    assert subsidy(money, holder) == [20_000]


def test_meals_a_month_go_to_the_count_purse(money: Money, office: Office) -> None:
    holder = money.holder("guest")
    plan(office, PlanMode.RESET, 22, category=GUEST, purse="count")
    office.call(run_month, SEPTEMBER)
    assert money.balances(holder)["count"] == 22
    money.prove()


def test_c82_a_plan_takes_two_and_does_not_clash(money: Money, office: Office) -> None:
    money.holder()
    assert plan(office, PlanMode.RESET) is None
    assert plan(office, PlanMode.RESET, plan_id="again") == PlanRefusal.CLASHES
    assert plan(office, PlanMode.ACCUMULATE) == PlanRefusal.CHANGES_TOO_MUCH
    assert plan(office, PlanMode.RESET, 40_000, until_month=SEPTEMBER) is None
    assert plan(office, PlanMode.ACCUMULATE, plan_id="again", from_month=OCTOBER) is None
    assert plan(office, PlanMode.RESET, 0) == PlanRefusal.AMOUNT_OUT_OF_RANGE
    assert plan(office, PlanMode.RESET, until_month=date(2026, 8, 1)) == PlanRefusal.NOT_A_MONTH
    assert plan(office, PlanMode.RESET, category=CategoryId("x")) == PlanRefusal.UNKNOWN_CATEGORY


def _runs(result: tuple[MonthRun, ...] | PlanRefusal) -> tuple[MonthRun, ...]:
    assert not isinstance(result, PlanRefusal), result
    return result
