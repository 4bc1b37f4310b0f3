"""An OSDP reader on a canteen's counter, as the guest sees it: present a card, press keys, read the display.

The protocol is the reader's; this adds only what a guest can do and see.
"""

from __future__ import annotations

from firmware_mocks.osdp_reader.front import Text
from firmware_mocks.osdp_reader.reader import OsdpReader


class TillReader:
    """A till's reader as one device on a bus."""

    def __init__(self, reader: OsdpReader) -> None:
        """Put a face on a reader."""
        self.reader = reader

    def tap(self, bit_count: int, bits: bytes, now_ms: int) -> bool:
        """Present a card; False if the reader's queue is full."""
        return self.reader.body.present_card(bit_count, bits, now_ms)

    def press(self, keys: str, now_ms: int) -> bool:
        """Press keys 0-9, *, #; False if the reader's queue is full."""
        return self.reader.body.press_keys(keys, now_ms)

    def shown(self, now_ms: int) -> list[str]:
        """Return the rows of the display."""
        return self.reader.body.display.rows(now_ms)

    def texts(self) -> tuple[Text, ...]:
        """Return every text shown, with its time, oldest first (the last 1,000)."""
        return tuple(self.reader.body.display.record)

    def feed(self, data: bytes, now_ms: int) -> bytes:
        """Hear bytes."""
        return self.reader.feed(data, now_ms)

    def advance(self, now_ms: int) -> bytes:
        """Let time pass."""
        return self.reader.advance(now_ms)

    def next_due_ms(self) -> int | None:
        """Return when `advance` next has something to do."""
        return self.reader.next_due_ms()
