"""A schedule as a form: rows of weekdays and hours, each with its error beside it. Knows no page and no service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import time

from admin_web.forms import Form
from cardcore.calendar import DAY_SECONDS, Interval
from cardcore.ids import ScheduleId
from server.access.service import Schedule

MAX_NAME = 64
MAX_ROWS = 20
"""Rows of one form; more is for `onecard` and imports."""
SPARE_ROWS = 2
WEEKDAYS = range(7)


def typed(intervals: Sequence[Interval]) -> Mapping[str, str]:
    """Return the fields of a schedule that is there."""
    values: dict[str, str] = {}
    for number, interval in enumerate(intervals[:MAX_ROWS]):
        values[f"from_{number}"] = _clock(interval.start_seconds)
        values[f"to_{number}"] = _clock(interval.end_seconds)
        values |= {f"day_{number}_{day}": "1" for day in WEEKDAYS if interval.weekdays >> day & 1}
        if interval.on_holidays:
            values[f"holidays_{number}"] = "1"
        values[f"first_{number}"] = str(interval.first_day or "")
        values[f"last_{number}"] = str(interval.last_day or "")
    return values


def rows_of(form: Form) -> Sequence[int]:
    """Return the numbers of the rows to show: those in use and some spare ones."""
    return range(min(MAX_ROWS, max(rows_used(form), default=-1) + 1 + SPARE_ROWS))


def rows_used(form: Form) -> list[int]:
    """Return the numbers of the rows that hold an interval, in the order of the schedule's intervals."""
    return [number for number in range(MAX_ROWS) if form.value(f"from_{number}") or form.value(f"to_{number}")]


def schedule_from(form: Form, identity: str) -> Schedule:
    """Read the form; errors stand at `row_N`."""
    intervals = [found for number in range(MAX_ROWS) if (found := _interval(form, number)) is not None]
    names = form.text("name_en", MAX_NAME), form.text("name_zh", MAX_NAME)
    if not intervals and form.is_good:
        form.refuse("row_0", "access.no_hours")
    return Schedule(ScheduleId(identity), *names, tuple(intervals))


def _interval(form: Form, number: int) -> Interval | None:
    start, end = form.value(f"from_{number}").strip(), form.value(f"to_{number}").strip()
    if not start and not end:
        return None
    field = f"row_{number}"
    from_s, to_s = _seconds(start), _seconds(end)
    weekdays = sum(1 << day for day in WEEKDAYS if form.is_on(f"day_{number}_{day}"))
    if from_s is None or to_s is None:
        form.refuse(field, "access.time")
        return None
    to_s = DAY_SECONDS if to_s == 0 else to_s
    first, last = form.day(f"first_{number}", required=False), form.day(f"last_{number}", required=False)
    if from_s >= to_s:
        form.refuse(field, "access.order")
    elif not weekdays:
        form.refuse(field, "access.no_weekday")
    elif first is not None and last is not None and last < first:
        form.refuse(field, "access.days_order")
    return Interval(from_s, to_s, weekdays, form.is_on(f"holidays_{number}"), first, last)


def _seconds(text: str) -> int | None:
    if text == "24:00":
        return DAY_SECONDS
    try:
        at = time.fromisoformat(text)
    except ValueError:
        return None
    return at.hour * 3600 + at.minute * 60 + at.second


def _clock(seconds: int) -> str:
    return "00:00" if seconds == DAY_SECONDS else f"{seconds // 3600:02}:{seconds // 60 % 60:02}"
