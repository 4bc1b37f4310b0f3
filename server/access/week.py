"""The week as a picture: in which hours each access level opens a zone, day by day, holidays and make-up days included.

The same rule as `cardcore.calendar.is_open`, turned into spans; a test holds the two to each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

import msgspec

from cardcore.calendar import DayKind, Interval
from cardcore.ids import SiteId, ZoneId
from server.access import repository
from server.database import ReadSession

WEEK_DAYS = 7


class Span(NamedTuple):
    """Open from second to second of a day, the end excluded."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class LevelWeek:
    """One access level over one week."""

    level: str
    name_en: str
    name_zh: str
    schedule: str
    holders: int
    days: tuple[tuple[Span, ...], ...]


def spans(intervals: Sequence[Interval], days: Mapping[date, DayKind], day: date) -> tuple[Span, ...]:
    """Return when a schedule is open on a day, in order, those that touch joined."""
    kind = days.get(day)
    bit = 1 if kind is DayKind.MAKEUP_WORKDAY else 1 << day.weekday()
    open_ones = sorted(
        Span(interval.start_seconds, interval.end_seconds)
        for interval in intervals
        if interval.weekdays & bit
        and (kind is not DayKind.HOLIDAY or interval.on_holidays)
        and (interval.first_day is None or day >= interval.first_day)
        and (interval.last_day is None or day <= interval.last_day)
    )
    joined: list[Span] = []
    for span in open_ones:
        if joined and span.start <= joined[-1].end:
            joined[-1] = Span(joined[-1].start, max(joined[-1].end, span.end))
        else:
            joined.append(span)
    return tuple(joined)


def week_of_zone(session: ReadSession, site_id: SiteId, zone: ZoneId, monday: date) -> Sequence[LevelWeek]:
    """Return every level that opens a zone with its hours in the week that begins on `monday`."""
    schedules = {row["id"]: row for row in repository.schedule_rows(session, site_id)}
    days = calendar(session, site_id)
    dates = [monday + timedelta(days=number) for number in range(WEEK_DAYS)]
    counts = repository.holders_of_levels(session, site_id)
    found = []
    for row in repository.level_rows(session, site_id):
        if zone not in row["zones"]:
            continue
        schedule = schedules[row["schedule_id"]]
        intervals = intervals_of(schedule["intervals"])
        week = tuple(spans(intervals, days, day) for day in dates)
        name = schedule["name_zh"]
        found.append(LevelWeek(row["id"], row["name_en"], row["name_zh"], name, counts.get(row["id"], 0), week))
    return found


def calendar(session: ReadSession, site_id: SiteId) -> Mapping[date, DayKind]:
    """Return the days that are no ordinary ones."""
    return {row["day"]: DayKind(row["kind"]) for row in repository.day_rows(session, site_id)}


def intervals_of(stored: object) -> tuple[Interval, ...]:
    """Return a schedule's intervals as stored (JSON)."""
    return msgspec.convert(stored, tuple[Interval, ...])
