"""Identifiers: one NewType an entity, UUIDv7 made from injected time and randomness, and the tap key.

No id is drawn here by itself: whoever needs one holds an `IdSource`.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import NamedTuple, NewType, Protocol
from uuid import UUID

SiteId = NewType("SiteId", UUID)
PersonId = NewType("PersonId", UUID)
CardId = NewType("CardId", UUID)
CredentialId = NewType("CredentialId", UUID)
AccountId = NewType("AccountId", UUID)
PurseId = NewType("PurseId", UUID)
ChargeId = NewType("ChargeId", UUID)
TransferId = NewType("TransferId", UUID)
DeviceId = NewType("DeviceId", UUID)
StaffId = NewType("StaffId", UUID)
ApprovalId = NewType("ApprovalId", UUID)
ShiftId = NewType("ShiftId", UUID)

ZoneId = NewType("ZoneId", str)
"""Names a person gave: short slugs such as `compound`, unique in a site."""
LaneId = NewType("LaneId", str)
TillId = NewType("TillId", str)
StallId = NewType("StallId", str)
LevelId = NewType("LevelId", str)
ScheduleId = NewType("ScheduleId", str)
CategoryId = NewType("CategoryId", str)
MealId = NewType("MealId", str)

CredentialKey = NewType("CredentialKey", str)
"""`scheme:value`, lower case; see `credential_key`. What a reader proves and a card is looked up by."""

_CREDENTIAL = re.compile(
    r"(pkoc:[0-9a-f]{64}|(?:desfire|cpu|pass):[0-9a-f]{32}|uid:[0-9a-f]{8,20}|wiegand:[0-9]{1,3}-[0-9a-f]{2,64}"
    r"|qr:[0-9a-z]{8,64}|plate:[0-9a-z\u4e00-\u9fff]{4,10})"
)

MAX_EPOCH = 2**63 - 1
"""Epochs are random, positive and fit PostgreSQL's and SQLite's signed 64-bit integer."""


_UUID7_FIXED = 0x7 << 76 | 0x2 << 62
"""Version and variant of a UUIDv7."""
_UUID7_RANDOM = (1 << 80) - 1 & ~(0xF << 76 | 0x3 << 62)


class TapKey(NamedTuple):
    """The identity of one journal record for ever: who wrote it, in which life of its journal, which number.

    `seq` counts from 1 without a gap within (device, epoch); see reliability must P1.
    """

    device: DeviceId
    epoch: int
    seq: int


class IdSource(Protocol):
    """Where ids and randomness come from; injected so that a simulator can replay them."""

    def uuid7(self) -> UUID:
        """Return a new UUIDv7 (RFC 9562 section 5.7): time-ordered, unique, no secret."""
        ...

    def random_bytes(self, count: int) -> bytes:
        """Return `count` bytes fit for keys and nonces."""
        ...


def uuid7_from(at: datetime, random_10: bytes) -> UUID:
    """Build a UUIDv7 (RFC 9562 section 5.7) from an aware instant and 10 random bytes."""
    if len(random_10) != 10:  # noqa: PLR2004 - 80 bits less version and variant
        msg = f"uuid7 needs 10 random bytes, got {len(random_10)}"
        raise ValueError(msg)
    milliseconds = int(at.timestamp() * 1000)
    random_bits = int.from_bytes(random_10, "big") & _UUID7_RANDOM
    return UUID(int=(milliseconds & 0xFFFF_FFFF_FFFF) << 80 | random_bits | _UUID7_FIXED)


def credential_key(text: str) -> CredentialKey:
    """Check and return a credential key; raises ValueError naming the accepted forms."""
    if not _CREDENTIAL.fullmatch(text):
        msg = (
            f"{text!r} is no credential key: use desfire:, cpu: or pass:<32 hex>, pkoc:<64 hex>, uid:<8-20 hex>, "
            "wiegand:<bits>-<hex>, qr:<8-64 letters and digits> or plate:<4-10 letters and digits>, all lower case"
        )
        raise ValueError(msg)
    return CredentialKey(text)


def masked(key: CredentialKey | str) -> str:
    """Return a form fit for logs and displays: scheme and last four characters."""
    scheme, _, value = key.partition(":")
    return f"{scheme}:…{value[-4:]}"
