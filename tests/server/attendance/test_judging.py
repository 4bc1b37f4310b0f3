"""One day against a shift: late, early, absent, across midnight, on holidays (A65)."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from cardcore.calendar import DayKind
from server.attendance.judging import Judged, Shift, judge

ZONE = ZoneInfo("Asia/Shanghai")
MONDAY, SATURDAY = date(2026, 9, 7), date(2026, 9, 12)
OFFICE = Shift("office", "Office", "行政班", 9 * 3600, 17 * 3600, late_minutes=5, early_minutes=5)
NIGHT = Shift("night", "Night", "夜班", 22 * 3600, 6 * 3600, weekdays=0b111_1111)


def at(day: date, text: str) -> datetime:
    hour, minute = text.split(":")
    return datetime(day.year, day.month, day.day, int(hour), int(minute), tzinfo=ZONE)


def judged(first: str, last: str, now: str = "23:00", shift: Shift | None = OFFICE) -> Judged:
    seen = tuple(at(MONDAY, text) if text else None for text in (first, last))
    return judge(shift, (MONDAY, {}, ZONE), seen, at(MONDAY, now))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("first", "last", "now", "state", "late", "early", "worked"),
    [
        ("8:50", "17:10", "23:00", "present", 0, 0, 500),
        ("9:05", "16:55", "23:00", "present", 0, 0, 470),
        ("9:06", "17:00", "23:00", "late", 6, 0, 474),
        ("9:00", "16:54", "23:00", "early", 0, 6, 474),
        ("9:30", "16:00", "23:00", "late_and_early", 30, 60, 390),
        ("", "", "23:00", "absent", 0, 0, 0),
        ("", "", "9:04", "expected", 0, 0, 0),
        ("", "", "9:05", "absent", 0, 0, 0),
        ("8:50", "", "12:00", "at_work", 0, 0, 0),
        ("8:50", "", "17:00", "not_out", 0, 0, 0),
        ("8:50", "12:00", "12:30", "present", 0, 0, 190),  # out for lunch: the day is not over
    ],
)
def test_a65_s09_a_day_is_judged(
    first: str, last: str, now: str, state: str, late: int, early: int, worked: int
) -> None:
    found = judged(first, last, now)
    assert (found.state, found.late_minutes, found.early_minutes, found.worked_minutes) == (state, late, early, worked)


def test_a_shift_over_midnight_ends_on_the_next_day() -> None:
    seen = at(MONDAY, "21:50"), at(MONDAY + timedelta(days=1), "5:00")
    found = judge(NIGHT, (MONDAY, {}, ZONE), seen, at(MONDAY + timedelta(days=1), "7:00"))
    assert (found.state, found.early_minutes) == ("early", 60)


def test_holidays_are_free_and_makeup_workdays_are_not() -> None:
    def state(day: date, kind: DayKind | None) -> str:
        calendar = {day: kind} if kind else {}
        return judge(OFFICE, (day, calendar, ZONE), (None, None), at(day, "23:00")).state

    assert state(MONDAY, None) == "absent"
    assert state(MONDAY, DayKind.HOLIDAY) == "day_off"
    assert state(SATURDAY, None) == "day_off"
    assert state(SATURDAY, DayKind.MAKEUP_WORKDAY) == "absent"


def test_who_works_by_no_shift_is_not_judged() -> None:
    assert judged("9:00", "10:00", shift=None) == Judged("no_shift", worked_minutes=60)  # type: ignore[arg-type]
