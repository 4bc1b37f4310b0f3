"""The outbox on PostgreSQL: gap-free numbers under concurrent writers and pumps, none lost, and a feed that resumes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from cardcore.ids import SiteId
from server.bus.local import LocalBus
from server.database import Database, DatabaseUnavailableError, WriteSession
from server.executor import Executor
from server.outbox import repository
from server.outbox.feed import OutboxFeed
from server.outbox.pump import Pump
from server.system import System, real_system
from tests.server.conftest import StillClock

TOPICS = ["tap", "policy"]
DEADLINE_SECONDS = 30


@pytest.fixture
def executor() -> Iterator[Executor]:
    made = Executor("test", 4)
    yield made
    made.close()


@pytest.fixture
def empty(database: Database, site: SiteId) -> None:
    """Forget what making the site has told."""
    database.write(lambda session: session.execute(text("delete from outbox")))


def append(database: Database, system: System, site: SiteId, number: int, topic: str = "tap") -> None:
    database.write(lambda session: repository.append(session, system, site, topic, {"number": number}))


async def test_numbers_have_no_gap_under_concurrent_writers_and_pumps(
    database: Database, site: SiteId, executor: Executor, empty: None
) -> None:
    system, bus, done = real_system(), LocalBus(), threading.Event()
    writers, each = 4, 40
    pumps = [Pump(database, executor, bus, system.clock) for _ in range(2)]

    def write(writer: int) -> None:
        for place in range(each):
            append(database, system, site, writer * 1000 + place)

    async def pump(one: Pump) -> None:
        while not done.is_set() or await one.pump_once():
            await one.pump_once()

    with ThreadPoolExecutor(writers) as threads:
        pumping = [asyncio.create_task(pump(one)) for one in pumps]
        await asyncio.gather(*(asyncio.wrap_future(threads.submit(write, writer)) for writer in range(writers)))
        done.set()
        await asyncio.gather(*pumping)
    found = database.read(lambda session: repository.since(session, site, 0, TOPICS))
    assert [event.number for event in found] == list(range(1, writers * each + 1))
    for writer in range(writers):
        own = [event.payload["number"] for event in found if event.payload["number"] // 1000 == writer]
        assert own == [writer * 1000 + place for place in range(each)]  # one writer's order is kept


def test_a_rolled_back_transaction_tells_nothing(database: Database, system: System, site: SiteId, empty: None) -> None:
    def fails(session: WriteSession) -> None:
        repository.append(session, system, site, "tap", {})
        raise LookupError

    with pytest.raises(LookupError):
        database.write(fails)
    assert database.read(repository.sites_waiting) == []


async def test_publishes_after_the_commit_with_the_number(
    database: Database, system: System, site: SiteId, executor: Executor, empty: None
) -> None:
    bus = LocalBus()
    pump = Pump(database, executor, bus, system.clock)
    with bus.subscribe("tap") as heard:
        await pump.start()
        append(database, system, site, 7)
        pump.nudge()
        async with asyncio.timeout(DEADLINE_SECONDS):
            message = await anext(heard)
        assert message.payload == {"site": str(site), "number": 1, "payload": {"number": 7}}
        assert database.read(lambda session: repository.head(session, site)) == 1
    await pump.close()


async def test_the_feed_resumes_by_number_and_needs_no_bus(
    database: Database, system: System, site: SiteId, executor: Executor, empty: None
) -> None:
    deaf = LocalBus()
    pump = Pump(database, executor, LocalBus(), system.clock)
    for number in range(1, 6):
        append(database, system, site, number, "tap" if number != 3 else "other")
    await pump.pump_once()
    feed = OutboxFeed(database, executor, deaf)
    async with asyncio.timeout(DEADLINE_SECONDS):
        following = feed.follow(site, 1, TOPICS)
        assert [(await anext(following)).number for _ in range(3)] == [2, 4, 5]
        append(database, system, site, 6)
        await pump.pump_once()
        assert (await anext(following)).payload == {"number": 6}
        await following.aclose()  # type: ignore[attr-defined]


def test_the_newest_come_oldest_first(database: Database, system: System, site: SiteId, empty: None) -> None:
    for number in range(5):
        append(database, system, site, number)
    database.write(lambda session: repository.number_waiting(session, site))
    newest = database.read(lambda session: repository.newest(session, site, ["tap"], 2))
    assert [event.payload["number"] for event in newest] == [3, 4]


async def test_old_events_go_and_the_numbers_go_on(
    database: Database, system: System, clock: StillClock, site: SiteId, executor: Executor, empty: None
) -> None:
    pump = Pump(database, executor, LocalBus(), clock, keep_days=14)
    append(database, system, site, 1)
    await pump.pump_once()
    clock.forward(days=15)
    append(database, system, site, 2)
    assert await pump.sweep() == 1
    await pump.pump_once()
    assert [event.number for event in database.read(lambda s: repository.since(s, site, 0, TOPICS))] == [2]


async def test_the_pump_outlives_the_database(system: System, executor: Executor) -> None:
    nowhere = Database("postgresql://nobody@127.0.0.1:1/none")
    pump = Pump(nowhere, executor, LocalBus(), system.clock)
    with pytest.raises(DatabaseUnavailableError):
        await pump.pump_once()
    await pump.start()
    pump.nudge()
    await asyncio.sleep(0)
    await pump.close()
    nowhere.close()
