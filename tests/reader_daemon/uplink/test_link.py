"""The link as a whole: catching up, rewinding, policy, and a server that is silent, false or restored."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cardcore.access.items import LaneItem, LaneMode
from cardcore.ids import LaneId, ZoneId
from cardcore.journal import DeviceEvent, OutcomeKind
from cardcore.wire.messages import Goodbye, GoodbyeCode, Health, StateInstalled, Tap, Upload
from tests.reader_daemon.fake_server import FakeServer
from tests.reader_daemon.site import ANNA, BORIS, fresh_server, running
from tests.reader_daemon.virtual_time import VirtualLoop, run_virtual


def test_records_of_an_outage_arrive_in_order_and_whole(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        server = fresh_server(loop)
        async with running(loop, tmp_path, server) as site:
            server.down = True
            await server.drop()
            for _ in range(150):
                site.port.tap(ANNA)
                await asyncio.sleep(6)
            assert site.daemon.journal.pending > 400
            server.down = False
            await asyncio.sleep(60)
            epoch = site.daemon.journal.epoch
            assert site.daemon.journal.pending == 0
            assert server.mark(epoch) == site.daemon.journal.head.seq
            assert server.chain_is_whole(epoch)
            uploads = [message for message in server.received if isinstance(message, Upload)]
            assert max(len(upload.records) for upload in uploads) > 50
            assert server.max_upload_bytes <= 64 * 1024

    run_virtual(main)


def test_a_live_tap_waits_for_at_most_one_backlog_frame(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        server = fresh_server(loop)
        async with running(loop, tmp_path, server) as site:
            server.down = True
            await server.drop()
            for _ in range(300):
                site.port.tap(ANNA)
                await asyncio.sleep(6)
            server.received.clear()
            server.down = False
            server.upload_delay_ms = 1_000
            while not server.of_kind(Upload):  # noqa: ASYNC110 - virtual time: a step, not a wait
                await asyncio.sleep(0.1)
            under_way = len(server.of_kind(Upload))
            site.port.tap(BORIS)
            await asyncio.sleep(3)
            order = [type(message) for message in server.received if isinstance(message, Upload | Tap)]
            assert order.index(Tap) <= under_way + 1
            assert site.daemon.journal.pending > 0
            server.upload_delay_ms = 0
            await asyncio.sleep(20)
            assert site.daemon.journal.pending == 0
            assert server.duplicates <= 1  # the tap itself, decided here after 300 ms

    run_virtual(main)


def test_a_restored_server_gets_everything_again(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        server = fresh_server(loop)
        async with running(loop, tmp_path, server) as site:
            for _ in range(5):
                site.port.tap(ANNA)
                await asyncio.sleep(6)
            epoch = site.daemon.journal.epoch
            known = server.mark(epoch)
            for seq in range(3, known + 1):
                del server.records[epoch, seq]
            server.generation = "restored"
            await server.drop()
            await asyncio.sleep(5)
            assert server.mark(epoch) >= known
            assert not server.conflicts
            assert site.daemon.journal.epoch == epoch

    run_virtual(main)


def test_a_journal_that_was_rolled_back_begins_a_new_epoch(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        server = fresh_server(loop)
        async with running(loop, tmp_path, server) as site:
            site.port.tap(ANNA)
            await asyncio.sleep(6)
            old = site.daemon.journal.epoch
            last = site.daemon.journal.head.seq
        connection = sqlite3.connect(tmp_path / "journal.db")
        with connection:  # as if an older image of the disk had been put back
            connection.execute("DELETE FROM record WHERE seq > 2")
            connection.execute("UPDATE epoch SET acked_through = 2")
        connection.close()
        async with running(loop, tmp_path, server, ids_from=500) as site:
            site.port.tap(ANNA)
            await asyncio.sleep(6)
            assert site.daemon.journal.epoch != old
            assert server.mark(old) >= last
            assert site.outcomes() == [(OutcomeKind.NOT_USED, "granted")]
            assert server.mark(site.daemon.journal.epoch) == site.daemon.journal.head.seq

    run_virtual(main)


def test_a_lost_card_is_refused_as_soon_as_the_deny_list_comes(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        server = fresh_server(loop)
        async with running(loop, tmp_path, server) as site:
            await server.push(server.signed_deny(server.snapshot.version + 1, (ANNA, "card_lost")))
            server.silent_to_taps = True
            await asyncio.sleep(0.1)
            site.port.tap(ANNA)
            await asyncio.sleep(1)
            assert site.outcomes() == [(OutcomeKind.DECLINED, "card_lost")]
        server.down = True
        async with running(loop, tmp_path, server, ids_from=500) as site:  # and after a restart without a server
            site.port.tap(ANNA)
            await asyncio.sleep(1)
            assert site.outcomes()[-1] == (OutcomeKind.DECLINED, "card_lost")

    run_virtual(main)


def test_a_deny_list_by_somebody_else_ends_the_session(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        server = fresh_server(loop)
        async with running(loop, tmp_path, server) as site:
            deny = server.signed_deny(9, (ANNA, "card_lost"))
            await server.push(msgspec.structs.replace(deny, signature=bytes(64)))
            await asyncio.sleep(0.1)
            assert not site.daemon.uplink.open
            assert not site.daemon.policy.denied

    run_virtual(main)


def installed(server: FakeServer) -> list[str]:
    return [message.problem for message in server.received if isinstance(message, StateInstalled)]


def test_a_delta_and_a_full_snapshot_come_into_force_and_survive_a_restart(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        server = fresh_server(loop)
        lane = LaneItem(LaneId("lane-1"), "g01", ZoneId("street"), ZoneId("compound"), mode=LaneMode.LOCKED)
        async with running(loop, tmp_path, server) as site:
            assert site.daemon.policy.snapshot.content_hash == server.snapshot.content_hash
            base = server.snapshot.version
            server.set_items(lane)
            for message in server.state_messages(base):
                await server.push(message)
            await asyncio.sleep(0.5)
            assert site.daemon.policy.snapshot.version == base + 1
            assert installed(server) == ["", ""]
        server.down = True
        async with running(loop, tmp_path, server, ids_from=500) as site:
            assert site.daemon.policy.snapshot.content_hash == server.snapshot.content_hash
            site.port.tap(ANNA)
            await asyncio.sleep(1)
            assert site.outcomes()[-1] == (OutcomeKind.DECLINED, "lane_locked")

    run_virtual(main)


@pytest.mark.parametrize("spoil", ["signature", "hash", "older", "base", "part", "item"])
def test_a_transfer_that_is_not_whole_new_and_genuine_changes_nothing(tmp_path: Path, spoil: str) -> None:
    async def main(loop: VirtualLoop) -> None:
        server = fresh_server(loop)
        async with running(loop, tmp_path, server) as site:
            older = server.state_messages()
            server.set_items(LaneItem(LaneId("lane-2"), "g02", ZoneId("street"), ZoneId("compound")))
            messages = server.state_messages(77 if spoil == "base" else 0)
            if spoil == "older":
                for message in messages:
                    await server.push(message)
                await asyncio.sleep(0.5)
                messages = older
            before = site.daemon.policy.snapshot
            if spoil == "signature":
                messages[0] = msgspec.structs.replace(messages[0], signature=bytes(64))
            if spoil == "hash":
                del messages[1]
                messages[1:-1] = [msgspec.structs.replace(part, index=at) for at, part in enumerate(messages[1:-1])]
            if spoil == "part":
                del messages[1]
            if spoil == "item":
                messages[1] = msgspec.structs.replace(messages[1], items=(("lane/x", b"not json"),))
            for message in messages:
                await server.push(message)
            await asyncio.sleep(0.5)
            assert site.daemon.policy.snapshot is before
            assert site.daemon.uplink.open
            assert installed(server)[-1] != ""

    run_virtual(main)


def test_garbage_on_the_link_is_counted_and_the_session_goes_on(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        server = fresh_server(loop)
        async with running(loop, tmp_path, server) as site:
            for frame in (b"", b"\xff" * 100, b"<html>login</html>", bytes(70_000), b"\x81\xa1t\xa4next"):
                await server.push_frame(frame)
            site.port.tap(ANNA)
            await asyncio.sleep(0.5)
            assert server.sessions == 1
            assert len(site.port.pulses()) == 1

    run_virtual(main)


def test_a_server_that_says_nothing_any_more_is_left_within_seconds(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        server = fresh_server(loop)
        async with running(loop, tmp_path, server) as site:

            async def swallow(_wire: object, _message: object) -> None:
                return

            server._answer = swallow  # type: ignore[method-assign,assignment]
            await asyncio.sleep(25)
            assert server.sessions >= 2
            site.port.tap(ANNA)
            await asyncio.sleep(1)
            assert len(site.port.pulses()) == 1

    run_virtual(main)


def test_a_server_with_another_key_is_not_believed(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        server, other = fresh_server(loop), fresh_server(loop)
        genuine = server.identity
        other.key = Ed25519PrivateKey.from_private_bytes(b"X" * 32)
        async with running(loop, tmp_path, _With(other, genuine)) as site:  # type: ignore[arg-type]
            assert not site.daemon.uplink.open
            refused = [body for body in site.bodies() if isinstance(body, DeviceEvent) and body.event == "link_refused"]
            assert [event.alarm for event in refused] == [True]
            await asyncio.sleep(600)
            assert other.sessions < 15  # a person must look: no storm

    run_virtual(main)


class _With:
    """A server whose device was enrolled elsewhere."""

    def __init__(self, server: FakeServer, identity: object) -> None:
        self._server = server
        self.identity = identity

    def __getattr__(self, name: str) -> object:
        return getattr(self._server, name)


def test_a_goodbye_says_how_long_to_stay_away(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        server = fresh_server(loop)
        async with running(loop, tmp_path, server):
            await server.push(Goodbye(GoodbyeCode.RESTARTING, "back soon", 20_000))
            await asyncio.sleep(19)
            assert server.sessions == 1
            await asyncio.sleep(10)
            assert server.sessions == 2

    run_virtual(main)


def test_health_comes_every_few_seconds_and_tells_the_readers(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        server = fresh_server(loop)
        async with running(loop, tmp_path, server):
            await asyncio.sleep(30)
            health = [message for message in server.received if isinstance(message, Health)]
            assert 6 <= len(health) <= 20
            assert {(reader.name, reader.place, reader.online) for reader in health[-1].readers} == {
                ("g01", "lane-1", True),
                ("t01", "till-1", True),
            }

    run_virtual(main)


def test_reconnecting_backs_off(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        server = fresh_server(loop)
        server.down = True
        async with running(loop, tmp_path, server) as site:
            await asyncio.sleep(600)
            connector = site.daemon._parts.connector
            assert 15 <= connector.tries <= 60  # type: ignore[attr-defined]

    run_virtual(main)


def test_deltas_that_follow_at_once_are_installed_one_on_the_other(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        server = fresh_server(loop)
        async with running(loop, tmp_path, server) as site:
            for number in range(2, 6):
                base = server.snapshot.version
                server.set_items(LaneItem(LaneId(f"lane-{number}"), f"g0{number}", ZoneId("a"), ZoneId("b")))
                for message in server.state_messages(base):
                    await server.push(message)
            await asyncio.sleep(0.5)
            assert site.daemon.policy.snapshot.content_hash == server.snapshot.content_hash
            assert installed(server) == [""] * 5

    run_virtual(main)


def test_a_server_that_offers_an_old_policy_for_ever_is_left(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        server = fresh_server(loop)
        older = server.state_messages()
        server.set_items(LaneItem(LaneId("lane-2"), "g02", ZoneId("street"), ZoneId("compound")))
        async with running(loop, tmp_path, server) as site:
            version = site.daemon.policy.snapshot.version
            for _ in range(10):
                for message in older:
                    await server.push(message)
            await asyncio.sleep(30)
            assert not site.daemon.uplink.open
            assert site.daemon.policy.snapshot.version == version
            assert len(installed(server)) <= 5

    run_virtual(main)


def test_a_moved_directory_first_sends_what_its_old_epoch_holds(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        server = fresh_server(loop)
        first, second = tmp_path / "first", tmp_path / "second"
        first.mkdir()
        async with running(loop, first, server) as site:
            server.down = True
            await server.drop()
            site.port.tap(ANNA)
            await asyncio.sleep(8)
            old, last = site.daemon.journal.epoch, site.daemon.journal.head.seq
        shutil.copytree(first, second)
        server.down = False
        async with running(loop, second, server, ids_from=900) as site:
            await asyncio.sleep(5)
            assert site.daemon.journal.epoch != old
            assert server.mark(old) >= last
            site.port.tap(ANNA)
            await asyncio.sleep(8)
            assert site.outcomes() == [(OutcomeKind.NOT_USED, "granted")]
            assert site.daemon.journal.pending == 0
            assert server.mark(site.daemon.journal.epoch) == site.daemon.journal.head.seq

    run_virtual(main)
