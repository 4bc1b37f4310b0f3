"""The scanner's engine: a scan becomes bytes for the line, spoilt on command.

It never listens: whatever the host sends is ignored, as by real scanners. No clock, no I/O.
"""

from __future__ import annotations

from collections import Counter
from enum import StrEnum

from firmware_mocks.happenings import Happening, Kind, Observer, ignore
from firmware_mocks.system import RandomBytes

MAX_TEXT_BYTES = 2_048
"""A QR code of version 40 holds fewer than 3,000 bytes; scanners cut at about this."""
OVERSIZE_BYTES = 16_384
NOISE_BYTES = 24
TERMINATOR = b"\r\n"
MAX_LOW_FREQUENCY_NUMBER = 2**40 - 1
"""125 kHz transponders of the EM4100 family carry 40 bits."""


class LineFault(StrEnum):
    """How a line can be spoilt."""

    NOISE = "noise"
    """Random bytes before the line."""
    CUT = "cut"
    """The second half and the terminator are lost."""
    OVERSIZE = "oversize"
    """16 KiB without a terminator, then the terminator: no code."""
    UNTERMINATED = "unterminated"
    """The terminator is lost: the next line sticks to this one."""
    LF_ONLY = "lf_only"
    DROP = "drop"


class LineScanner:
    """One scanner, alone on its line; a scan goes out on the next `advance`."""

    def __init__(self, name: str, random_bytes: RandomBytes, observe: Observer = ignore) -> None:
        """Make a healthy scanner."""
        self.name = name
        self._random_bytes = random_bytes
        self._observe = observe
        self._faults: Counter[LineFault] = Counter()
        self._outgoing = b""

    def set_fault(self, fault: LineFault, count: int) -> None:
        """Spoil the next `count` lines in this way; 0 heals."""
        if count < 0:
            msg = f"count must be 0 or more, got {count}"
            raise ValueError(msg)
        self._faults[fault] = count

    def scan(self, text: str, now_ms: int) -> None:
        """Read a code. Raises ValueError for text no code can hold."""
        line = text.encode("utf-8")
        if not line or len(line) > MAX_TEXT_BYTES or b"\r" in line or b"\n" in line:
            msg = f"a code holds 1..{MAX_TEXT_BYTES} bytes and no line end, got {len(line)} bytes"
            raise ValueError(msg)
        fault = next((each for each in LineFault if self._faults[each] > 0), None)
        if fault is not None:
            self._faults[fault] -= 1
        self._observe(Happening(Kind.SCAN, self.name, now_ms, {"text": text, "fault": fault}))
        self._outgoing += self._spoilt(line, fault)

    def feed(self, data: bytes, now_ms: int) -> bytes:
        """Hear bytes, and ignore them."""
        return self.advance(now_ms)

    def advance(self, now_ms: int) -> bytes:
        """Return what is scanned and not sent yet."""
        sent, self._outgoing = self._outgoing, b""
        return sent

    def next_due_ms(self) -> int | None:
        """Return 0 (at once) while something waits, else None."""
        return 0 if self._outgoing else None

    def _spoilt(self, line: bytes, fault: LineFault | None) -> bytes:
        match fault:
            case LineFault.NOISE:
                return self._random_bytes(NOISE_BYTES) + line + TERMINATOR
            case LineFault.CUT:
                return line[: len(line) // 2]
            case LineFault.OVERSIZE:
                return b"A" * OVERSIZE_BYTES + TERMINATOR
            case LineFault.UNTERMINATED:
                return line
            case LineFault.LF_ONLY:
                return line + b"\n"
            case LineFault.DROP:
                return b""
            case None:
                return line + TERMINATOR


def low_frequency_line(number: int) -> str:
    """Return the text a 125 kHz reader sends for a transponder number: ten decimal digits of its low 32 bits."""
    if not 0 <= number <= MAX_LOW_FREQUENCY_NUMBER:
        msg = f"a 125 kHz number has 40 bits, got {number}"
        raise ValueError(msg)
    return f"{number & 0xFFFF_FFFF:010d}"
