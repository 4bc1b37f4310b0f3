"""Limits by count and money, and the PIN that passes the soft ones."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardcore.access.items import AccountState, LimitItem, TillItem
from cardcore.canteen.authorise import AccountView, MealTap, PurseBalance, authorise, authorise_alone
from cardcore.canteen.limits import Eaten, Pin, limit_reached
from cardcore.canteen.offline import OfflineSpell
from cardcore.ids import StallId, TillId
from cardcore.money import Fen
from cardcore.reasons import Reason
from tests.cardcore.policies import CARD, NOON, card, snapshot

TODAY, YESTERDAY, LAST_MONTH, LAST_YEAR = (
    date(2026, 3, 4), date(2026, 3, 3), date(2026, 2, 28), date(2025, 3, 4),
)  # fmt: skip
TAKEN = {
    (TODAY, "lunch"): 1,
    (TODAY, "breakfast"): 1,
    (YESTERDAY, "lunch"): 1,
    (LAST_MONTH, "lunch"): 7,
    (LAST_YEAR, "lunch"): 9,
}
SPENT = {meal: count * 1000 for meal, count in TAKEN.items()}
TAP = MealTap(CARD, TillId("t2"))
TILL = TillItem(TillId("t2"), "r4", StallId("hall"), mode="fixed", amount=Fen(900), without_meal=True)


def asked(*limits: LimitItem, pin: Pin = Pin.NONE) -> Reason:
    account = AccountView(AccountState.OPEN, (PurseBalance("cash", Fen(10**6)),), TAKEN, SPENT, pin=pin)
    small_lunch = snapshot(card(), TILL, *limits)
    return authorise(TAP, small_lunch, {}, account, NOON + timedelta(hours=9)).reason  # night: no limit of its own


@pytest.mark.parametrize(
    ("per", "meal", "taken", "reason"),
    [
        ("meal", (TODAY, "lunch"), 1, Reason.MEAL_LIMIT),
        ("meal", (TODAY, "supper"), 0, Reason.MEAL_LIMIT),
        ("day", (TODAY, "supper"), 2, Reason.DAY_LIMIT),
        ("month", (TODAY, "supper"), 3, Reason.MONTH_LIMIT),
        ("month", (LAST_MONTH, "supper"), 7, Reason.MONTH_LIMIT),
    ],
)
def test_c13_so_many_meals_a_meal_a_day_and_a_month(
    per: str, meal: tuple[date, str], taken: int, reason: Reason
) -> None:
    def reached(count: int) -> Reason | None:
        return limit_reached((LimitItem("a", per, count=count),), Fen(0), meal, Eaten(TAKEN, SPENT), Pin.NONE)

    assert reached(taken + 1) is None
    if taken:
        assert reached(taken) is reason


@pytest.mark.parametrize(
    ("per", "spent", "reason"),
    [
        ("tap", 0, Reason.TAP_LIMIT),
        ("meal", 1000, Reason.MEAL_LIMIT),
        ("day", 2000, Reason.DAY_LIMIT),
        ("month", 3000, Reason.MONTH_LIMIT),
    ],
)
def test_c14_so_much_money_a_tap_a_meal_a_day_and_a_month(per: str, spent: int, reason: Reason) -> None:
    def reached(fen: int) -> Reason | None:
        limits = (LimitItem("a", per, fen=Fen(fen)),)
        return limit_reached(limits, Fen(900), (TODAY, "lunch"), Eaten(TAKEN, SPENT), Pin.NONE)

    assert (reached(spent + 900), reached(spent + 899)) == (None, reason)


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (LimitItem("a", "tap", fen=Fen(100)), Reason.TAP_LIMIT),
        (LimitItem("a", "tap", fen=Fen(100), category="staff", stall="hall", meal="night"), Reason.TAP_LIMIT),
        (LimitItem("a", "tap", fen=Fen(100), category="guest"), Reason.CHARGED),
        (LimitItem("a", "tap", fen=Fen(100), stall="tea"), Reason.CHARGED),
        (LimitItem("a", "tap", fen=Fen(100), meal="lunch"), Reason.CHARGED),
        (LimitItem("a", "fortnight", fen=Fen(100)), Reason.CHARGED),
    ],
)
def test_a_limit_binds_its_category_stall_and_meal(limit: LimitItem, expected: Reason) -> None:
    assert asked(limit) is expected


def test_c15_a_pin_passes_a_soft_limit_and_no_hard_one() -> None:
    soft, hard = LimitItem("z", "tap", fen=Fen(100), soft=True), LimitItem("a", "day", count=1)
    answers = [asked(soft, pin=pin) for pin in (Pin.NONE, Pin.WRONG, Pin.BLOCKED, Pin.RIGHT)]
    assert answers == [Reason.PIN_NEEDED, Reason.PIN_WRONG, Reason.PIN_BLOCKED, Reason.CHARGED]
    assert asked(soft, hard, pin=Pin.RIGHT) is Reason.DAY_LIMIT
    assert asked(hard, soft) is Reason.DAY_LIMIT  # said first: no PIN would help


def test_a_till_alone_keeps_the_limit_of_a_tap_and_takes_no_pin() -> None:
    for soft, expected in ((False, Reason.TAP_LIMIT), (True, Reason.PIN_NEEDED)):
        policy = snapshot(card(), TILL, LimitItem("a", "tap", fen=Fen(100), soft=soft))
        assert authorise_alone(TAP, policy, {}, OfflineSpell(timedelta(0)), NOON).reason is expected


limits = st.lists(
    st.builds(
        LimitItem, st.sampled_from("abc"), st.sampled_from(["tap", "meal", "day", "month", "era"]),
        st.integers(0, 4), st.integers(0, 4000).map(Fen), soft=st.booleans(),
    ), max_size=4,
).map(tuple)  # fmt: skip


@given(limits, st.integers(0, 3000).map(Fen), st.sampled_from(Pin))
def test_whoever_passes_with_less_money_and_fewer_limits_passes_too(
    binding: tuple[LimitItem, ...], amount: Fen, pin: Pin
) -> None:
    eaten = Eaten(TAKEN, SPENT)
    if limit_reached(binding, amount, (TODAY, "lunch"), eaten, pin) is None:
        assert limit_reached(binding[1:], amount, (TODAY, "lunch"), eaten, pin) is None
        assert limit_reached(binding, Fen(amount // 2), (TODAY, "lunch"), eaten, pin) is None
        assert limit_reached(binding, amount, (TODAY, "lunch"), Eaten(), pin) is None
