"""Schedules: half-open windows, holidays, make-up workdays."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import pytest

from cardcore.calendar import WORKDAYS, DayKind, Interval, interval_error, is_open
from cardcore.clock import SiteTime, site_time

OFFICE = (Interval(8 * 3600, 18 * 3600, WORKDAYS),)


def at(day: int, hour: int, minute: int = 0) -> SiteTime:
    """Return a moment of March 2026 in UTC; the 2nd is a Monday."""
    return site_time(datetime(2026, 3, day, hour, minute, tzinfo=UTC), ZoneInfo("UTC"), time(0))


@pytest.mark.parametrize(
    ("moment", "expected"),
    [(at(2, 7, 59), False), (at(2, 8), True), (at(2, 17, 59), True), (at(2, 18), False), (at(7, 12), False)],
)
def test_office_hours_are_half_open_and_on_workdays(moment: SiteTime, *, expected: bool) -> None:
    assert is_open(OFFICE, {}, moment) is expected


def test_a_holiday_closes_and_a_makeup_workday_opens() -> None:
    days = {date(2026, 3, 2): DayKind.HOLIDAY, date(2026, 3, 7): DayKind.MAKEUP_WORKDAY}
    assert not is_open(OFFICE, days, at(2, 12))
    assert is_open(OFFICE, days, at(7, 12))
    assert is_open((Interval(on_holidays=True),), days, at(2, 12))


@pytest.mark.parametrize(
    ("interval", "word"),
    [(Interval(5, 5), "starts before"), (Interval(0, 90_000), "one day"), (Interval(weekdays=0), "weekday")],
)
def test_a_wrong_interval_is_named(interval: Interval, word: str) -> None:
    error = interval_error(interval)
    assert error is not None
    assert word in error
    assert interval_error(Interval()) is None
