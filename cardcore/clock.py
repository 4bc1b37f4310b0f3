"""Time: instants are aware UTC, and one place turns an instant into the site's date, weekday and time of day.

Reads no clock itself: a `Clock` is injected everywhere.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple, Protocol
from zoneinfo import ZoneInfo

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """The two clocks of a host. Only the adapters (`*/system.py`) and the simulator implement it."""

    def now(self) -> datetime:
        """Return wall time as aware UTC; may jump."""
        ...

    def monotonic_ms(self) -> int:
        """Return milliseconds from an arbitrary start; never goes back, resets at a reboot."""
        ...


class ShiftedClock:
    """A clock whose wall time is moved by a constant, for demonstrations; implements `Clock`."""

    def __init__(self, clock: Clock, shift: timedelta) -> None:
        """Take the real clock and how far to move it."""
        self._clock = clock
        self._shift = shift

    def now(self) -> datetime:
        """Return moved wall time."""
        return self._clock.now() + self._shift

    def monotonic_ms(self) -> int:
        """Return the real monotonic clock."""
        return self._clock.monotonic_ms()


class SiteTime(NamedTuple):
    """One instant as people on the site see it."""

    day: date
    weekday: int
    """0 = Monday."""
    time_of_day: time
    business_day: date


def require_utc(at: datetime) -> datetime:
    """Return `at` unchanged if it is aware UTC; raise ValueError otherwise (a naive instant is a programming error)."""
    if at.tzinfo is None or at.utcoffset() != timedelta(0):
        msg = f"instant must be aware UTC, got {at!r}"
        raise ValueError(msg)
    return at


@lru_cache(maxsize=256)
def site_time(at: datetime, zone: ZoneInfo, day_starts_at: time) -> SiteTime:
    """Turn an instant into site date, weekday, local time and business day.

    `day_starts_at` is the local time at which a business day begins: what happens before it belongs to the day
    before, so that a night meal after midnight counts for the evening's business day (C12).
    """
    local = require_utc(at).astimezone(zone)
    day = local.date()
    business_day = day - timedelta(days=1) if local.time() < day_starts_at else day
    return SiteTime(day, day.weekday(), local.time(), business_day)


def from_millis(milliseconds: int) -> datetime:
    """Return the aware UTC instant `milliseconds` after 1970-01-01."""
    return _EPOCH + timedelta(milliseconds=milliseconds)


def to_millis(at: datetime) -> int:
    """Return whole milliseconds since 1970-01-01 of an aware instant (rounded down)."""
    return (require_utc(at) - _EPOCH) // timedelta(milliseconds=1)
