"""The journal of a device: what a record says, how records are chained, sealed and checked (P1-P4).

A record is one JSON body under a sequence number. `hash` covers device, epoch, seq, the hash before it and the body,
so it is both the content hash (two deliveries of one record are equal exactly when their hashes are) and the chain.
The body's bytes are kept as written: a receiver of an older version loses nothing it does not know (P21).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

import msgspec
from msgspec import Struct

from cardcore.ids import CredentialKey, TapKey

GENESIS = bytes(32)
"""The hash before the first record of an epoch."""

MAX_BODY_BYTES = 4096
MAX_LINES = 30
"""Lines of one tap."""
MAX_LINE_COUNT = 99
MAX_CODE_CHARACTERS = 6
MAC_BYTES = 16
"""HMAC-SHA-256 truncated to 128 bits (RFC 2104 section 5 allows half the hash's length)."""


class Purpose(StrEnum):
    """What a reader is for; a till cannot report a gate tap and a gate cannot charge."""

    GATE = "gate"
    TILL = "till"


class OutcomeKind(StrEnum):
    """What became of a tap at the lane or the counter."""

    PASSED = "passed"
    NOT_USED = "not_used"
    SERVED = "served"
    DECLINED = "declined"
    CANCELLED = "cancelled"
    NOT_CONFIRMED = "not_confirmed"
    """Nobody knows: the device lost power between decision and outcome. Charged nothing."""


class ClockQuality(StrEnum):
    """How far a record's wall time can be trusted (F10)."""

    SYNCED = "synced"
    """Measured against the server within the last hour."""
    HOLDOVER = "holdover"
    UNSET = "unset"
    """Never measured since boot, or before the software was built: a dead clock battery."""


class Stamp(Struct, frozen=True):
    """When something happened, by both clocks of the device (P3)."""

    at_ms: int
    """Wall clock, milliseconds since 1970 UTC."""
    monotonic_ms: int
    boot: str
    """Random id of this start of the device; monotonic times compare only within it."""
    quality: ClockQuality = ClockQuality.HOLDOVER


class Line(Struct, frozen=True, array_like=True):
    """One thing chosen at a till: a key or a dish by its number, how many, and the price of one as it was shown."""

    code: str
    count: int
    price: int


class Intent(Struct, frozen=True, tag_field="kind", tag="intent", omit_defaults=True):
    """A tap, before anybody decided. Its seq is the tap's key."""

    tap: str
    """UUIDv7, for joins."""
    purpose: Purpose
    place: str
    """Lane or till id."""
    reader: str
    credential: CredentialKey
    stamp: Stamp
    policy_version: int
    possibly_stale: bool = False
    amount: int = 0
    """Fen that the till showed before the card came: keyed, or the sum of the lines; 0 = nothing was shown."""
    lines: tuple[Line, ...] = ()


class Verdict(Struct, frozen=True, omit_defaults=True):
    """A decision as the device acted on it."""

    granted: bool
    reason: str
    """A `cardcore.reasons.Reason`; a plain string so that a newer device's word is kept."""
    policy_version: int
    offline: bool
    amount: int = 0
    """Fen the holder pays: list price - discount + surcharge - subsidy."""
    meal: str = ""
    discount: int = 0
    surcharge: int = 0
    rights: int = 0
    """Meals taken from the count purse instead of money."""
    credit: str = ""
    """The department that pays instead of the holder."""
    subsidy: int = 0
    """What the house pays of the first tap of a meal or day."""


class Decided(Struct, frozen=True, tag_field="kind", tag="decided"):
    """A lane's grant, durable before the relay moves. A refusal needs none: its outcome says it all."""

    tap_seq: int
    verdict: Verdict
    stamp: Stamp


class Outcome(Struct, frozen=True, tag_field="kind", tag="outcome"):
    """What became of the tap `tap_seq`; at a till durable before lamp and beep."""

    tap_seq: int
    outcome: OutcomeKind
    verdict: Verdict
    stamp: Stamp


class DeviceEvent(Struct, frozen=True, tag_field="kind", tag="event"):
    """Something happened that is no tap: forced passage, tamper, reader offline, restart, journal alarm."""

    event: str
    place: str
    detail: str
    stamp: Stamp
    alarm: bool = False


Body = Intent | Decided | Outcome | DeviceEvent


class Record(Struct, frozen=True):
    """One row of a journal, as stored and as sent."""

    seq: int
    body: bytes
    previous: bytes
    hash: bytes
    mac: bytes


class ChainHead(NamedTuple):
    """Where a chain stands: the next record follows `seq` and carries `hash` as its previous."""

    seq: int
    hash: bytes


START = ChainHead(0, GENESIS)

_body_decoder: msgspec.json.Decoder[Body] = msgspec.json.Decoder(Body)
_body_encoder = msgspec.json.Encoder()


def record_hash(key: TapKey, previous: bytes, body: bytes) -> bytes:
    """Return SHA-256 over device (16), epoch (8), seq (8), previous (32) and body."""
    head = key.device.bytes + key.epoch.to_bytes(8, "big") + key.seq.to_bytes(8, "big")
    return hashlib.sha256(head + previous + body).digest()


def record_mac(record_key: bytes, digest: bytes) -> bytes:
    """Return the device's seal over a record's hash."""
    return hmac.digest(record_key, digest, "sha256")[:MAC_BYTES]


def write_record(key: TapKey, previous: bytes, body: Body, record_key: bytes) -> Record:
    """Make the record that follows `previous`; raises ValueError when the body is too large."""
    encoded = _body_encoder.encode(body)
    if len(encoded) > MAX_BODY_BYTES:
        msg = f"a record body has at most {MAX_BODY_BYTES} bytes, this one has {len(encoded)}"
        raise ValueError(msg)
    digest = record_hash(key, previous, encoded)
    return Record(key.seq, encoded, previous, digest, record_mac(record_key, digest))


def authentic(record: Record, key: TapKey, record_key: bytes) -> bool:
    """Tell whether a record's hash and seal are its own (constant-time compares)."""
    digest = record_hash(key, record.previous, record.body)
    sealed = record_mac(record_key, digest)
    return hmac.compare_digest(digest, record.hash) and hmac.compare_digest(sealed, record.mac)


def read_body(record: Record) -> Body | None:
    """Decode a body; None when it is none that this version knows (to be quarantined, never dropped)."""
    try:
        return _body_decoder.decode(record.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def first_break(head: ChainHead, records: Iterable[Record]) -> int | None:
    """Return the seq of the first record that does not follow its predecessor, or None when all do."""
    seq, previous = head
    for record in records:
        if record.seq != seq + 1 or record.previous != previous:
            return record.seq
        seq, previous = record.seq, record.hash
    return None
