"""Who may open a link: every refusal is a goodbye that says what to do, and nothing is written for a stranger."""

from __future__ import annotations

from uuid import UUID

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from cardcore.ids import DeviceId
from cardcore.journal import GENESIS
from cardcore.wire.messages import Goodbye, GoodbyeCode, UploadAck
from server.database import Database
from server.devices import service as devices
from server.link import handshake
from server.link.ports import KnownDevice
from tests.server.link.link_site import EPOCH, LinkServer, LinkSite, until
from tests.server.link.peer import Peer

OTHER_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))


async def refused(link: LinkServer, peer: Peer, signer: Ed25519PrivateKey | None = None, **changes: object) -> Goodbye:
    """Say hello with something wrong and return the goodbye; the link must be closed after it."""
    answer = await peer.open(link.connect(), signer, **changes)
    assert isinstance(answer, Goodbye), answer
    with pytest.raises(EOFError):
        await peer.next()
    assert len(link.directory) == 0
    return answer


def epochs(site: LinkSite) -> list[tuple[int, bool]]:
    """Return (epoch, still open) of every journal known."""
    return site.rows("select epoch, closed_at is null from device_epoch order by epoch")


async def test_a_right_hello_is_welcomed_and_noted(link: LinkServer, link_site: LinkSite) -> None:
    peer = Peer(link_site)
    welcome = await peer.welcomed(link.connect())
    assert (welcome.acked_through, welcome.head_hash, welcome.new_epoch_wanted) == (0, GENESIS, False)
    assert welcome.generation
    await peer.until_policy(1)
    assert link.directory.connected == (peer.box.device,)
    assert link_site.rows("select software from device_status") == [("peer 1",)]


async def test_unknown_device(link: LinkServer, link_site: LinkSite) -> None:
    goodbye = await refused(link, Peer(link_site), device=str(UUID(int=5)))
    assert goodbye.code is GoodbyeCode.UNKNOWN_DEVICE
    assert "onecard device code" in goodbye.advice
    assert "onecard-reader enrol" in goodbye.advice


@pytest.mark.parametrize(
    "changes",
    [
        {"device": "not an id"},
        {"device": ""},
        {"epoch": 0},
        {"epoch": -4},
        {"epoch": 2**63},
        {"last_seq": -1},
        {"acked_through": -1},
        {"policy_version": -1},
        {"deny_version": -1},
    ],
)
async def test_an_impossible_hello_is_refused_and_no_fault(
    link: LinkServer, link_site: LinkSite, changes: dict[str, object]
) -> None:
    goodbye = await refused(link, Peer(link_site), None, **changes)
    assert goodbye.advice
    assert epochs(link_site) == []


async def test_wrong_key_opens_nothing_and_closes_nothing(link: LinkServer, link_site: LinkSite) -> None:
    honest = Peer(link_site)
    await honest.welcomed(wire := link.connect())
    wire.cut()
    await until(lambda: len(link.directory) == 0)
    goodbye = await refused(link, Peer(link_site, epoch=EPOCH + 1), signer=OTHER_KEY)
    assert goodbye.code is GoodbyeCode.WRONG_KEY
    assert "onecard device code" in goodbye.advice
    assert epochs(link_site) == [(EPOCH, True)]


async def test_revoked_device(link: LinkServer, link_site: LinkSite) -> None:
    peer = Peer(link_site)
    link_site.database.write(lambda session: devices.revoke(session, link_site.system, peer.box.device, "test"))
    goodbye = await refused(link, peer)
    assert goodbye.code is GoodbyeCode.REVOKED
    assert "onecard device code" in goodbye.advice
    assert epochs(link_site) == []


async def test_a_device_revoked_while_it_connected_is_sent_away(
    link: LinkServer, link_site: LinkSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = Peer(link_site)
    known = link.devices.known

    def revoked_behind_its_back(device: DeviceId) -> KnownDevice | None:
        found = known(device)
        monkeypatch.setattr(link.devices, "known", known)
        link_site.database.write(lambda session: devices.revoke(session, link_site.system, device, "test"))
        return found

    monkeypatch.setattr(link.devices, "known", revoked_behind_its_back)
    await peer.welcomed(link.connect())
    goodbye = await peer.farewell()
    assert goodbye.code is GoodbyeCode.REVOKED


async def test_old_wire_version(link: LinkServer, link_site: LinkSite) -> None:
    goodbye = await refused(link, Peer(link_site), wire_version=0)
    assert goodbye.code is GoodbyeCode.VERSION
    assert "update the reader daemon" in goodbye.advice


async def test_first_frame_is_no_hello(link: LinkServer, link_site: LinkSite) -> None:
    for frame in (b"", b"GET / HTTP/1.1\r\n\r\n", b"\xc1" * 70_000):
        peer = Peer(link_site)
        peer.wire = wire = link.connect()
        await peer.next()
        await wire.send(frame)
        goodbye = await peer.farewell()
        assert goodbye.code is GoodbyeCode.PROTOCOL
        assert "hello" in goodbye.advice


async def test_silent_peer(link: LinkServer, link_site: LinkSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handshake, "HELLO_SECONDS", 0.05)
    peer = Peer(link_site)
    peer.wire = link.connect()
    goodbye = await peer.farewell()
    assert goodbye.code is GoodbyeCode.PROTOCOL
    assert "hello" in goodbye.advice


async def test_peer_that_vanishes_in_the_handshake_leaves_nothing(link: LinkServer, link_site: LinkSite) -> None:
    wire = link.connect()
    wire.cut()
    peer = Peer(link_site)
    await peer.welcomed(link.connect())  # the fixture fails if the first link ended with a fault


async def test_database_down_at_hello(link_site: LinkSite) -> None:
    def nobody_listens() -> Database:
        return Database("postgresql://nobody@127.0.0.1:1/none")

    link_site.database = nobody_listens()
    async with LinkServer(link_site) as link:
        goodbye = await refused(link, Peer(link_site))
    assert goodbye.code is GoodbyeCode.BUSY
    assert goodbye.retry_after_ms > 0
    assert "decided locally" in goodbye.advice


async def test_database_that_hangs_at_hello(
    link: LinkServer, link_site: LinkSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    def all_connections_hang(*_: object) -> None:
        msg = "QueuePool limit of size 8 overflow 4 reached"
        raise PoolTimeoutError(msg)

    monkeypatch.setattr(link.devices, "known", all_connections_hang)
    goodbye = await refused(link, Peer(link_site))
    assert goodbye.code is GoodbyeCode.BUSY


async def test_journal_rolled_back_wants_a_new_epoch(link: LinkServer, link_site: LinkSite) -> None:
    peer = Peer(link_site)
    await peer.welcomed(wire := link.connect())
    await peer.say(peer.upload([peer.intent(0), peer.intent(1)]))
    await peer.expect(UploadAck)
    wire.cut()
    welcome = await peer.welcomed(link.connect(), last_seq=1)
    assert welcome.new_epoch_wanted
    assert welcome.acked_through == 2
    welcome = await peer.welcomed(link.connect(), last_seq=2)
    assert not welcome.new_epoch_wanted


async def test_generation_is_the_databases(link: LinkServer, link_site: LinkSite) -> None:
    first = await Peer(link_site).welcomed(link.connect())
    second = await Peer(link_site).welcomed(link.connect())
    assert first.generation == second.generation
    with psycopg.connect(link_site.database.url) as owner:
        owner.execute("update installation set generation = 'restored'")
    third = await Peer(link_site).welcomed(link.connect())
    assert third.generation == "restored" != first.generation
