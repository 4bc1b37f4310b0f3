"""OSDP frames: encode one, and split a byte stream into them with bounded memory and time.

Pure codec, shared with the mock reader. It knows no sequence rule, key or timer; a MAC is just four bytes here.
Layout: SIA OSDP 2.2 clause 5 (SOM, address, length, control, security block, code, data, MAC, CRC-16).
"""

from __future__ import annotations

from binascii import crc_hqx
from dataclasses import dataclass
from enum import StrEnum

from reader_daemon.protocols.osdp.codes import SECURED_BLOCKS

MARK = 0xFF
SOM = 0x53
HEADER_BYTES = 5
CRC_BYTES = 2
CHECKSUM_BYTES = 1
MAC_BYTES = 4
MIN_FRAME_BYTES = HEADER_BYTES + 1 + CHECKSUM_BYTES
MAX_FRAME_BYTES = 1440
CRC_INITIAL = 0x1D0F

_REPLY_BIT = 0x80
_SEQUENCE_BITS = 0x03
_CRC_BIT = 0x04
_SECURITY_BIT = 0x08
_RESERVED_BITS = 0xF0
_MIN_BLOCK_BYTES = 2


def crc16(message: bytes) -> int:
    """Return the CRC-16 of OSDP: polynomial 0x1021, initial value 0x1D0F, not reflected, no final xor."""
    return crc_hqx(message, CRC_INITIAL)


