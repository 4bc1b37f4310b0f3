"""The link after its handshake: taps, uploads, acks, rubbish, outages and goodbyes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cardcore.journal import Purpose
from cardcore.money import Fen
from cardcore.reasons import Reason
from cardcore.wire import codec
from cardcore.wire.messages import (
    MAX_FRAME_BYTES,
    MAX_UPLOAD_RECORDS,
    Command,
    CommandDone,
    CommandKind,
    Goodbye,
    GoodbyeCode,
    Hello,
    Ping,
    Pong,
    RecordStatus,
    StateEnd,
    TapDecision,
    UploadAck,
)
from server.canteen.charging import Limit, put_limit
from server.canteen.pins import set_pin
from server.database import WriteSession
from server.link import session as session_module
from server.staff.passwords import Passwords
from server.taps.arrivals import Arrival, Receipt
from server.taps.service import TapService
from tests.server.link.link_site import EPOCH, LUNCH_OF_STAFF_FEN, Gate, LinkServer, LinkSite, MemoryWire, until
from tests.server.link.peer import Peer

STORED, DUPLICATE, CONFLICT = RecordStatus.STORED, RecordStatus.DUPLICATE, RecordStatus.CONFLICT
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))


@pytest.fixture
async def peer(link: LinkServer, link_site: LinkSite) -> Peer:
    """Return a peer whose link is open and whose policy is in."""
    peer = Peer(link_site)
    await peer.welcomed(link.connect())
    await peer.expect(StateEnd)
    return peer


async def decided(peer: Peer, holder: int) -> TapDecision:
    await peer.say(peer.tap(peer.intent(holder)))
    return await peer.expect(TapDecision)


class TestTaps:
    async def test_a_meal_is_charged_and_answered_with_its_balance(self, peer: Peer, link_site: LinkSite) -> None:
        opening = link_site.holders[0].opening
        decision = await decided(peer, 0)
        assert (decision.granted, decision.amount, decision.meal) == (True, LUNCH_OF_STAFF_FEN, "lunch")
        assert decision.balance_after == opening - LUNCH_OF_STAFF_FEN
        assert (decision.status, decision.acked_through, decision.epoch) == (STORED, 1, EPOCH)
        assert decision.holder

    async def test_a_repeat_gets_the_stored_decision_and_no_second_charge(
        self, peer: Peer, link_site: LinkSite
    ) -> None:
        first = await decided(peer, 0)
        await peer.say(peer.tap(peer.records[0]))
        again = await peer.expect(TapDecision)
        assert again == msgspec.structs.replace(first, status=DUPLICATE)
        assert link_site.rows("select count(*), sum(amount_fen) from charge") == [(1, LUNCH_OF_STAFF_FEN)]

    async def test_another_content_under_the_same_key_is_set_aside_and_opens_nothing(
        self, peer: Peer, link_site: LinkSite
    ) -> None:
        await peer.say(peer.tap(peer.intent(0, Purpose.GATE)))
        assert (await peer.expect(TapDecision)).granted
        peer.records.clear()
        await peer.say(peer.tap(peer.intent(1, Purpose.GATE)))
        decision = await peer.expect(TapDecision)
        assert (decision.granted, decision.status, decision.reason) == (False, CONFLICT, Reason.SERVER_FAULT)
        assert link_site.rows("select why from quarantine") == [("conflict",)]

    async def test_a_tap_of_another_epoch_is_not_answered(self, peer: Peer, link_site: LinkSite) -> None:
        record = peer.intent(0)
        await peer.say(peer.tap(record, epoch=EPOCH + 1))
        await peer.say(peer.tap(record))
        decision = await peer.expect(TapDecision)
        assert (decision.epoch, decision.status) == (EPOCH, STORED)
        assert link_site.rows("select distinct epoch from record") == [(EPOCH,)]

    async def test_a_lane_given_to_a_connected_device_is_served_at_once(
        self, link: LinkServer, peer: Peer, link_site: LinkSite
    ) -> None:
        await peer.say(peer.tap(peer.intent(0, Purpose.GATE, "g02")))
        assert (await peer.expect(TapDecision)).reason == Reason.LANE_UNKNOWN
        link_site.assign(peer.box, ["g01", "g02"], ["t01"])
        link.directory.device_changed(peer.box.device)
        while True:
            await peer.say(peer.tap(peer.intent(0, Purpose.GATE, "g02")))
            decision = await peer.expect(TapDecision)
            if decision.reason != Reason.LANE_UNKNOWN:
                break
        assert decision.granted


class TestPins:
    async def test_c15_a_pin_beside_a_tap_passes_the_soft_limit_and_stands_in_no_record(
        self, link: LinkServer, peer: Peer, link_site: LinkSite
    ) -> None:
        account, system, site = link_site.holders[0].account, link_site.system, link_site.site
        assert account is not None

        def prepare(session: WriteSession) -> None:
            limit = Limit("soft", "tap", fen=Fen(1), soft=True)
            assert put_limit(session, system, site, limit, "test") is None
            assert set_pin(session, system, Passwords(system.ids, time_cost=1), site, account, "2580", "test") is None

        link_site.database.write(prepare)
        assert (await decided(peer, 0)).reason == Reason.PIN_NEEDED
        answers = []
        for pin in ("2581", "2580"):
            await peer.say(msgspec.structs.replace(peer.tap(peer.intent(0)), pin=pin))
            answers.append((await peer.expect(TapDecision)).reason)
        assert answers == [Reason.PIN_WRONG, Reason.CHARGED]
        assert not any(b"2580" in record.body for record in peer.records)


class TestUploads:
    async def test_acks_carry_a_status_for_each_record_and_the_mark(self, peer: Peer) -> None:
        first = [peer.intent(0), peer.intent(1)]
        await peer.say(peer.upload(first))
        ack = await peer.expect(UploadAck)
        assert (ack.statuses, ack.acked_through, ack.epoch) == (((1, STORED), (2, STORED)), 2, EPOCH)
        assert ack.credit > 0
        third = peer.served(first[0])
        await peer.say(peer.upload([first[1], third]))
        ack = await peer.expect(UploadAck)
        assert (ack.statuses, ack.acked_through) == (((2, DUPLICATE), (3, STORED)), 3)

    async def test_the_mark_stops_at_a_gap_and_jumps_when_it_is_filled(self, peer: Peer) -> None:
        for holder in range(4):
            peer.intent(holder)
        one, two, three, four = peer.records
        await peer.say(peer.upload([one]))
        assert (await peer.expect(UploadAck)).acked_through == 1
        await peer.say(peer.upload([three, four]))
        assert (await peer.expect(UploadAck)).acked_through == 1
        await peer.say(peer.upload([two]))
        assert (await peer.expect(UploadAck)).acked_through == 4

    async def test_the_mark_survives_the_link(self, peer: Peer, link: LinkServer) -> None:
        await peer.say(peer.upload([peer.intent(0), peer.intent(1)]))
        await peer.expect(UploadAck)
        assert isinstance(peer.wire, MemoryWire)
        peer.wire.cut()
        welcome = await peer.welcomed(link.connect())
        assert (welcome.acked_through, welcome.head_hash) == (2, peer.records[1].hash)

    @pytest.mark.parametrize("wrong", ["signature", "epoch", "empty", "too many"])
    async def test_an_upload_that_is_not_credible_ends_the_session(
        self, peer: Peer, link_site: LinkSite, wrong: str
    ) -> None:
        upload = peer.upload([peer.intent(0)], signer=OTHER_KEY if wrong == "signature" else None)
        match wrong:
            case "epoch":
                upload = msgspec.structs.replace(upload, epoch=EPOCH + 1)
            case "empty":
                upload = msgspec.structs.replace(upload, records=())
            case "too many":
                tiny = msgspec.structs.replace(upload.records[0], body=b"")
                upload = msgspec.structs.replace(upload, records=(tiny,) * (MAX_UPLOAD_RECORDS + 1))
                assert len(codec.encode(upload)) < MAX_FRAME_BYTES
        await peer.say(upload)
        goodbye = await peer.farewell()
        assert goodbye.code is GoodbyeCode.PROTOCOL
        assert goodbye.advice
        assert link_site.rows("select count(*) from record") == [(0,)]

    async def test_live_taps_are_answered_while_an_upload_is_in_work(self, link_site: LinkSite) -> None:
        gates: list[Gate] = []

        def stand_before(service: TapService) -> Gate:
            gates.append(Gate(service, lambda arrivals: len(arrivals) == 1 and len(arrivals[0].records) > 100))
            return gates[0]

        async with LinkServer(link_site, stand_before) as link:
            peer = Peer(link_site)
            await peer.welcomed(link.connect())
            backlog = [peer.intent(n % 4, Purpose.GATE) for n in range(120)]
            second = [peer.intent(n % 4, Purpose.GATE) for n in range(120)]
            await peer.say(peer.upload(backlog))
            assert await asyncio.to_thread(gates[0].reached.wait, 30)
            await peer.say(peer.upload(second))
            await peer.say(peer.tap(peer.intent(0)))
            await peer.say(Ping(1, 2))
            await peer.expect(Pong)  # read and queued behind the upload in work, all three
            gates[0].go_on.set()
            heard = len(peer.heard)
            for kind in (UploadAck, TapDecision, UploadAck):
                await peer.expect(kind)
        answers = [type(one) for one in peer.heard[heard:] if isinstance(one, UploadAck | TapDecision)]
        assert answers == [UploadAck, TapDecision, UploadAck]


class TestRubbish:
    GARBAGE = (b"\xc1\xc1", b"", b"\x00" * 30, codec.encode(Ping(1, 2))[:-1], b"\xa5" * (MAX_FRAME_BYTES + 1))

    async def test_rubbish_is_borne_until_the_limit_and_taps_between_are_answered(self, peer: Peer) -> None:
        for number in range(session_module.MAX_BAD_FRAMES - 1):
            await peer.wire.send(self.GARBAGE[number % len(self.GARBAGE)])
        assert (await decided(peer, 0)).granted
        await peer.wire.send(b"\xc1")
        goodbye = await peer.farewell()
        assert goodbye.code is GoodbyeCode.PROTOCOL
        assert goodbye.retry_after_ms > 0
        assert goodbye.advice

    async def test_a_second_hello_and_foreign_answers_change_nothing(self, peer: Peer) -> None:
        await peer.say(Hello("x", 1, "", b"", 1, 0, 0, "", 0, b"", 0))
        await peer.say(Pong(1, 2, 3))
        await peer.say(CommandDone("never asked", "done"))
        assert (await decided(peer, 0)).granted

    async def test_nothing_counts_after_the_goodbye(self, peer: Peer, link: LinkServer, link_site: LinkSite) -> None:
        tap = codec.encode(peer.tap(peer.intent(0)))
        assert isinstance(peer.wire, MemoryWire)
        inbox = peer.wire.channel.to_server
        for _ in range(session_module.MAX_BAD_FRAMES):
            inbox.put_nowait(b"\xc1")
        inbox.put_nowait(tap)
        assert (await peer.farewell()).code is GoodbyeCode.PROTOCOL
        await until(lambda: len(link.directory) == 0)
        assert link_site.rows("select count(*) from record") == [(0,)]


class TestOutage:
    async def test_an_upload_is_told_to_come_back_and_a_tap_is_left_to_the_daemon(self, link_site: LinkSite) -> None:
        is_down = [False]

        class Outage:
            def __init__(self, service: TapService) -> None:
                self._service = service

            def process(self, arrivals: Sequence[Arrival]) -> list[Receipt]:
                if is_down[0]:
                    msg = "server closed the connection unexpectedly"
                    raise psycopg.OperationalError(msg)
                return self._service.process(arrivals)

        async with LinkServer(link_site, Outage) as link:
            peer = Peer(link_site)
            await peer.welcomed(link.connect())
            await peer.expect(StateEnd)
            is_down[0] = True
            await peer.say(peer.tap(peer.intent(0)))
            await peer.say(peer.upload(peer.records))
            heard = len(peer.heard)
            goodbye = await peer.farewell()
            assert goodbye.code is GoodbyeCode.BUSY
            assert goodbye.retry_after_ms > 0
            assert not [one for one in peer.heard[heard:] if isinstance(one, TapDecision | UploadAck)]
            is_down[0] = False
            assert (await peer.welcomed(link.connect())).acked_through == 0
            await peer.say(peer.upload(peer.records))
            assert (await peer.expect(UploadAck)).acked_through == 1

    async def test_a_fault_in_a_batch_does_not_leave_the_link_deaf(self, link_site: LinkSite) -> None:
        class Broken:
            def __init__(self, _service: TapService) -> None:
                pass

            def process(self, arrivals: Sequence[Arrival]) -> list[Receipt]:
                raise AssertionError(len(arrivals))

        async with LinkServer(link_site, Broken) as link:
            peer = Peer(link_site)
            await peer.welcomed(link.connect())
            await peer.say(peer.upload([peer.intent(0)]))
            assert (await peer.farewell()).code is GoodbyeCode.BUSY


class TestEnds:
    async def test_a_second_link_of_the_same_device_replaces_the_first(
        self, peer: Peer, link: LinkServer, link_site: LinkSite
    ) -> None:
        second = Peer(link_site)
        await second.welcomed(link.connect())
        goodbye = await peer.farewell()
        assert goodbye.code is GoodbyeCode.DUPLICATE
        assert "enrol the copy anew" in goodbye.advice
        assert (await decided(second, 0)).granted
        assert len(link.directory) == 1
        assert link_site.rows("select connected from device_status") == [(True,)]

    async def test_a_link_behind_a_cut_cable_does_not_hold_up_its_successor(
        self, peer: Peer, link: LinkServer, link_site: LinkSite, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(session_module, "END_SECONDS", 0.05)
        assert isinstance(peer.wire, MemoryWire)
        peer.wire.channel.is_stuck = True
        second = Peer(link_site)
        await second.welcomed(link.connect())
        assert (await decided(second, 0)).granted

    async def test_server_stop_says_restarting(self, peer: Peer, link: LinkServer) -> None:
        await link.directory.close()
        goodbye = await peer.farewell()
        assert goodbye.code is GoodbyeCode.RESTARTING
        assert goodbye.retry_after_ms > 0
        assert "Reconnect" in goodbye.advice


class TestCommands:
    COMMAND = Command("n1", CommandKind.OPEN_LANE, "g01", 1, "guard", "delivery")

    async def test_a_command_is_sent_once_and_its_end_comes_back(self, peer: Peer, link: LinkServer) -> None:
        asked = asyncio.create_task(link.directory.command(peer.box.device, self.COMMAND))
        assert await peer.expect(Command) == self.COMMAND
        await peer.say(CommandDone("n1", "done"))
        assert await asked == CommandDone("n1", "done")

    async def test_a_command_dies_unanswered_and_is_never_repeated(
        self, peer: Peer, link: LinkServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(session_module, "COMMAND_LIFE_MS", 50)
        assert await link.directory.command(peer.box.device, self.COMMAND) is None
        await peer.say(CommandDone("n1", "done"))  # too late: nobody waits any more
        assert isinstance(peer.wire, MemoryWire)
        peer.wire.cut()
        again = Peer(peer.site)
        await again.welcomed(link.connect())
        await decided(again, 0)
        heard = [*peer.heard, *again.heard]
        while not peer.wire.channel.to_peer.empty():
            frame = peer.wire.channel.to_peer.get_nowait()
            heard += [message] if frame and isinstance(message := codec.decode_for_daemon(frame), Command) else []
        assert [one for one in heard if isinstance(one, Command)] == [self.COMMAND]
        assert not [one for one in again.heard if isinstance(one, Command | Goodbye)]

    async def test_a_device_that_is_not_connected_gets_none(self, link: LinkServer, link_site: LinkSite) -> None:
        assert await link.directory.command(link_site.box.device, self.COMMAND) is None
