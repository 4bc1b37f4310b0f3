"""Command and answer APDUs of ISO/IEC 7816-4, short form only, and the chaining of long answers.

Extended length is not used: several contactless readers cut it. Nothing here knows what an instruction means.
"""

from __future__ import annotations

from dataclasses import dataclass

from cardcore.reasons import Reason
from reader_daemon.protocols.card.outcome import CardFailure, Dialogue

SHORT_DATA_BYTES = 255
ANSWER_BYTES = 258
"""256 bytes of data and the status word: the most a short answer can hold."""
CHAINED_ANSWERS = 8
"""GET RESPONSE rounds for one command; a public-key certificate needs two."""

STATUS_OK = 0x9000
STATUS_MORE = 0x61
STATUS_WRONG_LENGTH = 0x6C


@dataclass(frozen=True, slots=True)
class Answer:
    """The data of an answer, without the status word, and the status word."""

    data: bytes
    status: int

    @property
    def accepted(self) -> bool:
        """Whether the status word is 9000; warnings (62xx, 63xx) are not acceptance."""
        return self.status == STATUS_OK


def command_apdu(head: bytes, data: bytes = b"", expected: int | None = 0) -> bytes:
    """Build a short command: `head` is CLA INS P1 P2, `data` 0..255 bytes, `expected` is Le.

    Le 0 asks for up to 256 bytes, None leaves it out. Raises ValueError for a command that has no short form:
    commands are ours, so that is a programming error. Source: ISO/IEC 7816-4, 5.2 (cases 1 to 4, short).
    """
    if len(head) != 4 or len(data) > SHORT_DATA_BYTES:  # noqa: PLR2004 - CLA INS P1 P2
        msg = f"no short command with a head of {len(head)} and data of {len(data)} bytes"
        raise ValueError(msg)
    length = bytes([len(data)]) if data else b""
    tail = b"" if expected is None else bytes([expected])
    return head + length + data + tail


def parse_answer(raw: bytes) -> Answer | CardFailure:
    """Split an answer into data and status word; fails when it is shorter than 2 or longer than 258 bytes."""
    if len(raw) < 2:  # noqa: PLR2004 - the status word
        return CardFailure(Reason.CARD_UNREADABLE, f"answer of {len(raw)} bytes has no status word")
    if len(raw) > ANSWER_BYTES:
        return CardFailure(Reason.CARD_UNREADABLE, f"answer of {len(raw)} bytes exceeds {ANSWER_BYTES}")
    status = int.from_bytes(raw[-2:], "big")
    first = raw[-2]
    if first & 0xF0 not in (0x60, 0x90) or first == 0x60:  # noqa: PLR2004 - see clause
        return CardFailure(Reason.CARD_UNREADABLE, f"status word {status:04X} is outside 61xx-6Fxx and 9xxx")
    return Answer(bytes(raw[:-2]), status)


def exchange(command: bytes) -> Dialogue[Answer | CardFailure]:
    """Send one command and return its whole answer.

    Collects an answer given in parts (61xx), repeats once with the length the card asks for (6Cxx). Source: ISO/IEC
    7816-4, 5.3.4 and 11.7 (GET RESPONSE). At most 8 parts.
    """
    answer = yield from _once(command)
    if isinstance(answer, Answer) and answer.status >> 8 == STATUS_WRONG_LENGTH and len(command) > 4:  # noqa: PLR2004
        answer = yield from _once(command[:-1] + bytes([answer.status & 0xFF]))
    collected = b""
    for _ in range(CHAINED_ANSWERS):
        if isinstance(answer, CardFailure):
            return answer
        collected += answer.data
        if answer.status >> 8 != STATUS_MORE:
            return Answer(collected, answer.status)
        answer = yield from _once(command_apdu(bytes.fromhex("00C00000"), expected=answer.status & 0xFF))
    return CardFailure(Reason.CARD_UNREADABLE, f"answer in more than {CHAINED_ANSWERS} parts")


def _once(command: bytes) -> Dialogue[Answer | CardFailure]:
    """Exchange one command for one answer."""
    raw = yield command
    assert isinstance(raw, bytes), "the driver answers a command with an answer"
    return parse_answer(raw)
