"""What a record must be before it is believed: authentic, readable, within range, and within the device's purpose.

A record that fails is quarantined with a word for why, never dropped and never refused (P5).
"""

from __future__ import annotations

from msgspec import Struct

from cardcore.ids import TapKey
from cardcore.journal import (
    MAX_CODE_CHARACTERS,
    MAX_LINE_COUNT,
    MAX_LINES,
    Body,
    Decided,
    Intent,
    Outcome,
    Record,
    Verdict,
    authentic,
    read_body,
)
from cardcore.money import MAX_AMOUNT_FEN
from server.taps.arrivals import Arrival

MAX_MILLIS = 4_102_444_800_000
"""2100-01-01 in milliseconds since 1970: no stamp beyond it is one."""
MAX_SEQ = 2**62
MAX_RIGHTS = 1
"""Meals that one tap can take from a count purse."""
MAX_DEPARTMENT = 64
"""Characters of a department's id."""
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
        case Intent() if (body.amount or body.lines) and not _entry_in_range(body):
            return Checked(record, None, "out_of_range")
        case Outcome() | Decided() if not _verdict_in_range(body.verdict) or not 0 < body.tap_seq < record.seq:
            return Checked(record, None, "out_of_range")
    return Checked(record, body)


def _entry_in_range(intent: Intent) -> bool:
    return (
        0 <= intent.amount <= MAX_AMOUNT_FEN
        and len(intent.lines) <= MAX_LINES
        and all(
            0 < line.count <= MAX_LINE_COUNT and 0 <= line.price <= MAX_AMOUNT_FEN and _is_code(line.code)
            for line in intent.lines
        )
    )


def _is_code(code: str) -> bool:
    return code.isascii() and code.isdecimal() and len(code) <= MAX_CODE_CHARACTERS


def _verdict_in_range(verdict: Verdict) -> bool:
    return (
        0 <= verdict.surcharge <= verdict.amount <= MAX_AMOUNT_FEN
        and 0 <= verdict.discount <= MAX_AMOUNT_FEN
        and 0 <= verdict.rights <= MAX_RIGHTS
        and len(verdict.credit) <= MAX_DEPARTMENT
    )
