"""Late, early, absent: one day of one person held against a shift. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from cardcore.calendar import DayKind


class DayState(StrEnum):
    """How a day was."""

    PRESENT = "present"
    LATE = "late"
    EARLY = "early"
    LATE_AND_EARLY = "late_and_early"
    NOT_OUT = "not_out"
    """Came, and the shift is over without a way out."""
    AT_WORK = "at_work"
    """Came, and the shift still runs."""
    EXPECTED = "expected"
    """The shift has not begun, or its grace runs."""
    ABSENT = "absent"
    DAY_OFF = "day_off"
    NO_SHIFT = "no_shift"


@dataclass(frozen=True, slots=True)
class Shift:
    """When somebody works: local seconds of the day; an end at or before the start is on the next day."""

    id: str
    name_en: str
    name_zh: str
    start_seconds: int
    end_seconds: int
    weekdays: int = 0b001_1111
    """Bit 0 = Monday. A holiday is no workday; a make-up workday counts as a Monday."""
    late_minutes: int = 0
    """Who comes so long after the start is not late."""
    early_minutes: int = 0


@dataclass(frozen=True, slots=True)
class Judged:
    """A day as it was; minutes are whole ones, counted from the shift's own times."""

    state: DayState
    late_minutes: int = 0
    early_minutes: int = 0
    worked_minutes: int = 0


def judge(
    shift: Shift | None,
    day: tuple[date, Mapping[date, DayKind], ZoneInfo],
    seen: tuple[datetime | None, datetime | None],
    now: datetime,
) -> Judged:
    """Judge a day; `day` is its date, the calendar and the site's zone, `seen` first in and last out (aware UTC)."""
    first, last = seen
    worked = _minutes(last - first) if first is not None and last is not None and last > first else 0
    if shift is None:
        return Judged(DayState.NO_SHIFT, worked_minutes=worked)
    starts, ends = span(shift, day[0], day[2])
    if not works_on(shift, day[0], day[1]):
        return Judged(DayState.DAY_OFF, worked_minutes=worked)
    if first is None:
        expected = now < starts + timedelta(minutes=shift.late_minutes)
        return Judged(DayState.EXPECTED if expected else DayState.ABSENT)
    late = _minutes(first - starts) if first > starts + timedelta(minutes=shift.late_minutes) else 0
    went = last is not None and last > first
    if not went:
        state = DayState.LATE if late else DayState.AT_WORK if now < ends else DayState.NOT_OUT
        return Judged(state, late)
    assert last is not None
    early = _minutes(ends - last) if last < ends - timedelta(minutes=shift.early_minutes) and now >= ends else 0
    state = (
        DayState.LATE_AND_EARLY if late and early else DayState.LATE if late else DayState.EARLY if early
        else DayState.PRESENT
    )  # fmt: skip
    return Judged(state, late, early, worked)


def works_on(shift: Shift, day: date, calendar: Mapping[date, DayKind]) -> bool:
    """Tell whether a shift is worked on a day."""
    match calendar.get(day):
        case DayKind.HOLIDAY:
            return False
        case DayKind.MAKEUP_WORKDAY:
            return bool(shift.weekdays & 1)
        case _:
            return bool(shift.weekdays >> day.weekday() & 1)


def span(shift: Shift, day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return the instants at which a shift of a day begins and ends."""
    midnight = datetime.combine(day, time(), zone)
    ends_on = midnight + timedelta(days=1) if shift.end_seconds <= shift.start_seconds else midnight
    return midnight + timedelta(seconds=shift.start_seconds), ends_on + timedelta(seconds=shift.end_seconds)


def _minutes(length: timedelta) -> int:
    return max(0, int(length / timedelta(minutes=1)))
