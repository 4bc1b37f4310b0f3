"""Fuzz targets for what comes over serial lines and from cards. Each raises only when a promise is broken."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from random import Random

from cardcore.card_keys.asks import (
    Authenticated,
    BeginAuthentication,
    Begun,
    Ended,
    FinishAuthentication,
    KeyAnswer,
    KeyRequest,
    OpenAnswer,
    Opened,
    SealCommand,
    Sealed,
)
from cardcore.card_keys.roles import KeyRole
from cardcore.reasons import Reason
from reader_daemon.messages import CardRead
from reader_daemon.protocols.card.apdu import exchange, parse_answer
from reader_daemon.protocols.card.desfire import DesfireReader
from reader_daemon.protocols.card.dialogue import CardPolicy, card_dialogue, run_dialogue
from reader_daemon.protocols.card.outcome import Assertion, Assurance, CardFailure, TransmitFailed
from reader_daemon.protocols.card.tlv import encode_tlv, parse_tlv
from reader_daemon.protocols.osdp.codes import CommandCode
from reader_daemon.protocols.osdp.commands import MalformedDataError, ShowText, decode_command
from reader_daemon.protocols.osdp.commands import encode_data as encode_command
from reader_daemon.protocols.osdp.frames import (
    MAX_FRAME_BYTES,
    BrokenFrame,
    Frame,
    FrameSplitter,
    decode,
    encode,
)
from reader_daemon.protocols.osdp.panel import Panel
from reader_daemon.protocols.osdp.replies import decode_reply
from reader_daemon.protocols.osdp.replies import encode_data as encode_reply
from reader_daemon.protocols.osdp.settings import ReaderSettings
from reader_daemon.protocols.osdp.timing import Moment
from reader_daemon.protocols.scan_lines import LINE_BYTES, ScanLines
from tests.reader_daemon.virtual_time import HandClock

READER_KEY = bytes.fromhex("8f3a61c29d0e47b5f1762c08ab94de53")
PANEL_STEPS = 12
AT = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)


def pieces(data: bytes) -> Iterator[bytes]:
    """Cut data into pieces, each behind a byte with its length."""
    at = 0
    while at < len(data):
        yield data[at + 1 : at + 1 + data[at]]
        at += 1 + data[at]


def osdp_frames(data: bytes) -> None:
    """Check that the same frames come out whatever the chunking, that nothing is held, and that both ways agree."""
    whole = FrameSplitter()
    at_once = whole.feed(data)
    assert whole.held_bytes <= MAX_FRAME_BYTES
    chunked, found = FrameSplitter(), []
    step = 1 + len(data) % 7
    for start in range(0, len(data), step):
        found += chunked.feed(data[start : start + step])
    assert [one for one in found if isinstance(one, Frame)] == [one for one in at_once if isinstance(one, Frame)]
    whole.drop_partial()
    assert whole.held_bytes == 0
    for frame in at_once:
        if isinstance(frame, Frame) and frame.has_crc:
            assert decode(encode(frame, mark=False)) == frame
        else:
            assert isinstance(frame, Frame | BrokenFrame)


def osdp_replies(data: bytes) -> None:
    """Check that a reply is read or refused by its one error, and means the same when it is written again."""
    for code, content in ((data[0], data[1:]),) if data else ():
        try:
            reply = decode_reply(code, content)
        except MalformedDataError:
            return
        assert decode_reply(code, encode_reply(reply)) == reply


def osdp_commands(data: bytes) -> None:
    """Check the same for a command; a text that is not ASCII is shown with marks and stays so."""
    for code, content in ((data[0], data[1:]),) if data else ():
        try:
            command = decode_command(code, content)
        except MalformedDataError:
            return
        if not (isinstance(command, ShowText) and "\ufffd" in command.text):
            assert decode_command(code, encode_command(command)) == command


def osdp_panel(data: bytes) -> None:
    """Check that whoever answers without the key never gets a session, a card through, a key or an output command."""
    ms = 1_000_000
    panel = Panel([ReaderSettings("r", 5, READER_KEY)], 115_200, Random(1).randbytes, Moment(ms, AT))
    splitter, sequence = FrameSplitter(), 0
    parts = list(pieces(data))[:PANEL_STEPS]
    for part in parts:
        for frame in splitter.feed(panel.tick(Moment(ms, AT))):
            if isinstance(frame, Frame):
                sequence = frame.sequence
                assert frame.code not in {CommandCode.OUT, CommandCode.KEYSET}
        if part:
            panel.feed(_answer(part, sequence), Moment(ms + 3, AT))
        ms += 60
    assert not any(isinstance(event, CardRead) for event in panel.take_events())
    assert not any(health.secure for health in panel.health(ms))


def _answer(part: bytes, sequence: int) -> bytes:
    """Return raw line noise, or a well-formed answer to the last question: the first byte says which."""
    if part[0] % 4 == 0 or len(part) < 2:
        return part[1:]
    block = {1: None, 2: 0x12, 3: 0x18}[part[0] % 4]
    mac = part[-4:].ljust(4, b"\0") if block == 0x18 else b""
    data = part[2 : 2 + 200]
    block_data = b"\x01" if block == 0x12 else b""
    return encode(
        Frame(
            5,
            is_reply=True,
            sequence=sequence,
            code=part[1],
            data=data,
            block_type=block,
            block_data=block_data,
            mac=mac,
        )
    )


def card_tlv(data: bytes) -> None:
    """Check that only one encoding of a value is read."""
    entries = parse_tlv(data)
    if not isinstance(entries, CardFailure):
        assert b"".join(encode_tlv(tag, value) for tag, value in entries.items()) == data


class TrustingKeys:
    """A key source that takes every card for genuine: what is left is the signature; a `KeySource`."""

    def ask(self, request: KeyRequest) -> KeyAnswer:
        """Say yes."""
        match request:
            case BeginAuthentication():
                return Begun(b"h" * 16, bytes(16))
            case FinishAuthentication():
                return Authenticated()
            case SealCommand(command=command):
                return Sealed(command.data)
            case OpenAnswer(data=data):
                return Opened(data)
            case _:
                return Ended()


DESFIRE = DesfireReader(KeyRole.GATE_READ, issuers=())


def card_answers(data: bytes) -> None:
    """Check that a chained answer ends, and that a dialogue with any card ends without a proof that it did not give."""
    parse_answer(data)
    _drain(data)
    answers = pieces(data)

    def transmit(_command: bytes) -> bytes:
        answer = next(answers, None)
        if answer is None:
            raise TransmitFailed(Reason.CARD_MOVED, "gone")
        return answer

    policy = CardPolicy(desfire=DESFIRE, allow_low_assurance=bool(data and data[0] & 1))
    dialogue = card_dialogue(policy, Random(1).randbytes)
    outcome = run_dialogue(dialogue, transmit, HandClock(), policy.budget_ms, TrustingKeys())
    if isinstance(outcome, Assertion):
        assert policy.allow_low_assurance
        assert outcome.assurance is Assurance.LOW


def _drain(data: bytes) -> None:
    conversation = exchange(bytes.fromhex("00A4040000"))
    next(conversation)
    try:
        for answer in pieces(data):
            conversation.send(answer)
    except StopIteration:
        return


def scan_lines(data: bytes) -> None:
    """Check that lines are the same whatever the chunking, printable and bounded."""
    whole, chunked = ScanLines(), ScanLines()
    at_once = [*whole.feed(data), *whole.fall_silent()]
    step = 1 + len(data) % 5
    found = [one for start in range(0, len(data), step) for one in chunked.feed(data[start : start + step])]
    assert [*found, *chunked.fall_silent()] == at_once
    for line in at_once:
        assert len(line.encode()) <= LINE_BYTES
        assert line.isprintable()
