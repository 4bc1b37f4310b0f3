"""The demo's clock: the real one, moved by a fixed amount, so that a demo at night still has its lunch.

For demonstrations and tests only: `onecard serve` has no way to ask for it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cardcore.clock import Clock, ShiftedClock
from server.system import System, SystemClock, SystemIds

LUNCH_START = datetime(2026, 3, 4, 2, 30, tzinfo=UTC)
"""10:30 on a Wednesday in Shanghai: offices are open, and the seeded site begins to serve lunch."""


def shift_to_before_lunch(clock: Clock, lead_seconds: int) -> timedelta:
    """Return the shift in whole seconds after which lunch begins in `lead_seconds`."""
    return timedelta(seconds=int((LUNCH_START - clock.now()).total_seconds()) - lead_seconds)


def shifted_system(shift: timedelta) -> System:
    """Return the host's clocks and randomness under a moved clock."""
    clock = ShiftedClock(SystemClock(), shift)
    return System(clock, SystemIds(clock))
