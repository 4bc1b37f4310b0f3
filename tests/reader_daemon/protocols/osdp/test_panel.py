"""The panel with one reader: opening, polling, reports, commands, retries. Virtual time throughout."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from reader_daemon.messages import (
    Beep,
    CardFailed,
    CardRead,
    CommandResult,
    InputChanged,
    KeysPressed,
    Lamp,
    LedColour,
    Pulse,
    ReaderStatus,
    Show,
)
from reader_daemon.protocols.osdp import commands, link, replies, timing
from reader_daemon.protocols.osdp.codes import CommandCode, NakReason, ReplyCode, TextMode
from reader_daemon.protocols.osdp.crypto import DEFAULT_KEY
from reader_daemon.protocols.osdp.frames import Frame, FrameSplitter, crc16
from reader_daemon.protocols.osdp.keys import WeakKeyError
from reader_daemon.protocols.osdp.settings import ReaderSettings
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


def test_opening_reads_identity_capabilities_tamper_and_inputs() -> None:
    reader = ScriptedReader(5, KEYS[0], tampered=True, inputs=b"\0\1\0\2")
    bus = VirtualBus([reader])
    took_ms = bus.run_until(bus.is_usable, 500)
    assert took_ms <= 500
    kinds = [(type(heard.command), heard.secured) for heard in reader.heard[:9]]
    assert kinds == [
        (commands.RequestIdentity, False),
        (commands.RequestCapabilities, False),
        (commands.Challenge, False),
        (commands.ServerCryptogram, False),
        (commands.RequestIdentity, True),
        (commands.RequestCapabilities, True),
        (commands.RequestLocalStatus, True),
        (commands.RequestInputs, True),
        (commands.SetLeds, True),
    ]
    assert bus.status() == ReaderStatus("r0", online=True, secure=True, tampered=True, detail="")
    assert [(event.input_number, event.active) for event in bus.all(InputChanged)] == [(1, True), (3, None)]
    assert bus.health().identity == reader.identity


def test_sequence_numbers_run_0_then_1_2_3() -> None:
    bus, _ = one_reader()
    assert [frame.sequence for _, frame in bus.sent[:8]] == [0, 1, 2, 3, 1, 2, 3, 1]


def test_a_healthy_reader_is_polled_at_least_every_50_ms() -> None:
    bus, reader = one_reader()
    bus.run(2_000)
    polls = [heard.ms for heard in reader.executed(commands.Poll)]
    assert len(polls) > 50
    assert max(after - before for before, after in pairwise(polls)) <= 50


def test_a_card_becomes_its_credential_key() -> None:
    bus, reader = one_reader()
    reader.events.append(CARD)
    bus.run(100)
    [card] = bus.all(CardRead)
    assert card.credential == "wiegand:26-0123458"
    assert not card.possibly_stale
    assert card.monotonic_ms == next(ms for ms, event in bus.events if event is card)


def test_a_burst_of_taps_drains_in_order_by_immediate_polls() -> None:
    bus, reader = one_reader()
    reader.events += [tap(number) for number in range(60)]
    took_ms = bus.run_until(lambda: len(bus.all(CardRead)) == 60, 2_000)
    assert [card.credential for card in bus.all(CardRead)] == [f"wiegand:32-{n:08x}" for n in range(60)]
    assert took_ms < 60 * 40


def test_malformed_and_formatted_cards_are_reported_and_the_reader_stays() -> None:
    bus, reader = one_reader()
    reader.events.append(replies.RawCard(0, 0, 40, b"\1\2\3\4"))
    reader.events.append(replies.FormattedCard(0, 0, b"1234"))
    reader.events.append(replies.OtherReply(0x99, b"\1\2"))
    reader.events.append(replies.Nak(NakReason.UNKNOWN_COMMAND))
    bus.run(500)
    assert [event.reason for event in bus.all(CardFailed)] == ["card_unreadable", "card_unknown_type"]
    assert bus.is_usable()
    assert bus.health().counters["other_reply_99"] == 1
    assert len(bus.all(ReaderStatus)) == 2


def test_keys_inputs_and_tamper() -> None:
    bus, reader = one_reader()
    reader.events.append(replies.Keypad(0, b"12\x7f\x0d\x01"))
    reader.events.append(replies.Inputs(b"\1\0\0\0"))
    reader.events.append(replies.Inputs(b"\1\0\0\0"))
    reader.events.append(replies.LocalStatus(tampered=True, power_fault=True))
    bus.run(300)
    assert [event.keys for event in bus.all(KeysPressed)] == ["12*#"]
    assert [(event.input_number, event.active) for event in bus.all(InputChanged)] == [(0, True)]
    assert bus.status().tampered
    assert bus.status().power_fault


def test_more_inputs_than_a_reader_can_have_are_clipped() -> None:
    bus, reader = one_reader()
    reader.events.append(replies.Inputs(b"\1" * 200))
    bus.run(100)
    assert len(bus.all(InputChanged)) == 32


def test_every_action_reaches_the_reader_in_its_units() -> None:
    bus, reader = one_reader()
    ids = [
        bus.submit("r0", action)
        for action in (Pulse(1, 450), Lamp(LedColour.GREEN, 1_500), Beep(200, 100, 2), Show("Balance ¥12.50", 2, 3))
    ]
    bus.run(200)
    assert [bus.results(number) for number in ids] == [[CommandResult.DONE]] * 4
    assert reader.executed(commands.SetOutputs)[0].command == commands.SetOutputs((commands.OutputRecord(1, 5, 5),))
    lamp = reader.executed(commands.SetLeds)[-1].command
    assert isinstance(lamp, commands.SetLeds)
    assert (lamp.records[0].temporary.on_colour, lamp.records[0].temporary.timer_100ms) == (2, 15)
    assert (lamp.records[0].permanent.control, lamp.records[0].permanent.on_colour) == (1, 1)
    assert reader.executed(commands.SetBuzzer)[0].command == commands.SetBuzzer(0, 2, 2, 1, 2)
    shown = commands.ShowText(0, TextMode.TEMPORARY, 3, 2, 1, "Balance ?12.50")
    assert reader.executed(commands.ShowText)[0].command == shown


def test_a_command_does_not_wait_for_the_next_poll() -> None:
    bus, reader = one_reader()
    bus.run_until(lambda: reader.heard[-1].ms > bus.ms - 5, 100)
    bus.run(5)
    submitted = bus.ms
    bus.submit("r0", Pulse(0, 500))
    bus.run(30)
    assert reader.executed(commands.SetOutputs)[0].ms - submitted <= 10


@pytest.mark.parametrize(
    "action", [Beep(100, 100, 0), Beep(100, 100, 11), Pulse(0, 0), Pulse(-1, 500), Lamp(LedColour.RED, 0), Show("x", 0)]
)
def test_actions_beyond_a_limit_are_refused_and_never_sent(action: Beep | Pulse | Lamp | Show) -> None:
    bus, reader = one_reader()
    heard = len(reader.heard)
    number = bus.submit("r0", action)
    bus.run(200)
    assert bus.results(number) == [CommandResult.REFUSED]
    assert {type(entry.command) for entry in reader.heard[heard:]} == {commands.Poll}


@pytest.mark.parametrize("reason", [NakReason.COMMAND_LENGTH, NakReason.UNKNOWN_COMMAND, NakReason.RECORD])
def test_an_authenticated_nak_refuses_the_command_and_the_reader_stays(reason: NakReason) -> None:
    bus, reader = one_reader()
    reader.answer = lambda command, _: replies.Nak(reason) if isinstance(command, commands.SetBuzzer) else None
    number = bus.submit("r0", Beep(100))
    bus.run(200)
    assert bus.results(number) == [CommandResult.REFUSED]
    assert bus.health().counters[f"nak_{reason}"] == 1
    assert len(bus.all(ReaderStatus)) == 2


def test_a_full_queue_refuses() -> None:
    bus, _ = one_reader()
    bus.line_up = False
    ids = [bus.submit("r0", Beep(100)) for _ in range(17)]
    bus.run(1)
    assert [bus.results(number) for number in ids] == [[]] * 16 + [[CommandResult.REFUSED]]


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


def test_a_lost_ack_of_out_executes_once() -> None:
    bus, reader = one_reader()
    bus.to_panel = lambda message: b"" if reader.executed(commands.SetOutputs) and len(bus.sent) < limit else message
    limit = len(bus.sent) + 4
    number = bus.submit("r0", Pulse(0, 500))
    bus.run(1_000)
    assert sum(frame.code == CommandCode.OUT for _, frame in bus.sent) > 1
    assert len(reader.executed(commands.SetOutputs)) == 1
    assert bus.results(number) == [CommandResult.DONE]


def test_a_pulse_is_not_resent_past_its_deadline_and_ends_unknown() -> None:
    bus, reader = one_reader()
    bus.line_up = False
    submitted = bus.ms
    number = bus.submit("r0", Pulse(0, 500), within_ms=60_000)
    bus.run(5_000)
    outs = [ms for ms, frame in bus.sent if frame.code == CommandCode.OUT]
    assert len(outs) == 5
    assert max(outs) - submitted < 1_000
    assert bus.results(number) == [CommandResult.UNKNOWN]
    bus.line_up = True
    bus.run(5_000)
    assert bus.is_usable()
    assert reader.executed(commands.SetOutputs) == []


def test_a_queued_pulse_expires_and_is_never_sent() -> None:
    bus, reader = one_reader()
    bus.line_up = False
    bus.run(100)  # a poll is unanswered: the pulse has to wait for it
    number = bus.submit("r0", Pulse(0, 500))
    bus.run(1_100)
    assert bus.results(number) == [CommandResult.EXPIRED]
    bus.line_up = True
    bus.run(3_000)
    assert reader.executed(commands.SetOutputs) == []
    assert not any(frame.code == CommandCode.OUT for _, frame in bus.sent)


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


def test_reads_stay_doubtful_until_the_readers_memory_was_seen_empty() -> None:
    bus, reader = one_reader()
    bus.line_up = False
    reader.events += [tap(number) for number in range(100)]
    bus.run(20_000)
    bus.line_up = True
    bus.run_until(lambda: len(bus.all(CardRead)) == 100, 10_000)
    assert bus.all(CardRead)[-1].monotonic_ms - bus.all(CardRead)[0].monotonic_ms > 600
    assert all(card.possibly_stale for card in bus.all(CardRead))


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
    bus.run(9_000)
    assert not bus.status().online
    reader.reply_frame = normal
    bus.run(3_000)
    assert bus.is_usable()


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


@pytest.mark.parametrize(
    "key",
    [DEFAULT_KEY, b"\7" * 16, bytes(range(16)), bytes(range(255, 239, -1)), bytes.fromhex("A0A1A2A3A4A5A6A7" * 2), b""],
)
def test_weak_keys_are_refused(key: bytes) -> None:
    with pytest.raises(WeakKeyError):
        ReaderSettings("r0", 1, key)
    bus, _ = one_reader()
    with pytest.raises(WeakKeyError):
        bus.panel.roll_key("r0", key)
    with pytest.raises(WeakKeyError):
        bus.panel.open_install_mode("r0", key, 1_000, bus.now)


def test_the_768_patterns_are_refused() -> None:
    for start in range(256):
        for step in (0, 1, -1):
            with pytest.raises(WeakKeyError):
                ReaderSettings("r0", 1, bytes((start + step * index) % 256 for index in range(16)))


def test_two_readers_may_not_share_name_address_or_key() -> None:
    one = ReaderSettings("a", 1, KEYS[0])
    for other in (
        replace(one, address=2, scbk=KEYS[1]),
        replace(one, name="b", scbk=KEYS[1]),
        replace(one, name="b", address=2),
    ):
        with pytest.raises(ValueError, match="same"):
            VirtualBus([], [one, other])


def test_a_key_appears_in_no_repr() -> None:
    settings = ReaderSettings("a", 1, KEYS[0], KEYS[1])
    assert KEYS[0].hex() not in repr(settings)
    assert repr(KEYS[0]) not in repr(settings)


def test_the_panels_frames_are_well_formed() -> None:
    bus, _ = one_reader()
    message = bus.panel.tick(bus.now)
    while not message:
        bus.ms += 1
        message = bus.panel.tick(bus.now)
    assert message[0] == 0xFF
    assert crc16(message[1:-2]) == int.from_bytes(message[-2:], "little")
    assert len(FrameSplitter().feed(message)) == 1
