"""The demo's clock: the real one, moved by a fixed amount, so that a demo at night still has its lunch.

For demonstrations and tests only: `onecard serve` has no way to ask for it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cardcore.clock import Clock
from server.system import System, SystemClock, SystemIds

DEMO_START = datetime(2026, 3, 4, 2, 28, 30, tzinfo=UTC)
"""10:28:30 on a Wednesday in Shanghai: offices are open, and lunch begins in a minute and a half."""


LUNCH_START = datetime(2026, 3, 4, 2, 30, tzinfo=UTC)


class ShiftedClock:
    """A clock moved by a constant; implements `cardcore.clock.Clock`."""

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


def shift_to_before_lunch(clock: Clock, lead_seconds: int) -> timedelta:
    """Return the shift in whole seconds after which lunch begins in `lead_seconds`."""
    return timedelta(seconds=int((LUNCH_START - clock.now()).total_seconds()) - lead_seconds)


def shifted_system(shift: timedelta) -> System:
    """Return the host's clocks and randomness under a moved clock."""
    clock = ShiftedClock(SystemClock(), shift)
    return System(clock, SystemIds(clock))
