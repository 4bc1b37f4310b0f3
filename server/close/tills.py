"""Equality two: each till's own count and sum against the server's, per business day and meal (C67). No SQL.

The till's side is its device's signed statements; the server's side is the charges of meals eaten that day, whenever
they were posted. A till that has not stated anything is silent: listed, never waited for beyond the deadline.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import RowMapping

from cardcore.journal import DeviceEvent
from cardcore.till_totals import read_statement
from server.close.models import Cause, Difference, FindingKind

TillKey = tuple[UUID, str]
"""Device and till."""

_events: msgspec.json.Decoder[DeviceEvent] = msgspec.json.Decoder(DeviceEvent)


@dataclass(frozen=True, slots=True)
class Count:
    """Meals and fen."""

    served: int = 0
    fen: int = 0


@dataclass(frozen=True, slots=True)
class Charged:
    """The server's side of one till and meal."""

    served: int
    fen: int
    late: int
    corrected: int


def stated_totals(rows: Iterable[RowMapping], day: date) -> dict[TillKey, dict[str, Count]]:
    """Return what tills stated of a day, by meal; the newest statement counts, and rows come newest first."""
    stated: dict[TillKey, dict[str, Count]] = defaultdict(dict)
    for row in rows:
        total = read_statement(_events.decode(row["body"]).detail)
        if total is None or total.day != day:
            continue
        stated[row["device_id"], row["till_id"]].setdefault(total.meal, Count(total.served, total.fen))
    return stated


def compare(
    expected: Iterable[RowMapping],
    stated: Mapping[TillKey, Mapping[str, Count]],
    charged: Iterable[RowMapping],
    gapped: frozenset[UUID],
) -> tuple[list[dict[str, Any]], list[Difference]]:
    """Return a line a till and meal for the figures, and what differs; `gapped` are devices with missing records."""
    server: dict[TillKey, dict[str, Charged]] = defaultdict(dict)
    for row in charged:
        counts = Charged(row["served"], row["fen"], row["late"], row["corrected"])
        server[row["device_id"], row["till_id"]][row["meal_id"]] = counts
    lines: list[dict[str, Any]] = []
    differences: list[Difference] = []
    for row in expected:
        key = (row["device_id"], row["till_id"])
        ours, theirs = server.get(key, {}), stated.get(key)
        if theirs is None:
            differences.append(_silent(row, ours))
        for meal in sorted(set(ours) | {meal for meal in theirs or {} if meal}):
            line = _line(row, meal, ours.get(meal), theirs)
            lines.append(line)
            if theirs is not None and (line["till_served"], line["till_fen"]) != (line["served"], line["fen"]):
                cause = _cause(row, ours.get(meal), line, gapped)
                subject = f"{row['till_id']}/{meal}/{row['device']}"
                differences.append(Difference(FindingKind.TILL_TOTAL, subject, cause, line))
    return lines, differences


def _line(row: RowMapping, meal: str, ours: Charged | None, theirs: Mapping[str, Count] | None) -> dict[str, Any]:
    said = (theirs or {}).get(meal, Count()) if theirs is not None else None
    return {
        "till": row["till_id"],
        "device": row["device"],
        "meal": meal,
        "served": ours.served if ours else 0,
        "fen": ours.fen if ours else 0,
        "late": ours.late if ours else 0,
        "till_served": said.served if said is not None else None,
        "till_fen": said.fen if said is not None else None,
    }


def _silent(row: RowMapping, ours: Mapping[str, Charged]) -> Difference:
    seen = row["last_seen_at"]
    detail = {
        "device": row["device"],
        "last_seen_at": seen.isoformat() if seen is not None else None,
        "pending": row["pending"],
        "served": sum(one.served for one in ours.values()),
        "fen": sum(one.fen for one in ours.values()),
    }
    cause = Cause.DEVICE_OFFLINE if row["pending"] else Cause.NO_STATEMENT
    return Difference(FindingKind.SILENT_TILL, row["till_id"], cause, detail, seen)


def _cause(row: RowMapping, ours: Charged | None, line: Mapping[str, Any], gapped: frozenset[UUID]) -> Cause:
    """Name the likeliest reason: what the device still holds explains what the server lacks, and so on."""
    server_lacks = line["served"] < line["till_served"]
    if row["device_id"] in gapped or (server_lacks and row["pending"]):
        return Cause.RECORDS_MISSING
    if ours is not None and ours.corrected:
        return Cause.CORRECTION
    if ours is not None and ours.late:
        return Cause.LATE_ARRIVAL
    return Cause.CLOCK if line["served"] != line["till_served"] else Cause.UNKNOWN
