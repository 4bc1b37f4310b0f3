"""What follows from the records and must be known after a power cut: open taps, offline meals, the last meal of a till.

Every change happens inside the transaction that appends the record, so the tables never disagree with the journal.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from cardcore.ids import CredentialKey
from cardcore.journal import Body, Decided, DeviceEvent, Intent, Outcome, OutcomeKind, Verdict

_encode = msgspec.json.Encoder().encode
_bodies: msgspec.json.Decoder[Body] = msgspec.json.Decoder(Body)
_verdicts: msgspec.json.Decoder[Verdict] = msgspec.json.Decoder(Verdict)


class TapNumber(NamedTuple):
    """Which tap of this box: another epoch reaches the same numbers again."""

    epoch: int
    seq: int


@dataclass(frozen=True, slots=True)
class OpenTap:
    """An intent without an outcome. `verdict` is set when a grant was decided."""

    seq: int
    place: str
    credential: CredentialKey
    verdict: Verdict | None


@dataclass(frozen=True, slots=True)
class OfflineMeals:
    """What a till served alone and the server has not acknowledged."""

    count: int
    total: int
    of_card: dict[str, int]


@dataclass(frozen=True, slots=True)
class LastServed:
    """The last meal of a till."""

    credential: CredentialKey
    verdict: Verdict
    at_ms: int = 0
    """When it was served, milliseconds since 1970 UTC; 0 = noted before this was kept."""


class _Kept(Verdict, frozen=True, omit_defaults=True):
    """A verdict as the last meal's row keeps it, with its instant."""

    served_at_ms: int = 0


_kept: msgspec.json.Decoder[_Kept] = msgspec.json.Decoder(_Kept)


@dataclass(frozen=True, slots=True)
class LanePassage:
    """Somebody went through a lane; `at_ms` is wall time, milliseconds since 1970 UTC."""

    credential: CredentialKey
    lane: str
    at_ms: int


REMEMBERED_RECORDS = 10_000
"""Records looked through for passages at a start: a rush hour of sixteen lanes."""


def follow(connection: sqlite3.Connection, epoch: int, seq: int, body: Body) -> None:
    """Update the tables for a record that is being appended; the caller holds the transaction."""
    match body:
        case Intent():
            connection.execute(
                "INSERT INTO open_tap (epoch, seq, place, credential) VALUES (?, ?, ?, ?)",
                (epoch, seq, body.place, body.credential),
            )
        case Decided():
            connection.execute(
                "UPDATE open_tap SET verdict = ? WHERE epoch = ? AND seq = ?",
                (_encode(body.verdict), epoch, body.tap_seq),
            )
        case Outcome():
            _close(connection, epoch, body)
        case DeviceEvent():
            pass


def _close(connection: sqlite3.Connection, epoch: int, outcome: Outcome) -> None:
    tap = (epoch, outcome.tap_seq)
    row = connection.execute("SELECT place, credential FROM open_tap WHERE epoch = ? AND seq = ?", tap).fetchone()
    connection.execute("DELETE FROM open_tap WHERE epoch = ? AND seq = ?", tap)
    if row is None and outcome.outcome is OutcomeKind.CANCELLED:
        _take_back(connection, tap)
    if row is None or outcome.outcome is not OutcomeKind.SERVED:
        return
    place, credential = row
    connection.execute(
        "INSERT OR REPLACE INTO last_served (till, credential, verdict) VALUES (?, ?, ?)",
        (
            place,
            credential,
            _encode(_Kept(**msgspec.structs.asdict(outcome.verdict), served_at_ms=outcome.stamp.at_ms)),
        ),
    )
    if outcome.verdict.offline:
        connection.execute(
            "INSERT INTO offline_meal (epoch, seq, till, credential, amount) VALUES (?, ?, ?, ?, ?)",
            (*tap, place, credential, outcome.verdict.amount + outcome.verdict.subsidy),
        )


def _take_back(connection: sqlite3.Connection, tap: tuple[int, int]) -> None:
    """Forget a meal that was served and then taken back: it neither counts against a cap nor guards against a tap."""
    connection.execute("DELETE FROM offline_meal WHERE epoch = ? AND seq = ?", tap)
    row = connection.execute("SELECT body FROM record WHERE epoch = ? AND seq = ?", tap).fetchone()
    intent = _bodies.decode(row[0]) if row is not None else None
    if isinstance(intent, Intent):
        connection.execute("DELETE FROM last_served WHERE till = ?", (intent.place,))


def open_taps(connection: sqlite3.Connection, epoch: int) -> tuple[OpenTap, ...]:
    """Return the taps of an epoch without an outcome, oldest first."""
    rows = connection.execute(
        "SELECT seq, place, credential, verdict FROM open_tap WHERE epoch = ? ORDER BY seq", (epoch,)
    )
    return tuple(
        OpenTap(seq, place, CredentialKey(credential), None if verdict is None else _verdicts.decode(verdict))
        for seq, place, credential, verdict in rows
    )


def offline_meals(connection: sqlite3.Connection, till: str) -> OfflineMeals:
    """Return what a till served alone since the server last acknowledged."""
    rows = connection.execute(
        "SELECT credential, count(*), sum(amount) FROM offline_meal WHERE till = ? GROUP BY credential", (till,)
    ).fetchall()
    return OfflineMeals(sum(row[1] for row in rows), sum(row[2] for row in rows), {row[0]: row[1] for row in rows})


def forget_meals(connection: sqlite3.Connection, epoch: int, acked_through: int) -> None:
    """Drop the offline meals whose intent the server has acknowledged; the caller holds the transaction."""
    connection.execute("DELETE FROM offline_meal WHERE epoch = ? AND seq <= ?", (epoch, acked_through))


def last_served(connection: sqlite3.Connection) -> dict[str, LastServed]:
    """Return the last meal of every till."""
    rows = connection.execute("SELECT till, credential, verdict FROM last_served")
    kept = {till: (CredentialKey(key), _kept.decode(verdict)) for till, key, verdict in rows}
    return {
        till: LastServed(key, Verdict(*msgspec.structs.astuple(one)[:-1]), one.served_at_ms)
        for till, (key, one) in kept.items()
    }


def recent_passages(connection: sqlite3.Connection, epoch: int) -> list[LanePassage]:
    """Return the passages among an epoch's newest records, oldest first."""
    rows = connection.execute(
        "SELECT seq, body FROM record WHERE epoch = ? ORDER BY seq DESC LIMIT ?", (epoch, REMEMBERED_RECORDS)
    ).fetchall()
    intents: dict[int, Intent] = {}
    found: list[LanePassage] = []
    for seq, encoded in reversed(rows):
        body = _bodies.decode(encoded)
        if isinstance(body, Intent):
            intents[seq] = body
        elif isinstance(body, Outcome) and body.outcome is OutcomeKind.PASSED and body.tap_seq in intents:
            intent = intents[body.tap_seq]
            found.append(LanePassage(intent.credential, intent.place, body.stamp.at_ms))
    return found
