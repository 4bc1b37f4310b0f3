"""A box beyond its allowances is served slowly or not at all, somebody is told, and nobody else notices (F20)."""

from __future__ import annotations

import msgspec

from cardcore.wire.messages import Ping, Pong, RecordStatus, StateEnd, Tap, TapDecision, UploadAck
from server.link.quotas import QUOTAS, Flow, Meter, Quota
from tests.server.link.link_site import LinkServer, LinkSite, until
from tests.server.link.peer import Peer

QUARANTINED, STORED = RecordStatus.QUARANTINED, RecordStatus.STORED
FEW = Quota(burst=3, a_minute=60_000)
"""Three at once and one a millisecond: the clock of these tests stands, so only what was there at first is given."""


def floods(site: LinkSite) -> list[str]:
    return [row[0] for row in site.rows("select detail->>'what' from finding where kind = 'device_flooding'")]


def limited(link: LinkServer, site: LinkSite, flow: Flow) -> None:
    link.endpoint._meters[site.box.device] = Meter(site.system.clock, {**QUOTAS, flow: FEW})


async def connected(link: LinkServer, site: LinkSite) -> Peer:
    peer = Peer(site)
    await peer.welcomed(link.connect())
    await peer.expect(StateEnd)
    return peer


async def test_forged_seals_beyond_the_allowance_are_told_and_live_taps_wait_for_an_upload(
    link: LinkServer, link_site: LinkSite
) -> None:
    limited(link, link_site, Flow.SET_ASIDE)
    peer = await connected(link, link_site)
    honest = [peer.intent(0) for _ in range(6)]
    forged = [msgspec.structs.replace(record, mac=bytes(16)) for record in honest[:4]]
    await peer.say(peer.upload(forged))
    ack = await peer.expect(UploadAck)
    assert {status for _, status in ack.statuses} == {QUARANTINED}
    await until(lambda: floods(link_site) == ["set_aside"])
    heard = len(peer.heard)
    await peer.say(Tap(peer.epoch, honest[4]))  # live: unanswered, the box decides alone
    await peer.say(peer.upload(honest[4:]))  # and hands it in: nothing is refused
    ack = await peer.expect(UploadAck)
    assert {status for _, status in ack.statuses} == {STORED}
    assert not [one for one in peer.heard[heard:] if isinstance(one, TapDecision)]


async def test_records_beyond_the_allowance_come_in_all_the_same_and_a_second_box_notices_nothing(
    link: LinkServer, link_site: LinkSite
) -> None:
    limited(link, link_site, Flow.RECORDS)
    peer = await connected(link, link_site)
    await peer.say(peer.upload([peer.intent(number % 3) for number in range(8)]))
    ack = await peer.expect(UploadAck)
    assert [status for _, status in ack.statuses] == [STORED] * 8
    await until(lambda: floods(link_site) == ["records"])
    await peer.say(peer.tap(peer.intent(0)))  # live: left to the box
    await peer.say(Ping(1, 2))
    await peer.expect(Pong)
    assert not [one for one in peer.heard if isinstance(one, TapDecision)]
    other = link_site.enrol("till-9")
    link_site.assign(other, [], ["t02"])
    neighbour = Peer(link_site, other)
    await neighbour.welcomed(link.connect())
    await neighbour.expect(StateEnd)
    await neighbour.say(neighbour.tap(neighbour.intent(1, place="t02")))
    assert (await neighbour.expect(TapDecision)).status is STORED
