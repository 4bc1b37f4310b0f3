"""The live hub: nothing missed, nothing twice, bounded, and gone when the session is."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime

import pytest

from admin_web.i18n import Language
from admin_web.live import FULL, HEARTBEAT, SIGNED_OUT, LiveHub, Showing, sse_frame
from admin_web.settings import LiveLimits
from server.live.feed import LiveTap
from tests.admin_web.fakes import NOW, FakeLive, RunHere
from tests.admin_web.sample_site import an_event

LIMIT_S = 10.0
LIMITS = LiveLimits(gather_ms=0, session_check_ms=20, heartbeat_ms=60, retry_first_ms=1, retry_max_ms=4)


class Ticking:
    """A monotonic clock that moves on at every look, so that no test waits for time."""

    def __init__(self) -> None:
        self.ms = 0

    def now(self) -> datetime:
        return NOW

    def monotonic_ms(self) -> int:
        self.ms += 7
        return self.ms


class Watch:
    """One open stream, read frame by frame."""

    def __init__(
        self, hub: LiveHub, after_id: int = 0, language: Language = Language.ENGLISH, *, photos: bool = False
    ) -> None:
        self.is_in_force = True
        self.frames = hub.stream(after_id, Showing(language, photos), self._asked)

    async def _asked(self) -> bool:
        return self.is_in_force

    async def next(self) -> bytes:
        async with asyncio.timeout(LIMIT_S):
            return await anext(self.frames)

    async def ids(self, count: int) -> list[int]:
        """Return the ids of the next `count` rows, heartbeats left out."""
        found: list[int] = []
        async with asyncio.timeout(LIMIT_S):
            while len(found) < count:
                found += [int(number) for number in re.findall(rb"^id: (\d+)", await anext(self.frames), re.MULTILINE)]
        return found

    async def close(self) -> None:
        await self.frames.aclose()


def render(event: LiveTap, showing: Showing) -> str:
    return f"<li>{event.id} {showing.language.value} {event.photo.decode() if showing.photos else ''}</li>"


def a_hub(feed: FakeLive, limits: LiveLimits = LIMITS) -> LiveHub:
    return LiveHub(feed, RunHere(), Ticking(), render, limits)


async def until(truth: Callable[[], object]) -> None:
    """Let others run until `truth()` holds."""
    async with asyncio.timeout(LIMIT_S):
        while not truth():  # noqa: ASYNC110 - the fakes tell nobody
            await asyncio.sleep(0)


async def test_the_backlog_comes_first_then_what_is_new() -> None:
    feed = FakeLive([an_event(number) for number in range(1, 6)])
    watch = Watch(a_hub(feed), after_id=3)
    assert await watch.ids(2) == [4, 5]
    await feed.push(an_event(6))
    assert await watch.ids(1) == [6]
    await watch.close()


async def test_an_event_between_joining_and_reading_comes_once() -> None:
    feed = FakeLive([an_event(1)])
    hub = a_hub(feed)
    first = Watch(hub, after_id=1)
    await feed.push(an_event(2))
    assert await first.ids(1) == [2]
    second = Watch(hub, after_id=0)
    await feed.push(an_event(3))
    assert await second.ids(3) == [1, 2, 3]
    await feed.push(an_event(4))
    assert (await first.ids(2), await second.ids(1)) == ([3, 4], [4])
    await first.close()
    await second.close()


async def test_all_clients_share_one_subscription_that_ends_with_the_last() -> None:
    feed = FakeLive([an_event(1)])
    hub = a_hub(feed)
    watches = [Watch(hub) for _ in range(5)]
    for watch in watches:
        assert await watch.ids(1) == [1]
    await until(lambda: feed.subscribed_after)
    assert feed.subscribed_after == [1]
    for watch in watches:
        await watch.close()
    assert hub.client_count == 0
    again = Watch(hub, after_id=1)
    await feed.push(an_event(2))
    assert await again.ids(1) == [2]
    await again.close()


async def test_each_language_gets_its_own_words() -> None:
    feed = FakeLive([an_event(1)])
    hub = a_hub(feed)
    english, chinese = Watch(hub), Watch(hub, language=Language.CHINESE)
    assert b"en" in await english.next()
    assert b"zh-CN" in await chinese.next()
    await english.close()
    await chinese.close()


async def test_a_lost_feed_is_resumed_without_a_gap() -> None:
    feed = FakeLive([an_event(1)])
    watch = Watch(a_hub(feed), after_id=1)
    await feed.push(an_event(2))
    assert await watch.ids(1) == [2]
    await feed.lose()
    await until(lambda: not feed.is_lost)
    await feed.push(an_event(3))
    assert await watch.ids(1) == [3]
    assert feed.subscribed_after[-1] == 2
    await watch.close()


async def test_a_feed_out_of_reach_ends_the_stream_and_the_browser_tries_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(count: int) -> tuple[LiveTap, ...]:
        raise ConnectionError(count)

    feed = FakeLive([an_event(1)])
    monkeypatch.setattr(feed, "recent", away)
    hub = a_hub(feed)
    with pytest.raises(StopAsyncIteration):
        await Watch(hub).next()
    assert hub.client_count == 0


async def test_the_stream_ends_with_the_session() -> None:
    hub = a_hub(FakeLive([an_event(1)]))
    watch = Watch(hub)
    assert await watch.ids(1) == [1]
    watch.is_in_force = False
    async with asyncio.timeout(LIMIT_S), aclosing(watch.frames) as frames:
        rest = [frame async for frame in frames]
    assert rest[-1] == SIGNED_OUT
    assert hub.client_count == 0


async def test_a_busy_stream_ends_with_the_session_too() -> None:
    feed = FakeLive([an_event(number) for number in range(1, 200)])
    watch = Watch(a_hub(feed, replace(LIMITS, queue_parcels=1_000)), after_id=199)
    joined = asyncio.ensure_future(watch.next())
    await until(lambda: feed.subscribed_after)
    watch.is_in_force = False
    for number in range(200, 300):
        await feed.push(an_event(number))
    frames = [await joined]
    async with asyncio.timeout(LIMIT_S):
        frames += [frame async for frame in watch.frames]
    assert frames[-1] == SIGNED_OUT
    assert len(frames) < 100


async def test_a_quiet_stream_is_kept_open_by_heartbeats() -> None:
    watch = Watch(a_hub(FakeLive()))
    assert await watch.next() == HEARTBEAT
    await watch.close()


async def test_a_client_that_lags_is_cut_off_and_resumes_by_id(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("admin_web.live.MAX_PARCEL_EVENTS", 1)
    feed = FakeLive([an_event(1)])
    hub = a_hub(feed, replace(LIMITS, queue_parcels=3))
    watch = Watch(hub)
    assert await watch.ids(1) == [1]
    await until(lambda: feed.subscribed_after)
    for number in range(2, 12):
        await feed.push(an_event(number))
    await until(lambda: hub._window[-1].event.id == 11)
    keeper = Watch(hub)
    assert await keeper.ids(11) == list(range(1, 12))
    with pytest.raises(StopAsyncIteration):
        await watch.next()
    again = Watch(hub, after_id=1)
    assert await again.ids(10) == list(range(2, 12))
    await keeper.close()
    await again.close()


async def test_no_more_clients_than_the_limit() -> None:
    hub = a_hub(FakeLive([an_event(1)]), replace(LIMITS, max_clients=2))
    watches = [Watch(hub) for _ in range(2)]
    for watch in watches:
        await watch.ids(1)
    refused = Watch(hub)
    assert await refused.next() == FULL
    assert hub.client_count == 2
    for watch in watches:
        await watch.close()


def test_rows_of_several_lines_stay_one_message() -> None:
    assert sse_frame(7, "<li>\n  a\r\n</li>\n") == b"id: 7\ndata: <li>\ndata:   a\ndata: </li>\n\n"


async def test_a55_what_comes_within_a_moment_is_one_parcel_of_the_same_bytes_for_all_monitors_of_a_kind() -> None:
    made: list[tuple[int, Showing]] = []

    def counting(event: LiveTap, showing: Showing) -> str:
        made.append((event.id, showing))
        return render(event, showing)

    feed = FakeLive([an_event(1)])
    hub = LiveHub(feed, RunHere(), Ticking(), counting, replace(LIMITS, gather_ms=20, heartbeat_ms=10**9))
    watches = [Watch(hub) for _ in range(20)]
    for watch in watches:
        assert await watch.ids(1) == [1]
    await until(lambda: feed.subscribed_after)
    for number in range(2, 12):
        feed.events.append(an_event(number))
    await feed.push(an_event(12))
    parcels = [await watch.next() for watch in watches]
    while b"id: 12" not in parcels[0]:
        parcels = [await watch.next() for watch in watches]
    assert all(parcel is parcels[0] for parcel in parcels)
    assert sorted(number for number, _ in made if number > 1) == list(range(2, 13))
    for watch in watches:
        await watch.close()


async def test_a55_photos_go_to_those_alone_who_may_see_them() -> None:
    feed = FakeLive([an_event(1, photo=b"face")])
    hub = a_hub(feed)
    guard, manager = Watch(hub, photos=True), Watch(hub)
    assert b"face" in await guard.next()
    assert b"face" not in await manager.next()
    await guard.close()
    await manager.close()
