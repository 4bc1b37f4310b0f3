"""Meal periods: their hours, days of validity and business day; and the opening hours of a till."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from hypothesis import assume, given
from hypothesis import strategies as st

from cardcore.access.items import AccountState, MealItem, TariffItem, TillItem
from cardcore.access.snapshot import Snapshot
from cardcore.calendar import WORKDAYS, Interval
from cardcore.canteen.authorise import AccountView, Authorisation, MealTap, PurseBalance, authorise, meal_at, second_of
from cardcore.clock import site_time
from cardcore.ids import MealId, StallId, TillId
from cardcore.money import Fen
from cardcore.reasons import Reason
from tests.cardcore.policies import CARD, NOON, card, snapshot

RICH = AccountView(AccountState.OPEN, (PurseBalance("cash", Fen(100_000)),))
SUMMER = MealItem(
    MealId("lunch-summer"), 12 * 3600, 15 * 3600, counts_as="lunch",
    valid_from=date(2026, 3, 1), valid_until=date(2026, 3, 8),
)  # fmt: skip
DAY_STARTS = time(4)


def tapped(policy: Snapshot, at: datetime) -> Authorisation:
    return authorise(MealTap(CARD, TillId("t1")), policy, {}, RICH, at)


def test_c11_a_charge_belongs_to_the_meal_and_the_business_day_of_its_instant() -> None:
    verdict = tapped(snapshot(card()), NOON)
    assert (verdict.meal, verdict.business_day) == ("lunch", date(2026, 3, 4))
    assert tapped(snapshot(card()), NOON + timedelta(hours=2)).reason is Reason.NO_MEAL_NOW  # half-open: 14:00 is past


def test_a_period_with_days_of_validity_replaces_its_meal_on_them() -> None:
    policy = snapshot(card(), SUMMER)
    before = [tapped(policy, NOON + timedelta(days=days, hours=-1)).reason for days in (-4, 0, 4)]
    assert before == [Reason.CHARGED, Reason.NO_MEAL_NOW, Reason.CHARGED]  # 11:00 is lunch only outside the week
    late = tapped(policy, NOON + timedelta(hours=2.5))
    assert (late.meal, late.amount) == ("lunch", 1200)  # the meal, its price and its limit stay those of lunch


@given(st.integers(0, 23), st.integers(1, 23), st.integers(0, 24 * 60 * 40), st.integers(0, 24 * 60))
def test_c12_a_night_shift_belongs_to_the_day_before(start: int, hours: int, minute: int, later: int) -> None:
    """Two instants of one run of a period have one business day, midnight between them or not."""
    end = (start + hours) % 24
    assume((start - 4) % 24 + hours <= 24)  # `put_meals` refuses a period across the start of the business day
    night = MealItem(MealId("night"), start * 3600, end * 3600)
    policy = snapshot(night, MealItem(MealId("lunch"), 0, 0, valid_until=date(2020, 1, 1)))
    first = site_time(NOON + timedelta(minutes=minute), policy.zone, DAY_STARTS)
    second = site_time(NOON + timedelta(minutes=minute + later), policy.zone, DAY_STARTS)
    inside = (first.time_of_day.hour - start) % 24 * 60 + first.time_of_day.minute
    if inside >= hours * 60:
        assert meal_at(policy, first.business_day, second_of(first)) is None
        return
    assert meal_at(policy, first.business_day, second_of(first)) == night
    if inside + later < hours * 60:
        assert meal_at(policy, second.business_day, second_of(second)) == night
        assert first.business_day == second.business_day


def test_c18_a_till_is_closed_outside_its_hours() -> None:
    def till(*opening: Interval) -> TillItem:
        return TillItem(TillId("t1"), "r3", StallId("hall"), opening=opening)

    morning = Interval(8 * 3600, 12 * 3600, WORKDAYS)
    assert tapped(snapshot(card(), till(morning)), NOON).reason is Reason.TILL_CLOSED
    assert tapped(snapshot(card(), till(morning)), NOON - timedelta(hours=1)).approved
    assert tapped(snapshot(card(), till(morning)), NOON + timedelta(days=3, hours=-1)).reason is Reason.TILL_CLOSED


def test_a_till_may_charge_outside_every_meal() -> None:
    kiosk = TillItem(TillId("t1"), "r3", StallId("hall"), without_meal=True)
    verdict = tapped(snapshot(card(), kiosk, TariffItem(MealId("none"), Fen(300))), NOON + timedelta(hours=3))
    assert (verdict.meal, verdict.amount) == ("none", 300)
