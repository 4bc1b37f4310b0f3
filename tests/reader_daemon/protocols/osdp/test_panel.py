"""The panel with one healthy reader: opening, polling, reports. Virtual time throughout."""

from __future__ import annotations

from itertools import pairwise

from reader_daemon.messages import (
    CardFailed,
    CardRead,
    InputChanged,
    KeysPressed,
    ReaderStatus,
)
from reader_daemon.protocols.osdp import commands, replies
from reader_daemon.protocols.osdp.codes import NakReason
from reader_daemon.protocols.osdp.frames import FrameSplitter, crc16
from tests.reader_daemon.protocols.osdp.scripted_reader import ScriptedReader
from tests.reader_daemon.protocols.osdp.virtual_bus import KEYS, VirtualBus, one_reader

CARD = replies.RawCard(0, 1, 26, bytes.fromhex("01234580"))


def tap(number: int) -> replies.RawCard:
    return replies.RawCard(0, 0, 32, number.to_bytes(4, "big"))


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


def test_a_reader_with_endless_events_does_not_take_the_whole_line() -> None:
    bus, reader = one_reader()
    reader.events += [tap(number) for number in range(1_000)]
    polls = len(bus.sent)
    bus.run(1_000)
    assert 50 <= len(bus.sent) - polls <= 80


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


def test_the_panels_frames_are_well_formed() -> None:
    bus, _ = one_reader()
    message = bus.panel.tick(bus.now)
    while not message:
        bus.ms += 1
        message = bus.panel.tick(bus.now)
    assert message[0] == 0xFF
    assert crc16(message[1:-2]) == int.from_bytes(message[-2:], "little")
    assert len(FrameSplitter().feed(message)) == 1
