"""What a record must be before it is believed: authentic, readable, within range, and within the device's purpose.

A record that fails is quarantined with a word for why, never dropped and never refused (P5).
"""

from __future__ import annotations

from msgspec import Struct

from cardcore.ids import TapKey
from cardcore.journal import Body, Decided, Intent, Outcome, Record, authentic, read_body
from cardcore.money import MAX_AMOUNT_FEN
from server.taps.arrivals import Arrival

MAX_MILLIS = 4_102_444_800_000
"""2100-01-01 in milliseconds since 1970: no stamp beyond it is one."""
MAX_SEQ = 2**62
NUL_ESCAPE = b"\\u0000"
"""PostgreSQL text holds no NUL; a body that smuggles one in is kept as bytes in quarantine."""


class Checked(Struct, frozen=True):
    """A record with its body, or with the problem that keeps it out."""

    record: Record
    body: Body | None
    problem: str = ""


def check(arrival: Arrival) -> tuple[Checked, ...]:
    """Check every record of a frame."""
    return tuple([_check(arrival, record) for record in arrival.records])


def _check(arrival: Arrival, record: Record) -> Checked:
    key = TapKey(arrival.device.id, arrival.epoch, record.seq)
    if not 0 < record.seq < MAX_SEQ or not authentic(record, key, arrival.device.record_key):
        return Checked(record, None, "not_authentic")
    body = read_body(record)
    if body is None:
        return Checked(record, None, "unreadable")
    if NUL_ESCAPE in record.body or not 0 <= body.stamp.at_ms < MAX_MILLIS:
        return Checked(record, None, "out_of_range")
    revoked = arrival.device.revoked_at
    if revoked is not None and body.stamp.at_ms > revoked.timestamp() * 1000:
        return Checked(record, None, "after_revocation")
    match body:
        case Intent() if body.purpose not in arrival.device.purposes:
            return Checked(record, None, "foreign_purpose")
        case Outcome() | Decided() if not 0 <= body.verdict.amount <= MAX_AMOUNT_FEN or not (
            0 < body.tap_seq < record.seq
        ):
            return Checked(record, None, "out_of_range")
    return Checked(record, body)
