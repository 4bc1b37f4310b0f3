"""Local forms of money, counts, dates and ages. Pure; the only place of the pages that turns a value into digits."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from admin_web.i18n import Language
from cardcore.money import Fen, yuan_text

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
"""Not from strftime: that depends on the locale of the process."""
MINUS = "\N{MINUS SIGN}"


def money_text(amount: Fen) -> str:
    """Return an amount as `¥1,234.50`, negative as `−¥3.20`; the same in both languages."""
    whole, _, decimals = yuan_text(Fen(abs(amount))).partition(".")
    sign = MINUS if amount < 0 else ""
    return f"{sign}¥{int(whole):,}.{decimals}"


def count_text(count: int) -> str:
    """Return a count with separated thousands."""
    return f"{count:,}"


def date_text(day: date, language: Language) -> str:
    """Return a day as `2026-11-21` (Chinese) or `21 Nov 2026` (English)."""
    if language is Language.CHINESE:
        return day.isoformat()
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def time_text(at: datetime, zone: ZoneInfo) -> str:
    """Return the local time of day to the second."""
    return f"{at.astimezone(zone):%H:%M:%S}"


def moment_text(at: datetime, zone: ZoneInfo, language: Language) -> str:
    """Return the local date and time of an instant."""
    separator = " " if language is Language.CHINESE else ", "
    return f"{date_text(at.astimezone(zone).date(), language)}{separator}{time_text(at, zone)}"


def age_parts(since: timedelta) -> tuple[str, int]:
    """Return the catalogue key and number for an age: seconds up to 2 min, minutes up to 2 h, hours up to 2 days."""
    seconds = max(0, since // timedelta(seconds=1))
    for key, unit_s, limit_s in (("age.seconds", 1, 120), ("age.minutes", 60, 7_200), ("age.hours", 3_600, 172_800)):
        if seconds < limit_s:
            return key, seconds // unit_s
    return "age.days", seconds // 86_400
