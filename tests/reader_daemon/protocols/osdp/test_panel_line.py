"""One reader on a bad line: lost, torn and late replies, outages of any length. Virtual time throughout."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from reader_daemon.messages import (
    CardRead,
    CommandResult,
    KeysPressed,
    Pulse,
    ReaderStatus,
    Show,
)
from reader_daemon.protocols.osdp import commands, link, replies, timing
from reader_daemon.protocols.osdp.codes import CommandCode, NakReason, ReplyCode
from reader_daemon.protocols.osdp.frames import Frame
from reader_daemon.protocols.osdp.panel import Panel
from reader_daemon.protocols.osdp.settings import ReaderSettings
from reader_daemon.protocols.osdp.timing import Moment
from tests.reader_daemon.protocols.osdp.scripted_reader import ScriptedReader
from tests.reader_daemon.protocols.osdp.virtual_bus import KEYS, VirtualBus, one_reader

CARD = replies.RawCard(0, 1, 26, bytes.fromhex("01234580"))


def tap(number: int) -> replies.RawCard:
    return replies.RawCard(0, 0, 32, number.to_bytes(4, "big"))


class Once:
    """Mangles the next reply that satisfies a condition, once."""

    def __init__(self, bus: VirtualBus, result: bytes | None = None) -> None:
        self.bus = bus
        self.result = result
        bus.to_panel = self

    def __call__(self, message: bytes) -> bytes:
        self.bus.to_panel = lambda unchanged: unchanged
        return self.result if self.result is not None else message[:-1] + bytes((message[-1] ^ 1,))


def test_no_reply_is_resent_as_the_same_bytes_after_200_ms() -> None:
    bus, reader = one_reader()
    Once(bus, b"")
    before = len(bus.sent)
    executed = len(reader.heard)
    bus.run_until(lambda: bus.health().counters.get("retries", 0) == 1, 400)
    (lost_ms, lost), (again_ms, again) = bus.sent[before : before + 2]
    assert again == lost
    assert 200 <= again_ms - lost_ms <= 210
    bus.run(20)
    assert len(reader.heard) - executed == len(bus.sent) - before - 1
    assert bus.is_usable()


def test_a_reply_with_a_bad_crc_is_no_reply() -> None:
    bus, reader = one_reader()
    reader.events.append(CARD)
    Once(bus)
    bus.run(600)
    assert len(bus.all(CardRead)) == 1
    assert bus.health().counters["broken_frames"] >= 1
    assert bus.health().counters["retries"] == 1
    assert len(bus.all(ReaderStatus)) == 2


def test_offline_after_8_s_not_at_7_and_queued_commands_expire_then() -> None:
    bus, _ = one_reader()
    bus.line_up = False
    bus.run(7_000)
    assert bus.status().online
    number = bus.submit("r0", Show("late"), within_ms=60_000)
    bus.run(1_300)
    assert not bus.status().online
    assert not bus.status().secure
    assert bus.results(number) == [CommandResult.EXPIRED]
    later = bus.submit("r0", Pulse(0, 500))
    bus.run(1)
    assert bus.results(later) == [CommandResult.EXPIRED]


@pytest.mark.parametrize("outage_ms", [300, 3_000, 7_000, 9_000, 60_000, 600_000])
def test_usable_within_3_s_after_any_outage(outage_ms: int) -> None:
    bus, reader = one_reader()
    bus.line_up = False
    bus.run(outage_ms)
    bus.line_up = True
    back = bus.ms
    reader.events.append(CARD)
    bus.run_until(lambda: bus.is_usable() and bool(bus.all(CardRead)), 3_000)
    assert bus.all(CardRead)[0].possibly_stale == (outage_ms > 2_000)
    bus.run(2_000)
    reader.events.append(tap(1))
    bus.run(200)
    assert not bus.all(CardRead)[-1].possibly_stale
    assert bus.ms - back < 6_000


def test_what_a_reader_kept_from_before_the_daemon_started_is_doubtful() -> None:
    reader = ScriptedReader(5, KEYS[0])
    reader.events.append(tap(1))
    bus = VirtualBus([reader])
    bus.run(1_000)
    reader.events.append(tap(2))
    bus.run(100)
    assert [card.possibly_stale for card in bus.all(CardRead)] == [True, False]


def test_reads_stay_doubtful_until_the_readers_memory_was_seen_empty() -> None:
    bus, reader = one_reader()
    bus.line_up = False
    reader.events += [tap(number) for number in range(100)]
    bus.run(20_000)
    bus.line_up = True
    bus.run_until(lambda: len(bus.all(CardRead)) == 100, 10_000)
    assert bus.all(CardRead)[-1].monotonic_ms - bus.all(CardRead)[0].monotonic_ms > 600
    assert all(card.possibly_stale for card in bus.all(CardRead))


def test_reads_stay_doubtful_for_half_a_second_even_after_an_empty_poll() -> None:
    bus, reader = one_reader()
    bus.line_up = False
    bus.run(20_000)
    bus.line_up = True
    bus.run_until(bus.is_usable, 3_000)
    bus.run(200)
    reader.events.append(tap(1))
    bus.run(500)
    reader.events.append(tap(2))
    bus.run(100)
    assert [card.possibly_stale for card in bus.all(CardRead)] == [True, False]


def test_an_old_reply_of_the_same_reader_is_passed_over() -> None:
    bus, _ = one_reader()
    before = [b""]

    def doubled(message: bytes) -> bytes:
        old, before[0] = before[0], message
        return old + message

    bus.to_panel = doubled
    bus.run(2_000)
    assert bus.health().counters["sequence_errors"] > 20
    assert set(bus.health().counters) == {"sequence_errors"}


def test_digits_kept_over_a_gap_are_dropped() -> None:
    bus, reader = one_reader()
    bus.line_up = False
    bus.run(10_000)
    reader.events.append(replies.Keypad(0, b"12"))
    bus.line_up = True
    bus.run(3_000)
    reader.events.append(replies.Keypad(0, b"34"))
    bus.run(200)
    assert [event.keys for event in bus.all(KeysPressed)] == ["34"]


def test_busy_repeats_the_same_bytes_and_is_bounded() -> None:
    bus, reader = one_reader()
    busy_frame = lambda clear, _: Frame(clear.address, True, 0, ReplyCode.BUSY)  # noqa: E731, FBT003
    normal = reader.reply_frame
    number = bus.submit("r0", Pulse(0, 500))
    reader.reply_frame = busy_frame
    bus.run(1_500)
    assert bus.results(number) == [CommandResult.UNKNOWN]
    outs = [(ms, frame) for ms, frame in bus.sent if frame.code == CommandCode.OUT]
    assert len({frame.mac for _, frame in outs}) == 1
    assert outs[-1][0] - outs[0][0] < 1_000
    bus.run(1_000)
    restarts = [ms for ms, frame in bus.sent[-100:] if frame.sequence == 0]
    assert restarts
    bus.run(8_000)
    assert not bus.status().online
    reader.reply_frame = normal
    bus.run(3_000)
    assert bus.is_usable()


def test_busy_ends_a_command_before_its_own_limit_does() -> None:
    bus, reader = one_reader()
    bus.run_until(lambda: bus.panel._links[0].exchange is None, 100)
    number = bus.submit("r0", Show("hello"), within_ms=60_000)
    reader.reply_frame = lambda clear, _: Frame(clear.address, is_reply=True, sequence=0, code=ReplyCode.BUSY)
    bus.run(2_200)
    assert bus.results(number) == [CommandResult.UNKNOWN]


def test_nak_1_resends_and_never_leaves_crc() -> None:
    bus, reader = one_reader()
    wrong_check = replies.Nak(NakReason.CHECK_BYTES)
    normal = reader.reply_frame
    reader.reply_frame = lambda clear, _: replace(clear, code=wrong_check.code, data=replies.encode_data(wrong_check))
    bus.run(100)
    reader.power_cycle()
    reader.reply_frame = normal
    bus.run(3_000)
    assert bus.is_usable()
    assert all(frame.has_crc for _, frame in bus.sent)


def test_a_stream_of_nak_1_does_not_make_the_panel_hammer() -> None:
    bus, reader = one_reader()
    wrong_check = replies.Nak(NakReason.CHECK_BYTES)
    reader.reply_frame = lambda clear, _: replace(clear, code=wrong_check.code, data=replies.encode_data(wrong_check))
    sent = len(bus.sent)
    bus.run(1_500)
    assert 5 <= len(bus.sent) - sent <= 15


def test_a_reader_that_answers_in_clear_text_after_losing_its_session_is_asked_to_open_a_new_one() -> None:
    bus, reader = one_reader()
    normal = reader.reply_frame
    reader.reply_frame = lambda clear, sealed: clear if sealed.is_secured else sealed
    bus.run(60)
    reader.reply_frame = normal
    bus.run(400)
    assert len(reader.executed(commands.Challenge)) == 2
    assert bus.is_usable()
    assert bus.alarms() == ["cleartext_reply"]


@pytest.mark.parametrize("reason", [NakReason.SEQUENCE, NakReason.SECURITY_CONDITIONS])
def test_an_authenticated_nak_about_the_conversation_restarts_it(reason: NakReason) -> None:
    bus, reader = one_reader()
    reader.events.append(replies.Nak(reason))
    bus.run(500)
    assert len(reader.executed(commands.Challenge)) == 2
    assert bus.is_usable()


def test_a_reply_under_way_when_its_time_is_up_is_waited_for() -> None:
    bus, reader = one_reader()
    original = bus._carry

    def slow(message: bytes) -> None:
        bus._carry = original  # type: ignore[method-assign]
        reply = reader.receive(message, bus.ms)
        bus._arriving += [(bus.ms + 198, reply[:9]), (bus.ms + 206, reply[9:])]

    bus._carry = slow  # type: ignore[method-assign]
    bus.run(500)
    assert bus.health().counters == {}


def test_two_characters_of_silence_come_before_a_message() -> None:
    at = datetime(2026, 3, 2, tzinfo=UTC)
    panel = Panel([ReaderSettings("r0", 5, KEYS[0])], 9_600, bytes, Moment(0, at))
    assert panel.tick(Moment(0, at))
    panel.feed(bytes.fromhex("5385140004450C0B0A020144332211010203857C"), Moment(40, at))
    assert [bool(panel.tick(Moment(ms, at))) for ms in (40, 42, 43)] == [False, False, True]


def test_checksum_frames_are_not_believed() -> None:
    bus, _reader = one_reader()

    def with_checksum(message: bytes) -> bytes:
        body = bytearray(message.lstrip(b"\xff")[:-2])
        body[4] &= ~0x04
        body[2] -= 1
        return bytes(body) + bytes((-sum(body) & 0xFF,))

    bus.to_panel = with_checksum
    bus.run(9_000)
    assert not bus.status().online
    assert bus.health().counters["checksum_frames"] > 0
    assert all(frame.has_crc for _, frame in bus.sent)


def test_a_reader_that_lost_its_session_is_usable_again_without_going_offline() -> None:
    bus, reader = one_reader()
    reader.power_cycle()
    bus.run_until(lambda: len(bus.all(ReaderStatus)) == 4, 1_000)
    assert [(s.online, s.secure) for s in bus.all(ReaderStatus)[1:]] == [(True, True), (True, False), (True, True)]


def test_a_reader_that_keeps_silent_about_its_lost_session_is_found_by_a_restart() -> None:
    bus, reader = one_reader()
    reader.power_cycle()
    normal = reader.answer
    mute = True

    def quiet(message: bytes) -> bytes:
        return b"" if mute and message.lstrip(b"\xff")[4] & 3 else message

    bus.to_panel = quiet
    bus.run(2_500)
    mute = False
    bus.run(1_500)
    assert bus.is_usable()
    assert bus.status().online
    assert reader.answer is normal


def test_the_session_is_renewed_when_it_is_old(monkeypatch: pytest.MonkeyPatch) -> None:
    assert timing.SESSION_RENEWAL_MS == 24 * 3_600_000
    monkeypatch.setattr(link, "SESSION_RENEWAL_MS", 10_000)
    bus, reader = one_reader()
    bus.run(8_000)
    assert len(reader.executed(commands.Challenge)) == 1
    reader.events.append(CARD)
    bus.run(2_000)
    assert len(reader.executed(commands.Challenge)) == 2
    assert bus.is_usable()
    assert all(status.online for status in bus.all(ReaderStatus)[1:])
    nonces = {heard.command.rnd_a for heard in reader.heard if isinstance(heard.command, commands.Challenge)}
    assert len(nonces) == 2


def test_a_process_that_stood_still_opens_a_new_session_before_it_does_anything() -> None:
    bus, reader = one_reader()
    reader.drops_session_when_silent = False
    bus.run_until(lambda: bus.panel._links[0].exchange is None, 100)
    number = bus.submit("r0", Pulse(0, 500))
    bus.ms += 3_600_000
    bus.run(3_000)
    assert bus.results(number) == [CommandResult.EXPIRED]
    assert reader.executed(commands.SetOutputs) == []
    assert bus.is_usable()


def test_own_echo_and_foreign_frames_change_nothing() -> None:
    bus, reader = one_reader()
    original = bus._carry

    def echo(message: bytes) -> None:
        bus._arriving.append((bus.ms + 1, message))
        bus._arriving.append((bus.ms + 1, bytes.fromhex("5386080006406A00")))
        original(message)

    bus._carry = echo  # type: ignore[method-assign]
    reader.events.append(CARD)
    bus.run(1_000)
    assert len(bus.all(CardRead)) == 1
    assert bus.is_usable()
    assert "retries" not in bus.health().counters


def test_resynchronises_within_3_polls_after_garbage() -> None:
    bus, reader = one_reader()
    garbage = b"\x53\x05\xa0\x05\x04" + bytes(range(200))
    bus.panel.feed(garbage, bus.now)
    reader.events.append(CARD)
    sent = len(bus.sent)
    bus.run_until(lambda: bool(bus.all(CardRead)), 1_000)
    assert len(bus.sent) - sent <= 3
