"""Files of a DESFire application: access rights and settings as bytes, both ways.

Source: DESFire EV2 public data sheet and AN12343. Nothing here talks to a card.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Self

from cardcore.card_keys.asks import CommMode
from cardcore.reasons import Reason
from reader_daemon.protocols.card.outcome import CardFailure

FREE = 0xE
"""As a key number in access rights: anybody."""
NEVER = 0xF
MAX_FILE = 31
_MODES = {CommMode.PLAIN: 0, CommMode.MAC: 1, CommMode.FULL: 3}
_MORE_RIGHTS = 0x80
_SETTINGS_HEAD_BYTES = 4


class FileKind(IntEnum):
    """First byte of GetFileSettings."""

    STANDARD = 0
    BACKUP = 1
    VALUE = 2
    LINEAR_RECORD = 3
    CYCLIC_RECORD = 4
    TRANSACTION_MAC = 5


@dataclass(frozen=True, slots=True)
class AccessRights:
    """Key numbers 0..13, `FREE` or `NEVER`."""

    read: int
    write: int
    read_write: int
    change: int

    def encoded(self) -> bytes:
        """Return the two bytes, least significant first: read in the highest nibble, change in the lowest."""
        value = self.read << 12 | self.write << 8 | self.read_write << 4 | self.change
        return value.to_bytes(2, "little")

    @classmethod
    def decoded(cls, raw: bytes) -> Self:
        """Read the two bytes."""
        value = int.from_bytes(raw, "little")
        return cls(value >> 12, value >> 8 & 0xF, value >> 4 & 0xF, value & 0xF)


def mode_byte(mode: CommMode) -> int:
    """Return how a communication mode is written."""
    return _MODES[mode]


@dataclass(frozen=True, slots=True)
class FileSettings:
    """What GetFileSettings says. `rest` is what follows the rights: sizes or limits, by kind."""

    kind: int
    mode: CommMode
    rights: AccessRights
    rest: bytes

    @property
    def size_bytes(self) -> int:
        """Size of a data file, or of one record."""
        return int.from_bytes(self.rest[:3], "little")


def read_file_settings(raw: bytes) -> FileSettings | CardFailure:
    """Read the answer of GetFileSettings; a kind unknown here keeps its number."""
    if len(raw) < _SETTINGS_HEAD_BYTES:
        return CardFailure(Reason.CARD_UNREADABLE, f"file settings of {len(raw)} bytes")
    mode = {number: mode for mode, number in _MODES.items()}.get(raw[1] & 3, CommMode.PLAIN)
    rest = raw[_SETTINGS_HEAD_BYTES:]
    if raw[1] & _MORE_RIGHTS and rest:
        rest = rest[1 + 2 * rest[0] :]
    return FileSettings(raw[0], mode, AccessRights.decoded(raw[2:4]), rest)
