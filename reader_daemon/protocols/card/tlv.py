"""BER-TLV of ISO/IEC 7816-4 (5.2.2), read strictly.

Only one encoding of each value is accepted: shortest tag, shortest length, no tag twice, nothing after the end. A
second encoding of a signed answer would be a second card to a comparison of bytes. Constructed values are returned
as bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

from cardcore.reasons import Reason
from reader_daemon.protocols.card.outcome import CardFailure

ENTRIES = 32
"""The most entries on one level."""
_MORE_TAG_BYTES = 0x1F
_CONTINUES = 0x80
_FILLERS = (0x00, 0xFF)
_ONE_BYTE_LENGTH = 0x81
_TWO_BYTE_LENGTH = 0x82
_FIRST_LONG_TAG = 0x1F
_SMALLEST_TWO_BYTE_LENGTH = 0x100


@dataclass(frozen=True, slots=True)
class _Fault:
    """Where and why reading stopped."""

    detail: str


def parse_tlv(raw: bytes) -> dict[int, bytes] | CardFailure:
    """Read one level of BER-TLV into {tag: value}, tags as big-endian integers (`0x5A`, `0x7F21`).

    Refuses, as `card_unreadable`: truncation, tags of more than two bytes, tags and lengths not in their shortest form,
    indefinite lengths, filler bytes, duplicate tags, more than 32 entries.
    """
    found: dict[int, bytes] = {}
    at = 0
    while at < len(raw):
        entry = _entry(raw, at)
        if isinstance(entry, _Fault):
            return CardFailure(Reason.CARD_UNREADABLE, f"TLV at byte {at}: {entry.detail}")
        tag, value, at = entry
        if tag in found:
            return CardFailure(Reason.CARD_UNREADABLE, f"TLV tag {tag:X} comes twice")
        if len(found) == ENTRIES:
            return CardFailure(Reason.CARD_UNREADABLE, f"more than {ENTRIES} TLV entries")
        found[tag] = value
    return found


def _entry(raw: bytes, at: int) -> tuple[int, bytes, int] | _Fault:
    """Read the entry that starts at `at`: tag, value and where the next entry starts."""
    tag = _tag(raw, at)
    if isinstance(tag, _Fault):
        return tag
    number, at = tag
    length = _length(raw, at)
    if isinstance(length, _Fault):
        return length
    size, at = length
    if at + size > len(raw):
        return _Fault(f"{size} bytes announced, {len(raw) - at} left")
    return number, raw[at : at + size], at + size


def _tag(raw: bytes, at: int) -> tuple[int, int] | _Fault:
    first = raw[at]
    if first in _FILLERS:
        return _Fault(f"filler byte {first:02X}")
    if first & _MORE_TAG_BYTES != _MORE_TAG_BYTES:
        return first, at + 1
    if at + 1 >= len(raw):
        return _Fault("tag is cut")
    second = raw[at + 1]
    if second & _CONTINUES:
        return _Fault("tag of more than two bytes")
    if second < _FIRST_LONG_TAG:
        return _Fault("tag is not in its shortest form")
    return first << 8 | second, at + 2


def _length(raw: bytes, at: int) -> tuple[int, int] | _Fault:
    if at >= len(raw):
        return _Fault("length is missing")
    first = raw[at]
    if first < _CONTINUES:
        return first, at + 1
    if first == _ONE_BYTE_LENGTH:
        size, smallest, after = int.from_bytes(raw[at + 1 : at + 2], "big"), _CONTINUES, at + 2
    elif first == _TWO_BYTE_LENGTH:
        size, smallest, after = int.from_bytes(raw[at + 1 : at + 3], "big"), _SMALLEST_TWO_BYTE_LENGTH, at + 3
    else:
        return _Fault(f"length form {first:02X}")
    if after > len(raw):
        return _Fault("length is cut")
    if size < smallest:
        return _Fault("length is not in its shortest form")
    return size, after


def encode_tlv(tag: int, value: bytes) -> bytes:
    """Write one entry in its shortest form; `value` up to 65,535 bytes. Raises OverflowError beyond that."""
    name = tag.to_bytes(1 if tag <= 0xFF else 2, "big")  # noqa: PLR2004
    size = len(value)
    if size < _CONTINUES:
        return name + bytes([size]) + value
    if size < _SMALLEST_TWO_BYTE_LENGTH:
        return name + bytes([_ONE_BYTE_LENGTH, size]) + value
    return name + bytes([_TWO_BYTE_LENGTH]) + size.to_bytes(2, "big") + value
