"""Meals never overlap, prices are amounts, and what is refused changes nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardcore.calendar import DAY_SECONDS
from cardcore.ids import MealId, SiteId, StallId, TillId
from cardcore.money import Fen
from server.access.fields import FieldProblem
from server.canteen import service
from server.canteen.service import MealPeriod, Stall, Tariff, Till
from server.database import Database
from server.policy import service as policy
from server.system import System

HOUR = 3600
LUNCH = MealPeriod(MealId("lunch"), "Lunch", "午餐", 10 * HOUR, 14 * HOUR)
NIGHT = MealPeriod(MealId("night"), "Night", "夜宵", 21 * HOUR, 2 * HOUR)


def put_meals(database: Database, system: System, site: SiteId, *meals: MealPeriod) -> FieldProblem | None:
    return database.write(lambda session: service.put_meals(session, system, site, meals, "test"))


def meal(name: str, start: int, end: int) -> MealPeriod:
    return MealPeriod(MealId(name), name, name, start, end)


class TestMeals:
    def test_meals_that_touch_are_fine(self, database: Database, system: System, site: SiteId) -> None:
        assert put_meals(database, system, site, LUNCH, NIGHT, meal("tea", 14 * HOUR, 15 * HOUR)) is None
        snapshot = database.read(lambda session: policy.load_snapshot(session, site))
        assert sorted(item.id for item in snapshot.meals) == ["lunch", "night", "tea"]

    @pytest.mark.parametrize(
        ("start", "end", "reason"),
        [
            (13 * HOUR, 15 * HOUR, "overlap"),
            (9 * HOUR, 15 * HOUR, "overlap"),
            (0, 3 * HOUR, "overlap"),
            (20 * HOUR, 22 * HOUR, "overlap"),
            (23 * HOUR, HOUR, "overlap"),
            (5 * HOUR, 5 * HOUR, "ends when it starts"),
            (-1, HOUR, "outside the day"),
            (DAY_SECONDS, HOUR, "outside the day"),
            (3 * HOUR, 5 * HOUR, "two business days"),
            (15 * HOUR, 14 * HOUR, "two business days"),
        ],
    )
    def test_a_wrong_meal_is_refused_and_changes_nothing(
        self, database: Database, system: System, site: SiteId, start: int, end: int, reason: str
    ) -> None:
        put_meals(database, system, site, LUNCH, NIGHT)
        before = database.read(lambda session: policy.current_version(session, site))
        problem = put_meals(database, system, site, meal("other", start, end))
        assert problem is not None
        assert reason in problem.advice
        assert database.read(lambda session: policy.current_version(session, site)) == before

    def test_hours_may_be_moved_for_some_days(self, database: Database, system: System, site: SiteId) -> None:
        put_meals(database, system, site, LUNCH, NIGHT, meal("tea", 14 * HOUR, 15 * HOUR))
        summer = replace(
            meal("lunch-summer", 11 * HOUR, 14 * HOUR), counts_as="lunch",
            valid_from=date(2026, 7, 1), valid_until=date(2026, 9, 1),
        )  # fmt: skip
        assert put_meals(database, system, site, summer) is None
        snapshot = database.read(lambda session: policy.load_snapshot(session, site))
        hours = [snapshot.meals_on(date(2026, month, 1))[0].start_seconds // HOUR for month in (6, 7, 8, 9)]
        assert hours == [10, 11, 11, 10]
        longer = replace(summer, end_seconds=14 * HOUR + 1)
        problem = put_meals(database, system, site, longer)
        assert problem is not None
        assert (problem.advice, problem.named) == ("meals lunch-summer and tea overlap", "tea")

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"counts_as": "brunch"}, "no meal of its own"),
            ({"counts_as": "lunch"}, "say on which days"),
            ({"valid_from": date(2026, 7, 2), "valid_until": date(2026, 7, 2)}, "before it begins"),
            ({"id": "none"}, "no meal can be named"),
        ],
    )
    def test_wrong_days_are_refused(
        self, database: Database, system: System, site: SiteId, change: dict[str, object], words: str
    ) -> None:
        put_meals(database, system, site, LUNCH)
        problem = put_meals(database, system, site, replace(meal("x", 15 * HOUR, 16 * HOUR), **change))  # type: ignore[arg-type]
        assert problem is not None
        assert words in problem.advice

    def test_a_meal_may_be_moved_over_its_own_old_time(self, database: Database, system: System, site: SiteId) -> None:
        put_meals(database, system, site, LUNCH)
        assert put_meals(database, system, site, meal("lunch", 11 * HOUR, 15 * HOUR)) is None

    @given(st.lists(st.tuples(st.integers(0, 23), st.integers(0, 24)), max_size=4))
    def test_overlapping_agrees_with_counting_hours(self, spans: list[tuple[int, int]]) -> None:
        meals = [meal(str(n), start, end) for n, (start, end) in enumerate(spans) if start != end]
        scaled = [meal(each.id, each.start_seconds * HOUR, each.end_seconds * HOUR) for each in meals]
        taken: list[int] = []
        for each in meals:
            start, end = each.start_seconds, each.end_seconds
            taken += range(start, end) if start < end else [*range(start, 24), *range(end)]
        assert (service.overlapping(scaled) is not None) == (len(taken) != len(set(taken)))


def test_a_till_needs_its_stall(database: Database, system: System, site: SiteId) -> None:
    till = Till(TillId("t01"), "Till", "一号机", "t01", StallId("main"))

    def put() -> FieldProblem | None:
        return database.write(lambda session: service.put_tills(session, system, site, [till], "test"))

    problem = put()
    assert problem is not None
    assert (problem.field, problem.advice) == ("stall_id", "there is no stall main")
    stalls = [Stall(StallId("main"), "Main", "主食堂")]
    database.write(lambda session: service.put_stalls(session, system, site, stalls, "test"))
    assert put() is None


class TestTariffs:
    def test_a_price_is_published_and_taken_away(self, database: Database, system: System, site: SiteId) -> None:
        put_meals(database, system, site, LUNCH)
        tariff = Tariff(MealId("lunch"), Fen(1200), category_id="staff")
        database.write(lambda session: service.put_tariffs(session, system, site, [tariff], "test"))
        found = database.read(lambda session: policy.load_snapshot(session, site)).price(
            "lunch", "main", "staff", date(2026, 9, 7)
        )
        assert found is not None
        assert found.price == 1200
        assert database.write(lambda session: service.remove_tariff(session, system, site, tariff, "test"))
        assert (
            database.read(lambda session: policy.load_snapshot(session, site)).price(
                "lunch", "main", "staff", date(2026, 9, 7)
            )
            is None
        )
        assert not database.write(lambda session: service.remove_tariff(session, system, site, tariff, "test"))

    @pytest.mark.parametrize("price", [0, -1, 100_000_001])
    def test_a_wrong_price_is_refused(self, database: Database, system: System, site: SiteId, price: int) -> None:
        put_meals(database, system, site, LUNCH)
        tariffs = [Tariff(MealId("lunch"), Fen(price))]
        assert database.write(lambda session: service.put_tariffs(session, system, site, tariffs, "test")) is not None

    def test_a_price_of_no_meal_is_refused(self, database: Database, system: System, site: SiteId) -> None:
        tariffs = [Tariff(MealId("brunch"), Fen(100))]
        problem = database.write(lambda session: service.put_tariffs(session, system, site, tariffs, "test"))
        assert problem is not None
        assert problem.advice == "there is no meal brunch"
