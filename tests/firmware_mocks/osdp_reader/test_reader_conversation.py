"""The mock reader keeps the sequence rules: repeats are answered from memory, silence ends everything."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_mocks.osdp_reader import Fault
from reader_daemon.protocols.osdp import commands, replies
from reader_daemon.protocols.osdp.codes import CommandCode, NakReason, OutputControl
from reader_daemon.protocols.osdp.frames import Frame, encode
from tests.firmware_mocks.osdp_reader.asking import ADDRESS, KEY, Asker, a_reader, a_session, frames_in

PULSE = commands.SetOutputs((commands.OutputRecord(0, OutputControl.ON_FOR_TIME, 5),))
CARD = bytes.fromhex("00012345")


def clear_asker() -> Asker:
    asker = Asker(a_reader(scbk=None))
    asker.ask(commands.RequestIdentity())
    return asker


def test_the_published_clear_frames_are_answered_byte_for_byte() -> None:
    reader = a_reader(scbk=None)
    identity = reader.feed(bytes.fromhex("FF53050900046100C125"), 0)
    assert identity.hex().upper() == "FF5385140004450C0B0A020144332211010203857C"


@pytest.mark.parametrize("secure", [False, True])
def test_a_repeated_command_gets_the_same_bytes_and_runs_once(secure: bool) -> None:
    asker = a_session() if secure else clear_asker()
    first = asker.send(asker.frame(PULSE))
    assert asker.resend() == first
    assert asker.resend() == first
    assert asker.reader.body.counters.outputs_executed == 1
    assert asker.reader.counters.repeats == 2
    assert asker.read(first) == replies.Ack()
    assert asker.ask(commands.Poll()) == replies.Ack()  # the MAC chain moved exactly once


def test_a_repeated_poll_delivers_the_same_card_once() -> None:
    asker = a_session()
    asker.reader.body.present_card(26, CARD, 0)
    first = asker.send(asker.frame(commands.Poll()))
    assert asker.resend() == first
    assert asker.read(first) == replies.RawCard(0, 0, 26, CARD)
    assert asker.ask(commands.Poll()) == replies.Ack()


def test_an_unexpected_sequence_number_is_refused_and_executes_nothing() -> None:
    asker = clear_asker()
    asker.sequence = 3
    assert asker.ask(PULSE) == replies.Nak(NakReason.SEQUENCE)
    assert asker.reader.body.counters.outputs_executed == 0


def test_a_fresh_reader_wants_sequence_0() -> None:
    asker = Asker(a_reader(scbk=None))
    asker.sequence = 2
    assert asker.ask(commands.Poll()) == replies.Nak(NakReason.SEQUENCE)


def test_sequence_0_drops_the_session() -> None:
    asker = a_session()
    asker.restart()
    asker.ask(commands.RequestIdentity())
    assert not asker.reader.is_secure


@pytest.mark.parametrize(("silence_ms", "alive"), [(7_999, True), (8_000, False), (60_000, False)])
def test_silence_ends_the_session_after_8_s(silence_ms: int, alive: bool) -> None:
    asker = a_session()
    asker.now_ms += silence_ms
    asker.reader.advance(asker.now_ms)
    assert asker.reader.is_secure is alive
    reply = asker.ask(commands.Poll())
    assert reply == (replies.Ack() if alive else replies.Nak(NakReason.SEQUENCE))


def test_a_repeat_after_the_silence_is_no_repeat() -> None:
    asker = a_session()
    asker.send(asker.frame(PULSE))
    asker.now_ms += 8_000
    assert asker.read(asker.resend()) == replies.Nak(NakReason.SEQUENCE)


def test_taps_are_kept_while_the_line_is_down_and_come_one_a_poll() -> None:
    asker = a_session()
    asker.now_ms += 60_000
    cards = [bytes((0, 1, 2, number << 6)) for number in range(3)]
    for card in cards:
        assert asker.reader.body.present_card(26, card, asker.now_ms)
    asker.open_session()
    received = [asker.ask(commands.Poll()) for _ in range(4)]
    assert received == [*(replies.RawCard(0, 0, 26, card) for card in cards), replies.Ack()]


def test_a_full_queue_loses_the_newest_tap_and_says_so() -> None:
    reader = a_reader()
    taken = [reader.body.present_card(26, CARD, 0) for _ in range(70)]
    assert taken.count(True) == 64
    assert not any(taken[64:])


@given(st.data())
def test_any_chunking_gives_the_same_answers(data: st.DataObject) -> None:
    stream = b""
    asker = Asker(a_reader(scbk=None))
    for command in (commands.RequestIdentity(), commands.RequestCapabilities(), PULSE, commands.Poll()):
        stream += encode(asker.frame(command))
    whole = a_reader(scbk=None).feed(stream, 0)
    reader, answered, rest = a_reader(scbk=None), b"", stream
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        answered += reader.feed(rest[:size], 0)
        rest = rest[size:]
    assert answered == whole
    assert len(frames_in(answered)) == 4


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_garbage_is_survived_and_the_next_command_answered(chunks: list[bytes]) -> None:
    reader = a_reader(scbk=None)
    for number, chunk in enumerate(chunks):
        reader.feed(chunk, number)
    asker = Asker(reader, now_ms=1_000)
    assert frames_in(asker.send(asker.frame(commands.RequestIdentity())))


FRAMES = st.builds(commands.OtherCommand, code=st.integers(0, 255), data=st.binary(max_size=64))


@given(st.lists(FRAMES, max_size=12), st.sampled_from([None, *range(0x11, 0x19), 0x30]))
def test_sound_frames_with_any_content_are_answered_in_clear_text(
    asked: list[commands.OtherCommand], block: int | None
) -> None:
    asker = Asker(a_reader())
    for command in asked:
        frame = replace(asker.frame(command), block_type=block)
        if frame.is_secured:
            frame = replace(frame, mac=bytes(4))
        received = asker.reader.feed(encode(frame), 0)
        assert len(frames_in(received)) == 1
    assert not asker.reader.is_secure


@given(st.lists(FRAMES, max_size=12))
def test_sound_frames_with_any_content_are_answered_in_a_session(asked: list[commands.OtherCommand]) -> None:
    asker = a_session()
    for command in asked:
        if not asker.reader.is_secure:
            asker.open_session(asker.reader.channel.scbk or KEY)
        assert len(frames_in(asker.send(asker.frame(command)))) == 1


@pytest.mark.parametrize("command", [commands.Challenge(bytes(8)), commands.ServerCryptogram(bytes(16))])
def test_a_handshake_inside_a_session_is_refused_and_costs_nothing(command: commands.Command) -> None:
    asker = a_session()
    assert asker.ask(command) == replies.Nak(NakReason.SECURITY_CONDITIONS)
    assert asker.ask(commands.Poll()) == replies.Ack()


def test_a_torn_frame_is_dropped_after_the_gap() -> None:
    asker = clear_asker()
    asker.reader.feed(encode(Frame(ADDRESS, is_reply=False, sequence=1, code=CommandCode.POLL))[:6], 0)
    asker.now_ms = 200
    assert asker.ask(commands.Poll()) == replies.Ack()


def test_other_addresses_and_replies_are_none_of_its_business() -> None:
    reader = a_reader(scbk=None)
    other = Frame(ADDRESS + 1, is_reply=False, sequence=0, code=CommandCode.POLL)
    reply = Frame(ADDRESS, is_reply=True, sequence=0, code=0x40)
    assert reader.feed(encode(other) + encode(reply), 0) == b""


def test_busy_executes_nothing_and_the_same_command_works_later() -> None:
    asker = a_session()
    asker.reader.faults.arm(Fault.BUSY)
    busy = frames_in(asker.send(asker.frame(PULSE)))[0]
    assert (busy.code, busy.sequence, busy.block_type) == (0x79, 0, None)
    assert asker.reader.body.counters.outputs_executed == 0
    assert asker.read(asker.resend()) == replies.Ack()
    assert asker.reader.body.counters.outputs_executed == 1


def test_comset_answers_at_the_old_address_then_moves() -> None:
    asker = a_session()
    reply = asker.ask(commands.SetLine(9, 115_200))
    assert reply == replies.Line(9, 115_200)
    assert (asker.reader.address, asker.reader.baud) == (9, 115_200)
    asker.open_session()  # at the new address


def test_comset_to_a_rate_that_does_not_exist_is_refused() -> None:
    asker = a_session()
    assert asker.ask(commands.SetLine(9, 12_345)) == replies.Nak(NakReason.RECORD)
    assert asker.reader.address == ADDRESS


def test_a_power_cycle_forgets_taps_and_session_but_not_the_key() -> None:
    asker = a_session()
    asker.ask(PULSE)
    asker.reader.body.present_card(26, CARD, 0)
    asker.reader.power_cycle(asker.now_ms, off_ms=1_000)
    assert asker.reader.body.relays.states() == b"\0\0"
    asker.now_ms = 999
    assert asker.send(asker.frame(commands.Poll())) == b""
    asker.now_ms = 1_000
    asker.open_session(KEY)
    assert asker.ask(commands.Poll()) == replies.Ack()
