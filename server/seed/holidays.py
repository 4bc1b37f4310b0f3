"""The holiday calendar of mainland China for 2026 and 2027, typed in by hand. Data only.

2026 is as arranged by the State Council's yearly notice. For 2027 only the days that the law itself names are given
(Regulation on Public Holidays, as changed from 2025): bridge days and make-up workdays are announced the autumn before
and are then entered by the site.
"""

from __future__ import annotations

from datetime import date, timedelta

from cardcore.calendar import DayKind
from server.access.service import CalendarDay

_HOLIDAYS = (
    ("元旦", date(2026, 1, 1), 3),
    ("春节", date(2026, 2, 15), 9),
    ("清明节", date(2026, 4, 4), 3),
    ("劳动节", date(2026, 5, 1), 5),
    ("端午节", date(2026, 6, 19), 3),
    ("中秋节", date(2026, 9, 25), 3),
    ("国庆节", date(2026, 10, 1), 7),
    ("元旦", date(2027, 1, 1), 1),
    ("春节", date(2027, 2, 5), 4),
    ("清明节", date(2027, 4, 5), 1),
    ("劳动节", date(2027, 5, 1), 2),
    ("端午节", date(2027, 6, 9), 1),
    ("中秋节", date(2027, 9, 15), 1),
    ("国庆节", date(2027, 10, 1), 3),
)
"""Name, first day, number of days."""
_WORKED = (
    ("元旦", date(2026, 1, 4)),
    ("春节", date(2026, 2, 14)),
    ("春节", date(2026, 2, 28)),
    ("劳动节", date(2026, 5, 9)),
    ("国庆节", date(2026, 9, 20)),
    ("国庆节", date(2026, 10, 10)),
)
"""Days at a weekend that are worked, and for which holiday."""

CALENDAR: tuple[CalendarDay, ...] = (
    *(
        CalendarDay(first + timedelta(days=offset), DayKind.HOLIDAY, name)
        for name, first, days in _HOLIDAYS
        for offset in range(days)
    ),
    *(CalendarDay(day, DayKind.MAKEUP_WORKDAY, f"{name}调休") for name, day in _WORKED),
)
