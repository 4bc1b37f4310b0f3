"""DESFire's own commands, always ISO-wrapped (90 INS 00 00 [Lc data] 00), with its chaining in both directions.

Native frames are never sent: many drivers refuse them, and one of 1 byte hangs a virtual reader. Knows no session.
"""

from __future__ import annotations

from dataclasses import dataclass

from cardcore.reasons import Reason
from reader_daemon.protocols.card.apdu import command_apdu, exchange
from reader_daemon.protocols.card.outcome import CardFailure, Dialogue

CLASS = 0x90
ADDITIONAL_FRAME = 0xAF
STATUS_PAGE = 0x91
COMMAND_FRAME_BYTES = 55
"""Data of one frame that an EV1 takes (60 bytes on its side, less instruction and wrapping)."""
WHOLE_COMMAND_BYTES = 224
"""Data of one frame where the card itself chains on ISO/IEC 14443-4 (instructions of EV2 such as 0x8D)."""
FRAMES = 16
"""The most frames of one command or answer."""


class DesfireStatus:
    """Second status bytes by name (DESFire public data sheets)."""

    DONE = 0x00
    NO_CHANGES = 0x0C
    OUT_OF_EEPROM = 0x0E
    ILLEGAL_COMMAND = 0x1C
    INTEGRITY = 0x1E
    NO_SUCH_KEY = 0x40
    LENGTH = 0x7E
    PERMISSION = 0x9D
    PARAMETER = 0x9E
    APPLICATION_NOT_FOUND = 0xA0
    AUTHENTICATION = 0xAE
    MORE = 0xAF
    BOUNDARY = 0xBE
    COMMAND_ABORTED = 0xCA
    DUPLICATE = 0xDE
    FILE_NOT_FOUND = 0xF0


@dataclass(frozen=True, slots=True)
class NativeAnswer:
    """The data and the second status byte; AF means that the card waits for more or has more."""

    data: bytes
    status: int


@dataclass(frozen=True, slots=True)
class NotNative:
    """The card does not know the class: no DESFire. Not to be tried again."""

    status: int


NativeOutcome = NativeAnswer | NotNative | CardFailure


def native_frame(instruction: int, data: bytes = b"") -> Dialogue[NativeOutcome]:
    """Exchange one frame."""
    answer = yield from exchange(command_apdu(bytes([CLASS, instruction, 0, 0]), data))
    if isinstance(answer, CardFailure):
        return answer
    if answer.status >> 8 != STATUS_PAGE:
        return NotNative(answer.status)
    return NativeAnswer(answer.data, answer.status & 0xFF)


def native(instruction: int, data: bytes = b"", frame_bytes: int = COMMAND_FRAME_BYTES) -> Dialogue[NativeOutcome]:
    """Exchange one whole command: its data in frames, its answer collected from frames, at most 16 each way."""
    parts = [data[at : at + frame_bytes] for at in range(0, len(data), frame_bytes)] or [b""]
    if len(parts) > FRAMES:
        return CardFailure(Reason.CARD_UNREADABLE, f"command of {len(data)} bytes needs more than {FRAMES} frames")
    answer = yield from native_frame(instruction, parts[0])
    for part in parts[1:]:
        if not isinstance(answer, NativeAnswer) or answer.status != DesfireStatus.MORE:
            return answer
        answer = yield from native_frame(ADDITIONAL_FRAME, part)
    collected = b""
    for _ in range(FRAMES):
        if not isinstance(answer, NativeAnswer):
            return answer
        collected += answer.data
        if answer.status != DesfireStatus.MORE:
            return NativeAnswer(collected, answer.status)
        answer = yield from native_frame(ADDITIONAL_FRAME)
    return CardFailure(Reason.CARD_UNREADABLE, f"answer in more than {FRAMES} frames")
