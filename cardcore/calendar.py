"""Schedules and calendar days: whether a named schedule is open at a moment of site time (A22).

Holidays are data from an editable calendar; nothing is computed from rules at decision time.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from enum import StrEnum

from msgspec import Struct

from cardcore.clock import SiteTime

EVERY_DAY = 0b111_1111
"""Weekday mask: bit 0 = Monday .. bit 6 = Sunday."""
WORKDAYS = 0b001_1111
DAY_SECONDS = 24 * 60 * 60


class DayKind(StrEnum):
    """What a calendar entry makes of its date."""

    HOLIDAY = "holiday"
    MAKEUP_WORKDAY = "makeup_workday"
    """A day at the weekend that is worked, as the Chinese holiday calendar has them."""


class Interval(Struct, frozen=True):
    """A half-open window of the day, start <= t < end, in seconds of local time; no window crosses midnight."""

    start_seconds: int = 0
    end_seconds: int = DAY_SECONDS
    weekdays: int = EVERY_DAY
    on_holidays: bool = False
    """Whether the window is also open on holidays whose weekday is in the mask."""
    first_day: date | None = None
    """The window exists from this day on."""
    last_day: date | None = None
    """The window exists up to and with this day."""


def interval_error(interval: Interval) -> str | None:
    """Return what is wrong with an interval in words, or None."""
    if not 0 <= interval.start_seconds < interval.end_seconds <= DAY_SECONDS:
        return "an interval starts before it ends, within one day; split one that crosses midnight"
    if not 0 < interval.weekdays <= EVERY_DAY:
        return "an interval needs at least one weekday"
    if interval.first_day is not None and interval.last_day is not None and interval.last_day < interval.first_day:
        return "an interval's last day is not before its first"
    return None


def is_open(intervals: tuple[Interval, ...], days: Mapping[date, DayKind], moment: SiteTime) -> bool:
    """Tell whether any interval holds at `moment`.

    A make-up workday counts as a Monday whatever its weekday; a holiday opens only intervals that say so.
    """
    kind = days.get(moment.day)
    weekday_bit = 1 if kind is DayKind.MAKEUP_WORKDAY else 1 << moment.weekday
    time = moment.time_of_day
    second = time.hour * 3600 + time.minute * 60 + time.second
    for interval in intervals:
        if not interval.weekdays & weekday_bit:
            continue
        if kind is DayKind.HOLIDAY and not interval.on_holidays:
            continue
        if interval.first_day is not None and moment.day < interval.first_day:
            continue
        if interval.last_day is not None and moment.day > interval.last_day:
            continue
        if interval.start_seconds <= second < interval.end_seconds:
            return True
    return False
