"""The live feed over stored taps: names put in, resumed by id, late ones marked, and never a whole card number."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Iterable
from dataclasses import astuple, replace
from datetime import timedelta
from itertools import pairwise

import pytest
from PIL import Image

from cardcore.ids import CredentialKey
from cardcore.journal import OutcomeKind, Purpose, Record
from cardcore.reasons import Reason
from server.bus.local import LocalBus
from server.database import Database, connect_app
from server.live.feed import LiveTap, SiteFeed, _live_tap
from server.outbox.feed import OutboxFeed
from server.outbox.pump import Pump
from server.people import photos
from server.system import System
from server.taps.arrivals import Arrival
from server.taps.service import TapService
from tests.server.conftest import StillClock
from tests.server.link.link_site import EPOCH, LUNCH_OF_STAFF_FEN, LinkServer, LinkSite, make_link_site
from tests.server.link.peer import Peer

PATIENCE_SECONDS = 30


class Screen:
    """A feed, and a device whose taps reach it."""

    def __init__(self, link: LinkServer) -> None:
        self.site = link.site
        self.peer = Peer(link.site)
        self._devices = link.devices
        self._taps: TapService = link.taps
        self._bus = LocalBus()
        self._run = link.run
        self._pump = Pump(link.site.database, link.run, self._bus, link.site.system.clock)
        self.feed = SiteFeed(
            link.site.database, link.run, OutboxFeed(link.site.database, link.run, self._bus), link.site.site
        )

    async def stored(self, records: Iterable[Record], *, live: bool = True) -> None:
        """Let records arrive and be published."""
        known = await self._run(self._devices.known, self.peer.box.device)
        assert known is not None
        for record in records:
            await self._run(self._taps.process, [Arrival(known.link, EPOCH, (record,), live)])
        await self._pump.pump_once()

    async def heard(self, after_id: int, count: int) -> list[LiveTap]:
        """Return the next events after an id."""
        found: list[LiveTap] = []
        async with asyncio.timeout(PATIENCE_SECONDS):
            events = self.feed.subscribe(after_id)
            async for event in events:
                found.append(event)
                if len(found) == count:
                    break
        return found


@pytest.fixture
async def screen(link_site: LinkSite) -> AsyncIterator[Screen]:
    async with LinkServer(link_site) as link:
        link.devices.open_epoch(link_site.box.device, EPOCH)
        yield Screen(link)


@pytest.fixture
def link_site(database: Database, system: System) -> LinkSite:
    return make_link_site(database, system)


async def test_a_tap_comes_with_names_in_both_languages(screen: Screen) -> None:
    await screen.stored([screen.peer.intent(0, Purpose.GATE)])
    (event,) = await screen.heard(0, 1)
    ((name, department),) = screen.site.rows(
        "select p.name, d.name_zh from person p join department d on d.id = p.department_id and d.site_id = p.site_id"
        " where p.id = %s",
        screen.site.holders[0].person,
    )
    assert event.holder is not None
    assert (event.holder.name, event.holder.department) == (name, department)
    assert (event.place.name_en, event.place.name_zh) == ("North gate lane 1 (in)", "北门1号通道（进）")
    assert event.place.is_inward
    assert (event.reason, event.outcome, event.is_late, event.is_offline) == (Reason.GRANTED, None, False, False)


async def test_a_meal_and_its_outcome_are_one_tap_and_two_events(screen: Screen) -> None:
    tap = screen.peer.intent(0)
    await screen.stored([tap, screen.peer.served(tap)])
    first, second = await screen.heard(0, 2)
    assert first.tap_id == second.tap_id
    assert (first.outcome, second.outcome) == (None, OutcomeKind.SERVED)
    assert first.amount == second.amount == LUNCH_OF_STAFF_FEN
    assert first.place.is_inward is None
    assert first.id < second.id


async def test_the_feed_resumes_after_any_id_with_none_missing_and_none_twice(screen: Screen) -> None:
    for holder in range(4):
        await screen.stored([screen.peer.intent(holder, Purpose.GATE)])
    known = await screen._run(screen._devices.known, screen.peer.box.device)
    assert known is not None
    together = tuple(screen.peer.intent(holder, Purpose.GATE) for holder in range(4))
    await screen._run(screen._taps.process, [Arrival(known.link, EPOCH, together, live=False)])  # one outbox row
    await screen._pump.pump_once()
    whole = await screen.heard(0, 8)
    assert all(earlier.id < later.id for earlier, later in pairwise(whole))
    for number, event in enumerate(whole[:-1]):
        assert await screen.heard(event.id, 7 - number) == whole[number + 1 :]
    assert await screen._run(screen.feed.recent, 3) == tuple(whole[-3:])


async def test_a_new_tap_reaches_a_page_that_is_waiting(screen: Screen) -> None:
    await screen.stored([screen.peer.intent(0, Purpose.GATE)])
    (first,) = await screen.heard(0, 1)
    waiting = asyncio.create_task(screen.heard(first.id, 1))
    await asyncio.sleep(0)
    await screen.stored([screen.peer.intent(1, Purpose.GATE)])
    (event,) = await waiting
    assert event.id > first.id


async def test_a_tap_handed_in_late_says_so(screen: Screen, clock: StillClock) -> None:
    tap = screen.peer.intent(0)
    outcome = screen.peer.served(tap, offline=True)
    clock.at += timedelta(minutes=5)
    await screen.stored([tap, outcome], live=False)
    late = await screen.heard(0, 2)
    assert [event.is_late for event in late] == [True, True]
    assert late[1].is_offline
    await screen.stored([screen.peer.intent(1, Purpose.GATE)])
    (fresh,) = await screen.heard(late[-1].id, 1)
    assert not fresh.is_late


async def test_a_stranger_has_no_name_and_a_masked_card(screen: Screen) -> None:
    stranger = replace(screen.site.holders[0], credential=CredentialKey("wiegand:34-deadbeef01"))
    screen.site.holders = (stranger,)
    await screen.stored([screen.peer.intent(0, Purpose.GATE)])
    (event,) = await screen.heard(0, 1)
    assert (event.reason, event.holder, event.card_masked) == (Reason.CARD_UNKNOWN, None, "…ef01")


async def test_a55_the_photo_comes_small_with_the_tap_and_not_again_with_its_outcome(screen: Screen) -> None:
    site, holder = screen.site, screen.site.holders[0]
    picture = io.BytesIO()
    Image.new("RGB", (660, 840), "teal").save(picture, "JPEG")
    site.database.write(
        lambda session: photos.put_photo(session, site.system, site.site, holder.person, picture.getvalue(), "test")
    )
    tap = screen.peer.intent(0)
    await screen.stored([tap, screen.peer.served(tap), screen.peer.intent(1, Purpose.GATE)])
    first, second, bare = await screen.heard(0, 3)
    with Image.open(io.BytesIO(first.photo)) as small:
        assert small.size == (110, 140)
    assert (second.photo, bare.photo) == (b"", b"")
    assert first.person_id == second.person_id == holder.person
    assert bare.person_id is None
    looked_up, *_ = await screen._run(screen.feed.recent, 3)
    assert looked_up.photo == b""


async def test_no_event_holds_a_whole_card_number_neither_stored_nor_shown(screen: Screen) -> None:
    tap = screen.peer.intent(3)
    await screen.stored([tap, screen.peer.served(tap), screen.peer.intent(4, Purpose.GATE)])
    shown = await screen.heard(0, 3)
    with connect_app(screen.site.database.url) as connection:
        stored = connection.execute("select payload::text from outbox where topic = 'taps'").fetchall()
    assert len(stored) == 3
    for holder in screen.site.holders:
        number = holder.credential.partition("-")[2]
        assert number not in repr([astuple(event) for event in shown])
        assert number not in repr(stored)


def test_words_of_a_newer_device_do_not_stop_the_feed() -> None:
    told = {
        "device": "d", "epoch": 1, "tap_seq": 1, "at": "2026-03-04T04:00:00+00:00", "place": "g01",
        "reason": "moon_phase", "outcome": "teleported",
    }  # fmt: skip
    event = _live_tap(1, told, {}, {}, {})
    assert (event.reason, event.outcome) == (Reason.SERVER_FAULT, None)
    assert _live_tap(1, told | {"outcome": "passed"}, {}, {}, {}).outcome is OutcomeKind.PASSED
