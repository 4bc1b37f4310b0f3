"""The holiday calendar of a year: read it, fill it from what is announced, and change single days (A22).

What a site's calendar says is data: nothing is computed from rules when a tap is decided.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum

from cardcore.calendar import DayKind
from cardcore.ids import SiteId
from server.access import repository, service
from server.access.service import CalendarDay
from server.database import ReadSession, WriteSession
from server.seed.holidays import CALENDAR
from server.system import System

FIRST_YEAR, LAST_YEAR = 2000, 2100
MAX_NAME = 40
MAX_DAYS = 366


class YearRefusal(StrEnum):
    """Why nothing was changed."""

    NOT_ANNOUNCED = "not_announced"
    """Nothing is known of this year: enter the days as the State Council announces them."""
    OUT_OF_RANGE = "out_of_range"
    WEEKDAY = "weekday"
    """A make-up workday is a Saturday or Sunday."""
    NAME_TOO_LONG = "name_too_long"


def days(session: ReadSession, site_id: SiteId, year: int) -> list[CalendarDay]:
    """Return the holidays and make-up workdays of a year, in order."""
    rows = repository.day_rows(session, site_id)
    return [CalendarDay(row["day"], DayKind(row["kind"]), row["name"]) for row in rows if row["day"].year == year]


def fill(session: WriteSession, system: System, site_id: SiteId, actor: str, year: int) -> YearRefusal | None:
    """Enter what is announced for a year; days that the site entered itself stay as they are."""
    announced = [day for day in CALENDAR if day.day.year == year]
    if not announced:
        return YearRefusal.NOT_ANNOUNCED
    kept = {row["day"] for row in repository.day_rows(session, site_id)}
    new = [day for day in announced if day.day not in kept]
    if new:
        service.put_days(session, system, site_id, new, actor)
    return None


def change(
    session: WriteSession, system: System, site_id: SiteId, actor: str, day: date, wanted: tuple[DayKind | None, str]
) -> YearRefusal | None:
    """Make a day a holiday or a make-up workday under a name, or (None) an ordinary one again."""
    kind, name = wanted
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        return YearRefusal.OUT_OF_RANGE
    if kind is DayKind.MAKEUP_WORKDAY and day.isoweekday() not in {6, 7}:
        return YearRefusal.WEEKDAY
    if len(name) > MAX_NAME:
        return YearRefusal.NAME_TOO_LONG
    if kind is None:
        service.clear_days(session, system, site_id, [day], actor)
    else:
        service.put_days(session, system, site_id, [CalendarDay(day, kind, name)], actor)
    return None
