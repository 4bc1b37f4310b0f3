"""Lines of an optical or 125 kHz scanner, cut out of a byte stream that may be noise.

No I/O and no clock: bytes in, texts and named faults out. What a text means is not known here.
"""

from __future__ import annotations

from enum import StrEnum

LINE_BYTES = 512
"""The longest line kept; a QR code of this project has less than 100 characters."""
_CARRIAGE_RETURN = 0x0D
_LINE_FEED = 0x0A
_FRAMING = "\x02\x03 \t"
"""STX and ETX, which many 125 kHz readers put around the number, and blanks."""


class ScanFault(StrEnum):
    """Why bytes of the stream gave no text."""

    OVERSIZED = "oversized"
    """More than 512 bytes without a line end; everything up to the next line end is dropped."""
    NOT_TEXT = "not_text"
    """Not UTF-8, or with control characters inside."""
    TORN = "torn"
    """The stream fell silent inside a line."""


class ScanLines:
    """Collects bytes into lines ended by CR, LF or CRLF."""

    def __init__(self) -> None:
        """Start at the beginning of a line."""
        self._line = bytearray()
        self._dropping = False

    def feed(self, data: bytes) -> list[str | ScanFault]:
        """Take bytes; return the lines they complete, without terminators, and the faults. Empty lines are nothing."""
        found: list[str | ScanFault] = []
        for byte in data:
            if byte in (_CARRIAGE_RETURN, _LINE_FEED):
                found += self._end()
            elif not self._dropping:
                self._line.append(byte)
                if len(self._line) > LINE_BYTES:
                    self._dropping = True
                    self._line.clear()
                    found.append(ScanFault.OVERSIZED)
        return found

    def fall_silent(self) -> list[str | ScanFault]:
        """Take note that nothing came for a while: a half line is dropped, so that it cannot prefix the next one."""
        torn = bool(self._line)
        self._line.clear()
        self._dropping = False
        return [ScanFault.TORN] if torn else []

    def _end(self) -> list[str | ScanFault]:
        raw = bytes(self._line)
        self._line.clear()
        if self._dropping:
            self._dropping = False
            return []
        try:
            text = raw.decode("utf-8").strip(_FRAMING)
        except UnicodeDecodeError:
            return [ScanFault.NOT_TEXT]
        if not text.isprintable():
            return [ScanFault.NOT_TEXT]
        return [text] if text else []
