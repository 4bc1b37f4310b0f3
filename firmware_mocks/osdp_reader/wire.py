"""What goes wrong between a reader's reply and the panel: bytes in, spoilt bytes out, now or later.

It spoils the copy that is sent; the reply the reader remembers for repeats stays sound.
"""

from __future__ import annotations

import heapq

from firmware_mocks.osdp_reader.faults import Fault, FaultBox
from firmware_mocks.system import RandomBytes
from reader_daemon.protocols.osdp.frames import CRC_BYTES, Frame, crc16, encode

MAX_WAITING = 64
"""Delayed transmissions kept; more are lost."""
BABBLE_BYTES = 40
OVERSIZE_LENGTH = 2_000
_LENGTH_AT = 3
"""Offset of the length field behind the mark byte."""


class SpoiltWire:
    """The sending side of one reader."""

    def __init__(self, faults: FaultBox, random_bytes: RandomBytes) -> None:
        """Begin with nothing waiting."""
        self._faults = faults
        self._random_bytes = random_bytes
        self._waiting: list[tuple[int, int, bytes]] = []
        self._order = 0

    def send(self, reply: bytes, heard: Frame, now_ms: int) -> bytes:
        """Return what is on the wire at once for this reply to `heard`; the rest comes out of `advance`."""
        faults = self._faults
        if faults.take(Fault.DROP):
            return b""
        if faults.take(Fault.OVERSIZE):
            reply = _with_length(reply, OVERSIZE_LENGTH)
        if faults.take(Fault.CORRUPT):
            reply = self._flip_one_bit(reply)
        if faults.take(Fault.TRUNCATE):
            reply = reply[: len(reply) // 2]
        if faults.take(Fault.DUPLICATE):
            reply += reply
        if faults.take(Fault.BABBLE):
            reply = self._random_bytes(BABBLE_BYTES) + reply
        if faults.take(Fault.ECHO):
            reply = (encode(heard) if heard.has_crc else b"") + reply
        if faults.take(Fault.DELAY):
            self._send_later(reply, now_ms + faults.delay_ms)
            return b""
        return reply

    def next_due_ms(self) -> int | None:
        """Return when `advance` next has bytes."""
        return self._waiting[0][0] if self._waiting else None

    def advance(self, now_ms: int) -> bytes:
        """Return the delayed bytes that are due."""
        due = b""
        while self._waiting and self._waiting[0][0] <= now_ms:
            due += heapq.heappop(self._waiting)[2]
        return due

    def clear(self) -> None:
        """Forget what waits."""
        self._waiting.clear()

    def _send_later(self, reply: bytes, due_ms: int) -> None:
        if len(self._waiting) < MAX_WAITING:
            self._order += 1
            heapq.heappush(self._waiting, (due_ms, self._order, reply))

    def _flip_one_bit(self, reply: bytes) -> bytes:
        """Flip one bit behind the mark byte: the CRC finds every single-bit error."""
        drawn = int.from_bytes(self._random_bytes(2), "big")
        spoilt = bytearray(reply)
        spoilt[1 + drawn // 8 % (len(reply) - 1)] ^= 1 << drawn % 8
        return bytes(spoilt)


def _with_length(reply: bytes, length: int) -> bytes:
    spoilt = reply[:_LENGTH_AT] + length.to_bytes(2, "little") + reply[_LENGTH_AT + 2 : -CRC_BYTES]
    return spoilt + crc16(spoilt[1:]).to_bytes(CRC_BYTES, "little")
