"""Weekly menus, orders and units' counts: published with their day, collected by charges, old days untouched."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from cardcore.ids import PersonId, SiteId, StallId, TillId
from cardcore.money import Fen
from server.canteen import menus, orders
from server.canteen.menus import MenuLine
from server.canteen.orders import Forecast, MealOrder
from server.database import Database
from server.policy import service as policy
from server.system import System
from tests.server.conftest import StillClock

MONDAY = date(2026, 9, 7)
NOODLES = MenuLine(MONDAY, "lunch", "12", "Noodles", "面条", Fen(850))
MAIN = StallId("main")


def publish(database: Database, system: System, site: SiteId, monday: date, *lines: MenuLine) -> str | None:
    return database.write(lambda session: menus.publish_week(session, system, site, MAIN, monday, lines, "test"))


def prices(database: Database, site: SiteId) -> list[tuple[date, str, int]]:
    rows = database.read(lambda session: menus.menu_of(session, site, MAIN, MONDAY, 60))
    return [(row["day"], row["code"], row["price_fen"]) for row in rows]


def test_c05_a_week_is_published_and_a_day_gone_by_keeps_its_prices(
    database: Database, system: System, site: SiteId, till: TillId, clock: StillClock
) -> None:
    tuesday = replace(NOODLES, day=MONDAY + timedelta(days=1))
    assert publish(database, system, site, MONDAY, NOODLES, tuesday) is None
    clock.forward(days=1)
    assert publish(database, system, site, MONDAY, replace(tuesday, price_fen=Fen(900))) is None
    assert prices(database, site) == [(MONDAY, "12", 850), (tuesday.day, "12", 900)]
    snapshot = database.read(lambda session: policy.load_snapshot(session, site))
    assert snapshot.dish_price("main", tuesday.day, "lunch", "12") == 900
    assert snapshot.dish_price("main", tuesday.day, "supper", "12") is None


def test_boxes_are_told_of_days_to_come_only(
    database: Database, system: System, site: SiteId, till: TillId, clock: StillClock
) -> None:
    publish(database, system, site, MONDAY, NOODLES)
    clock.forward(days=7)
    publish(database, system, site, MONDAY + timedelta(days=7), replace(NOODLES, day=MONDAY + timedelta(days=7)))
    snapshot = database.read(lambda session: policy.load_snapshot(session, site))
    assert snapshot.dish_price("main", MONDAY, "lunch", "12") is None
    assert snapshot.dish_price("main", MONDAY + timedelta(days=7), "lunch", "12") == 850
    assert len(prices(database, site)) == 2
    assert database.read(lambda session: policy.verify(session, site)) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"day": MONDAY - timedelta(days=1)}, "line 2: 2026-09-06 is over"),
        ({"day": MONDAY + timedelta(days=7)}, "line 2: 2026-09-14 is over or not of this week"),
        ({"meal_id": "brunch"}, "line 2: there is no meal brunch"),
        ({"code": "12a"}, "line 2: a dish's number"),
        ({"code": "1234567"}, "line 2: a dish's number"),
        ({"name_zh": " "}, "line 2: a dish needs both names"),
        ({"price_fen": Fen(0)}, "line 2: a price"),
        ({}, "line 2: number 12 stands twice"),
    ],
)
def test_a_wrong_line_is_named_and_nothing_is_published(
    database: Database, system: System, site: SiteId, till: TillId, change: dict[str, object], words: str
) -> None:
    problem = publish(database, system, site, MONDAY, NOODLES, replace(NOODLES, **change))  # type: ignore[arg-type]
    assert problem is not None
    assert words in problem
    assert prices(database, site) == []
    assert publish(database, system, site, MONDAY + timedelta(days=1), NOODLES) == "2026-09-08 is no Monday"


def test_c08_meals_are_ordered_ahead_and_units_report_theirs(
    database: Database, system: System, site: SiteId, person: PersonId
) -> None:
    def order(portions: int, day: date = MONDAY) -> str | None:
        wanted = MealOrder(person, day, "lunch", "main", portions)
        return database.write(lambda session: orders.put_order(session, system, site, wanted, "test"))

    def report(count: int, unit: str = "works") -> str | None:
        wanted = Forecast(unit, MONDAY, "lunch", count)
        return database.write(lambda session: orders.report_meals(session, system, site, wanted, "test"))

    assert [order(2), order(3), report(40), report(35)] == [None] * 4  # the later word counts
    (row,) = database.read(lambda session: orders.meals_ahead(session, site, MONDAY))
    assert dict(row) == {"meal_id": "lunch", "ordered": 3, "collected": 0, "reported": 35}
    assert order(21) == "an order is 0 to 20 portions"
    assert order(1, MONDAY - timedelta(days=1)) == "meals are ordered from today to 31 days ahead"
    assert order(1, MONDAY + timedelta(days=32)) is not None
    assert report(-1) == "a unit reports 0 to 100000 meals"
    assert report(1, "moon") == "there is no department moon"
