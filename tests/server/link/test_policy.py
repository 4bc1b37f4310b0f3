"""What a connected device hears of policy: deny list first, deltas, whole snapshots, and a lost card unasked.

The peer verifies every signature and every content hash on the way (`Peer._install`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from cardcore.clock import to_millis
from cardcore.ids import LaneId
from cardcore.reasons import Reason
from cardcore.wire.messages import (
    Command,
    CommandDone,
    Deny,
    Goodbye,
    GoodbyeCode,
    StateBegin,
    StateCurrent,
    StateEnd,
    StateInstalled,
    StatePart,
    ToDaemon,
)
from server.bus.local import LocalBus
from server.cards import service as cards
from server.database import WriteSession
from server.devices import service as devices
from server.devices.service import DEVICE_TOPIC
from server.lanes import service as lanes
from server.lanes.orders import Orders
from server.link.listener import POLICY_TOPIC, Listener
from server.link.session import Session
from server.outbox.pump import Pump
from tests.server.link.link_site import LinkServer, LinkSite, until
from tests.server.link.peer import Peer

POLICY_MESSAGES = Deny | StateBegin | StatePart | StateEnd | StateCurrent


def lose(site: LinkSite, holder: int) -> None:
    def call(session: WriteSession) -> None:
        cards.report_lost(session, site.system, site.site, site.holders[holder].card, "test", "left on the bus")

    site.database.write(call)


def policy_of(peer: Peer, heard_before: int = 0) -> list[ToDaemon]:
    return [one for one in peer.heard[heard_before:] if isinstance(one, POLICY_MESSAGES)]


def listener(bus: LocalBus, link: LinkServer, site: LinkSite) -> Listener:
    orders = Orders(link.directory, site.database, link.run, site.system)
    return Listener(bus, link.directory, link.devices, link.run, orders)


@pytest.fixture
async def bus(link: LinkServer, link_site: LinkSite) -> AsyncIterator[LocalBus]:
    """Carry hints from the outbox to the links, as a running server does."""
    bus = LocalBus()
    pump = Pump(link_site.database, link.run, bus, link_site.system.clock)
    listening = asyncio.create_task(listener(bus, link, link_site).serve())
    await pump.start()
    yield bus
    await pump.close()
    await bus.close()
    await listening  # a listener that died of a hint fails the test


async def connected(link: LinkServer, site: LinkSite) -> Peer:
    peer = Peer(site)
    await peer.welcomed(link.connect())
    await peer.expect(StateEnd)
    return peer


async def test_a_new_device_gets_the_whole_with_refused_cards_first(link: LinkServer, link_site: LinkSite) -> None:
    lose(link_site, 3)
    peer = await connected(link, link_site)
    deny, begin, *parts, end = policy_of(peer)
    assert isinstance(deny, Deny)
    assert deny.entries == ((link_site.holders[3].credential, Reason.CARD_LOST),)
    assert isinstance(begin, StateBegin)
    assert begin.base_version == 0
    assert all(isinstance(part, StatePart) for part in parts)
    assert isinstance(parts[0], StatePart)
    assert parts[0].items[0][0] == f"card/{link_site.holders[3].credential}"
    assert isinstance(end, StateEnd)
    assert len(peer.snapshot) == begin.items
    assert peer.snapshot.version == deny.version == begin.version


async def test_a_device_that_was_away_gets_what_changed_and_no_more(link: LinkServer, link_site: LinkSite) -> None:
    peer = await connected(link, link_site)
    before, heard = peer.snapshot, len(peer.heard)
    lose(link_site, 2)
    await peer.welcomed(link.connect(), policy_version=before.version)
    await peer.until_policy(before.version + 1)
    deny, begin, part, _end = policy_of(peer, heard)
    assert isinstance(deny, Deny)
    assert isinstance(begin, StateBegin)
    assert isinstance(part, StatePart)
    assert (begin.base_version, begin.items) == (before.version, 1)
    card = peer.snapshot.card(link_site.holders[2].credential)
    assert card is not None
    assert card.state == "lost"


async def test_a_device_that_is_up_to_date_hears_so(link: LinkServer, link_site: LinkSite) -> None:
    peer = await connected(link, link_site)
    await peer.welcomed(link.connect())
    assert (await peer.expect(StateCurrent)).version == peer.snapshot.version


async def test_a_device_ahead_of_a_restored_server_gets_the_whole(link: LinkServer, link_site: LinkSite) -> None:
    peer = Peer(link_site)
    await peer.welcomed(link.connect(), policy_version=9_999)
    begin = await peer.expect(StateBegin)
    assert begin.base_version == 0


async def test_a_device_that_could_not_install_gets_the_whole(link: LinkServer, link_site: LinkSite) -> None:
    peer = await connected(link, link_site)
    heard = len(peer.heard)
    await peer.say(StateInstalled(peer.snapshot.version, bytes(32), problem="content hash differs"))
    await peer.expect(StateEnd)
    begin = policy_of(peer, heard)[0]
    assert isinstance(begin, StateBegin)
    assert begin.base_version == 0
    assert link_site.rows("select problem from device_status") == [("content hash differs",)]


async def test_a_lost_card_reaches_a_connected_device_unasked(
    link: LinkServer, link_site: LinkSite, bus: LocalBus
) -> None:
    peer = await connected(link, link_site)
    heard, version = len(peer.heard), peer.snapshot.version
    await asyncio.to_thread(lose, link_site, 5)
    await peer.until_policy(version + 1)
    deny, begin, *_ = [one for one in policy_of(peer, heard) if not isinstance(one, StateCurrent)]
    assert isinstance(deny, Deny)
    assert deny.entries == ((link_site.holders[5].credential, Reason.CARD_LOST),)
    assert isinstance(begin, StateBegin)
    assert begin.base_version == version


async def test_a_lost_card_reaches_a_connected_device_without_a_bus(link: LinkServer, link_site: LinkSite) -> None:
    peer = await connected(link, link_site)
    watching = asyncio.create_task(link.directory.watch())
    await asyncio.to_thread(lose, link_site, 5)
    await peer.until_policy(peer.snapshot.version + 1)
    watching.cancel()
    assert peer.denied == {link_site.holders[5].credential: Reason.CARD_LOST}


@pytest.mark.parametrize("has_bus", [True, False])
async def test_a_revoked_device_is_sent_away(link: LinkServer, link_site: LinkSite, *, has_bus: bool) -> None:
    peer = await connected(link, link_site)
    bus = LocalBus()
    if has_bus:
        listening = asyncio.create_task(listener(bus, link, link_site).serve())
    else:
        listening = asyncio.create_task(link.directory.watch())
    pump = Pump(link_site.database, link.run, bus, link_site.system.clock)
    await pump.start()
    link_site.database.write(lambda session: devices.revoke(session, link_site.system, peer.box.device, "test"))
    goodbye: Goodbye = await peer.farewell()
    assert goodbye.code is GoodbyeCode.REVOKED
    assert "onecard device code" in goodbye.advice
    await pump.close()
    listening.cancel()


async def test_hints_nobody_understands_do_not_deafen_the_server(
    link: LinkServer, link_site: LinkSite, bus: LocalBus
) -> None:
    peer = await connected(link, link_site)
    for payload in ({}, {"site": 5}, {"site": "no id"}, {"payload": {"change": "revoked"}}, {"payload": None}):
        bus.publish(POLICY_TOPIC, payload)
        bus.publish(DEVICE_TOPIC, payload)
    version = peer.snapshot.version
    await asyncio.to_thread(lose, link_site, 1)
    await peer.until_policy(version + 1)


async def test_a_lane_given_to_a_connected_device_is_known_by_the_hint_alone(
    link: LinkServer, link_site: LinkSite, bus: LocalBus
) -> None:
    peer = await connected(link, link_site)
    await asyncio.to_thread(link_site.assign, peer.box, ["g01", "g03"], [])
    session = link.directory._sessions[peer.box.device]
    assert isinstance(session, Session)
    await until(lambda: "g03" in session._link.places)


async def test_a58_an_order_opens_the_lane_over_the_link_and_its_end_is_kept(
    link: LinkServer, link_site: LinkSite, bus: LocalBus
) -> None:
    peer = await connected(link, link_site)
    await until(lambda: link_site.rows("select connected from device_status") == [(True,)])
    system, site = link_site.system, link_site.site
    order = link_site.database.write(
        lambda session: lanes.order_open(session, system, site, "staff:guard", LaneId("g01"), "a wheelchair")
    )
    assert isinstance(order, lanes.Order)
    command = await peer.expect(Command)
    assert (command.place, command.actor, command.reason) == ("g01", "staff:guard", "a wheelchair")
    assert command.issued_at_ms == to_millis(order.given_at)
    await peer.say(CommandDone(command.nonce, "refused", "lane_busy"))

    def ended() -> bool:
        found = link_site.database.read(lambda session: lanes.order(session, system, site, order.id))
        return found is not None and (found.result, found.detail) == ("refused", "lane_busy")

    await until(ended)
