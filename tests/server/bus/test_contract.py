"""The bus contract, run against both kinds of bus; a pair is two processes (or twice the same one, in process)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import pytest

from server.bus.local import LocalBus
from server.bus.protocol import MISSED, QUEUE_MESSAGES, Bus, BusMessage, BusState, Subscription
from server.bus.redis_bus import RedisBus
from server.system import System
from tests.private_redis import PrivateRedis

DEADLINE_SECONDS = 30


class Pair(NamedTuple):
    here: Bus
    there: Bus


async def up(bus: Bus) -> None:
    """Wait until a Redis bus carries messages; each poll yields to its tasks."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        with bus.subscribe() as hints:
            while bus.state is BusState.DOWN:
                await hints.wait(20)


@asynccontextmanager
async def redis_pair(url: str, system: System) -> AsyncIterator[Pair]:
    pair = Pair(RedisBus(url, system.ids), RedisBus(url, system.ids))
    for bus in pair:
        await bus.start()
    for bus in pair:
        await up(bus)
    yield pair
    for bus in pair:
        await bus.close()


@pytest.fixture(params=["local", "redis"])
async def pair(request: pytest.FixtureRequest, system: System) -> AsyncIterator[Pair]:
    if request.param == "local":
        bus = LocalBus()
        yield Pair(bus, bus)
        await bus.close()
        return
    async with redis_pair(request.getfixturevalue("redis_url"), system) as made:
        yield made


async def take(subscription: Subscription, count: int) -> list[BusMessage]:
    async with asyncio.timeout(DEADLINE_SECONDS):
        return [await anext(subscription) for _ in range(count)]


async def test_both_ends_hear_in_order_and_only_what_they_asked_for(pair: Pair) -> None:
    here, there = pair.here.subscribe("tap", "policy"), pair.there.subscribe("tap")
    pair.here.publish("policy", {"version": 3})
    for number in range(100):
        pair.here.publish("tap", {"number": number, "name": "张三"})
    taps = [BusMessage("tap", {"number": number, "name": "张三"}) for number in range(100)]
    assert await take(here, 101) == [BusMessage("policy", {"version": 3}), *taps]
    assert await take(there, 100) == taps


async def test_a_subscriber_hears_from_its_subscription_on(pair: Pair) -> None:
    pair.here.publish("tap", {"number": 1})
    late = pair.here.subscribe("tap")
    pair.here.publish("tap", {"number": 2})
    assert await take(late, 1) == [BusMessage("tap", {"number": 2})]


async def test_a_slow_subscriber_is_told_that_it_missed_something(pair: Pair) -> None:
    slow = pair.here.subscribe("tap")
    for number in range(QUEUE_MESSAGES + 1):
        pair.here.publish("tap", {"number": number})
    pair.here.publish("tap", {"number": -1})
    assert await take(slow, 2) == [MISSED, BusMessage("tap", {"number": -1})]


async def test_closing_releases_whoever_waits(pair: Pair) -> None:
    subscription = pair.here.subscribe("tap")
    waiting = asyncio.create_task(anext(subscription, None))
    await asyncio.sleep(0)
    subscription.close()
    assert await waiting is None
    pair.here.publish("tap", {})
    assert [message async for message in subscription] == []


async def test_wait_returns_on_a_message_and_drops_it(pair: Pair) -> None:
    with pair.there.subscribe("tap") as hints:
        pair.here.publish("tap", {})
        assert await hints.wait(DEADLINE_SECONDS * 1000)
        assert not await hints.wait(1)


async def test_redis_lost_and_found_again(private_redis: PrivateRedis, redis_url: str, system: System) -> None:
    async with redis_pair(redis_url, system) as pair:
        here, there = pair.here.subscribe("tap"), pair.there.subscribe("tap")
        await asyncio.to_thread(private_redis.stop)
        async with asyncio.timeout(DEADLINE_SECONDS):
            with pair.there.subscribe() as hints:
                while BusState.UP in {pair.here.state, pair.there.state}:
                    await hints.wait(20)
        pair.here.publish("tap", {"number": 1})
        assert await take(here, 1) == [BusMessage("tap", {"number": 1})]  # this process does without Redis
        await asyncio.to_thread(private_redis.start)
        for bus in pair:
            await up(bus)
        assert await take(there, 1) == [MISSED]
        pair.here.publish("tap", {"number": 2})
        assert await take(there, 1) == [BusMessage("tap", {"number": 2})]


async def test_a_server_starts_while_redis_is_down(system: System) -> None:
    bus = RedisBus("redis://127.0.0.1:1/0", system.ids)
    await bus.start()
    heard = bus.subscribe("tap")
    bus.publish("tap", {})
    assert await take(heard, 1) == [BusMessage("tap", {})]
    assert bus.state is BusState.DOWN
    await bus.close()


async def test_namespaces_keep_installations_apart(redis_url: str, system: System) -> None:
    ours, theirs = RedisBus(redis_url, system.ids, "a"), RedisBus(redis_url, system.ids, "b")
    for bus in (ours, theirs):
        await bus.start()
        await up(bus)
    heard = theirs.subscribe("tap")
    ours.publish("tap", {"number": 1})
    theirs.publish("tap", {"number": 2})
    assert await take(heard, 1) == [BusMessage("tap", {"number": 2})]
    for bus in (ours, theirs):
        await bus.close()
