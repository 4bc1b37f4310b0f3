"""What the tills of this device served in a span of time, counted from the journal's own records. Reads only."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

import msgspec

from cardcore.journal import Body, Intent, Outcome, OutcomeKind, Purpose, Verdict

MARGIN_MS = 3_600_000
"""A tap begins and may be undone so long around the instant it was served."""
FETCHED_AT_ONCE = 1_000

_bodies: msgspec.json.Decoder[Body] = msgspec.json.Decoder(Body)


@dataclass(slots=True)
class Served:
    """Meals and what they came to. Mutable while it is added up."""

    count: int = 0
    fen: int = 0


def served_between(connection: sqlite3.Connection, from_ms: int, until_ms: int) -> dict[tuple[str, str], Served]:
    """Return meals served in [from, until) by (till, meal); what was served and taken back counts nothing."""
    rows = connection.execute(
        "SELECT r.epoch, r.seq, r.body FROM record r JOIN epoch e ON e.epoch = r.epoch"
        " WHERE r.at_ms >= ? AND r.at_ms < ? ORDER BY e.ordinal, r.seq",
        (from_ms - MARGIN_MS, until_ms + MARGIN_MS),
    )
    tills: dict[tuple[int, int], str] = {}
    meals: dict[tuple[int, int], tuple[int, Verdict] | None] = {}
    while fetched := rows.fetchmany(FETCHED_AT_ONCE):
        for epoch, seq, encoded in fetched:
            match _readable(encoded):
                case Intent(purpose=Purpose.TILL, place=place):
                    tills[epoch, seq] = place
                case Outcome() as outcome:
                    tap, at_ms = (epoch, outcome.tap_seq), outcome.stamp.at_ms
                    meals[tap] = (at_ms, outcome.verdict) if outcome.outcome is OutcomeKind.SERVED else None
                case _:
                    continue
    totals: dict[tuple[str, str], Served] = {}
    for tap, meal in meals.items():
        if meal is None or tap not in tills or not from_ms <= meal[0] < until_ms:
            continue
        total = totals.setdefault((tills[tap], meal[1].meal), Served())
        total.count += 1
        total.fen += meal[1].amount
    return totals


def _readable(encoded: bytes) -> Body | None:
    """Decode a body; a record that is damaged counts nothing and is the daily check's to tell: lanes go on."""
    try:
        return _bodies.decode(encoded)
    except msgspec.MsgspecError:
        return None