def checksum(message: bytes) -> int:
    """Return the two's complement of the 8-bit sum: recognised, never sent (it misses one error in 256)."""
    return -sum(message) & 0xFF


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame as on the wire: `data` is cipher text under SCS_17/18, `mac` 4 bytes under SCS_15..18, else empty."""

    address: int
    """0..0x7F, without the reply bit."""
    is_reply: bool
    sequence: int
    """0..3."""
    code: int
    data: bytes = b""
    block_type: int | None = None
    """Type byte of the security block, None without one."""
    block_data: bytes = b""
    mac: bytes = b""
    has_crc: bool = True
    """False: the frame came with a one-byte checksum. Never so for a frame to be sent."""

    @property
    def is_secured(self) -> bool:
        """Whether the frame carries a MAC."""
        return self.block_type in SECURED_BLOCKS


class Defect(StrEnum):
    """What was wrong with bytes that looked like a frame."""

    LENGTH = "length"
    CONTROL = "control"
    BLOCK = "block"
    CHECK = "check"
    TORN = "torn"


@dataclass(frozen=True, slots=True)
class BrokenFrame:
    """Bytes that began like a frame and were none. For counting only: nothing of it may be believed."""

    defect: Defect


def authenticated_part(frame: Frame) -> bytes:
    """Return the bytes from SOM up to the MAC (or the check bytes). The length already counts what follows.

    Raises ValueError for a frame that cannot be sent: over 1440 bytes, or fields out of range.
    """
    block = b""
    control = frame.sequence | (_CRC_BIT if frame.has_crc else 0)
    if frame.block_type is not None:
        block = bytes((_MIN_BLOCK_BYTES + len(frame.block_data), frame.block_type)) + frame.block_data
        control |= _SECURITY_BIT
    mac_bytes = MAC_BYTES if frame.is_secured else 0
    check_bytes = CRC_BYTES if frame.has_crc else CHECKSUM_BYTES
    length = HEADER_BYTES + len(block) + 1 + len(frame.data) + mac_bytes + check_bytes
    if length > MAX_FRAME_BYTES or not 0 <= frame.sequence <= _SEQUENCE_BITS or not 0 <= frame.address < _REPLY_BIT:
        msg = f"frame of {length} bytes, address {frame.address}, sequence {frame.sequence} cannot be sent"
        raise ValueError(msg)
    address = frame.address | (_REPLY_BIT if frame.is_reply else 0)
    return bytes((SOM, address, length & 0xFF, length >> 8, control)) + block + bytes((frame.code,)) + frame.data


def encode(frame: Frame, *, mark: bool = True) -> bytes:
    """Return the frame's bytes, CRC included, after a mark byte unless `mark` is False.

    Raises ValueError if the frame is out of range, asks for a checksum, or lacks the MAC its block type needs.
    """
    if not frame.has_crc:
        msg = "checksum frames are never sent"
        raise ValueError(msg)
    if len(frame.mac) != (MAC_BYTES if frame.is_secured else 0):
        msg = f"MAC of {len(frame.mac)} bytes under security block {frame.block_type}"
        raise ValueError(msg)
    message = authenticated_part(frame) + frame.mac
    sent = message + crc16(message).to_bytes(CRC_BYTES, "little")
    return bytes((MARK,)) + sent if mark else sent


def decode(message: bytes) -> Frame | BrokenFrame:
    """Read exactly one frame, from SOM to the check bytes, no mark. Never raises."""
    length = len(message)
    if length < MIN_FRAME_BYTES or message[0] != SOM or int.from_bytes(message[2:4], "little") != length:
        return BrokenFrame(Defect.LENGTH)
    control = message[4]
    if control & _RESERVED_BITS:
        return BrokenFrame(Defect.CONTROL)
    has_crc = bool(control & _CRC_BIT)
    end = length - (CRC_BYTES if has_crc else CHECKSUM_BYTES)
    if has_crc:
        sound = crc16(message[:end]) == int.from_bytes(message[end:], "little")
    else:
        sound = checksum(message[:end]) == message[end]
    if not sound:
        return BrokenFrame(Defect.CHECK)
    start = HEADER_BYTES
    block_type = None
    block_data = b""
    if control & _SECURITY_BIT:
        block_bytes = message[start]
        if block_bytes < _MIN_BLOCK_BYTES or start + block_bytes >= end:
            return BrokenFrame(Defect.BLOCK)
        block_type = message[start + 1]
        block_data = message[start + 2 : start + block_bytes]
        start += block_bytes
    mac = b""
    if block_type in SECURED_BLOCKS:
        end -= MAC_BYTES
        mac = message[end : end + MAC_BYTES]
    if start >= end:
        return BrokenFrame(Defect.LENGTH)
    return Frame(
        address=message[1] & ~_REPLY_BIT,
        is_reply=bool(message[1] & _REPLY_BIT),
        sequence=control & _SEQUENCE_BITS,
        code=message[start],
        data=message[start + 1 : end],
        block_type=block_type,
        block_data=block_data,
        mac=mac,
        has_crc=has_crc,
    )


class FrameSplitter:
    """Cuts a byte stream into frames, whatever its chunking; holds at most `max_frame_bytes` between calls.

    After a bad frame it looks again from the byte after the false SOM, so that noise hides no good frame.
    The owner keeps the 20 ms gap timer and calls `drop_partial` when it runs out.
    """

    def __init__(self, max_frame_bytes: int = MAX_FRAME_BYTES) -> None:
        """Refuse frames whose length field exceeds `max_frame_bytes` (at most 1440)."""
        self._max_frame_bytes = min(max_frame_bytes, MAX_FRAME_BYTES)
        self._buffer = bytearray()

    @property
    def held_bytes(self) -> int:
        """Bytes of an unfinished frame; 0 when nothing is pending."""
        return len(self._buffer)

    def feed(self, received: bytes) -> list[Frame | BrokenFrame]:
        """Take bytes, return the frames they completed and the defects met, in order."""
        self._buffer += received
        return self._scan()

    def drop_partial(self) -> list[Frame | BrokenFrame]:
        """Give the unfinished frame up, and return what good frames were hidden behind its SOM.

        For the panel, which checks an answer against its question. A reader calls `clear` instead: a command that
        hid behind noise must not be executed late.
        """
        found: list[Frame | BrokenFrame] = []
        while self._buffer:
            del self._buffer[0]
            found.append(BrokenFrame(Defect.TORN))
            found += self._scan()
        return found

    def clear(self) -> None:
        """Forget everything, as after reopening a port."""
        self._buffer.clear()

    def _scan(self) -> list[Frame | BrokenFrame]:
        found: list[Frame | BrokenFrame] = []
        buffer = self._buffer
        start = 0
        while True:
            start = buffer.find(SOM, start)
            if start < 0:
                start = len(buffer)
                break
            left = len(buffer) - start
            if left < HEADER_BYTES:
                break
            length = int.from_bytes(buffer[start + 2 : start + 4], "little")
            if not MIN_FRAME_BYTES <= length <= self._max_frame_bytes:
                found.append(BrokenFrame(Defect.LENGTH))
                start += 1
                continue
            if buffer[start + 4] & _RESERVED_BITS:
                found.append(BrokenFrame(Defect.CONTROL))
                start += 1
                continue
            if left < length:
                break
            frame = decode(bytes(buffer[start : start + length]))
            found.append(frame)
            start += length if isinstance(frame, Frame) else 1
        del buffer[:start]
        return found
