"""What a new month brings by itself, by an injected clock: subsidies once, a reminder until the month is locked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any, TypeVar

import pytest

from cardcore.ids import CategoryId, SiteId
from cardcore.money import Fen
from server.close import repository as books
from server.database import Database
from server.subsidies.monthly import MonthlyTask
from server.subsidies.plans import Plan, PlanMode, put_plan
from server.system import System
from tests.server.conftest import StillClock
from tests.server.money import Money

Result = TypeVar("Result")


@pytest.fixture
def money(database: Database, system: System, site: SiteId) -> Money:
    return Money(database, system, site)


def task_of(money: Money) -> MonthlyTask:
    async def run(call: Callable[..., Result], /, *args: Any) -> Result:  # noqa: ANN401 - passes on what it gets
        return call(*args)

    return MonthlyTask(money.database, run, money.system)


def plan(money: Money, mode: PlanMode, month: date) -> None:
    wanted = Plan("food", CategoryId("staff"), Fen(5_000), mode, month)
    refused = money.database.write(lambda session: put_plan(session, money.system, money.site, wanted, "test"))
    assert refused is None


def runs(money: Money) -> int:
    found = money.database.read(
        lambda session: session.exec_driver_sql(
            "select count(*) from audit where action = 'subsidy_month_run'"
        ).scalar_one()
    )
    return int(found)


def test_c24_the_server_begins_a_month_by_itself_and_once(money: Money, clock: StillClock) -> None:
    holder = money.holder()
    month = clock.now().date().replace(day=1)
    plan(money, PlanMode.RESET, month)
    for _ in range(2):
        for task in (task_of(money), task_of(money)):  # two processes, each asked twice
            task.once()
            task.once()
    assert money.balances(holder)["subsidy"] == 5_000
    assert runs(money) == 1
    following = (month + timedelta(days=32)).replace(day=1)
    clock.at = clock.now() + (following - clock.now().date())
    task = task_of(money)
    task.once()
    assert money.balances(holder)["subsidy"] == 5_000  # the rest lapsed, the new month came
    assert runs(money) == 2
    money.prove()


def test_who_joins_later_gets_it_the_next_day(money: Money, clock: StillClock) -> None:
    money.holder()
    plan(money, PlanMode.ACCUMULATE, clock.now().date().replace(day=1))
    task = task_of(money)
    task.once()
    late = money.holder(name="李迟")
    task.once()
    assert money.balances(late)["subsidy"] == 0
    clock.at += timedelta(days=1)
    task.once()
    assert money.balances(late)["subsidy"] == 5_000


def reminders(money: Money) -> list[tuple[str, bool]]:
    rows = money.database.read(
        lambda session: session.exec_driver_sql(
            "select subject, closed_at is null from finding where kind = 'month_open' order by subject"
        ).all()
    )
    return [(row[0], row[1]) for row in rows]


def test_finance_is_reminded_of_a_month_until_it_is_locked(money: Money, clock: StillClock) -> None:
    today = clock.now().date()
    last = today.replace(day=1) - timedelta(days=1)
    clock.at += timedelta(days=5 - today.day)
    task_of(money).once()
    assert reminders(money) == []  # these books have not begun
    money.database.write(lambda session: books.lock_books(session, money.site))
    money.database.write(lambda session: books.set_closed_through(session, money.site, last))
    task_of(money).once()
    assert reminders(money) == []
    clock.at += timedelta(days=1)
    for _ in range(2):
        task_of(money).once()
    assert reminders(money) == [(f"month:{last:%Y-%m}", True)]
    money.database.write(lambda session: books.set_month_locked(session, money.site, last))
    task_of(money).once()
    assert reminders(money) == [(f"month:{last:%Y-%m}", False)]
