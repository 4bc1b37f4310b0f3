"""How much a device may ask of the server, and what it costs to go beyond: slower service and a Finding, no loss (F20).

Allowances fill up by the minute and hold enough for the worst honest hour: a box that hands in a full journal after
weeks alone is never slowed. Beyond them uploads wait their turn, live taps are left to the box (they come in with an
upload later), and questions stay unanswered. Counted in this process; a restart begins with full allowances.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from cardcore.clock import Clock

MILLISECONDS_PER_MINUTE = 60_000
MAX_WAIT_MS = 10_000
"""An upload waits no longer: well below what a daemon gives an acknowledgement."""
ALARM_EVERY_MS = 60_000


class Flow(StrEnum):
    """What is counted."""

    RECORDS = "records"
    SET_ASIDE = "set_aside"
    """Records that went into quarantine: wrong seals, other content under a known number."""
    QUESTIONS = "questions"
    """About cards and their keys."""
    PINS = "pins"
    """Each costs the server a slow hash."""
    STATUS = "status"
    """What a device says of its own health and policy."""


@dataclass(frozen=True, slots=True)
class Quota:
    """At most `burst` at once, and `a_minute` for ever."""

    burst: int
    a_minute: int


QUOTAS: Mapping[Flow, Quota] = MappingProxyType({
    Flow.RECORDS: Quota(burst=2_000_000, a_minute=12_000),  # a full journal, and sixteen readers at four taps a second
    Flow.SET_ASIDE: Quota(burst=20_000, a_minute=600),
    Flow.QUESTIONS: Quota(burst=12_000, a_minute=12_000),
    Flow.PINS: Quota(burst=300, a_minute=120),
    Flow.STATUS: Quota(burst=600, a_minute=300),
})  # fmt: skip


class Meter:
    """The allowances of one device, over all its connections to this process."""

    def __init__(self, clock: Clock, quotas: Mapping[Flow, Quota] = QUOTAS) -> None:
        """Begin with full allowances."""
        self._clock = clock
        self._quotas = quotas
        self._left = {flow: float(quota.burst) for flow, quota in quotas.items()}
        self._filled_ms = dict.fromkeys(quotas, clock.monotonic_ms())
        self._alarmed_ms: dict[Flow, int] = {}

    def charge(self, flow: Flow, amount: int = 1) -> int:
        """Take an amount, as a debt if need be; returns how long to wait before serving on, milliseconds."""
        left = self._fill(flow) - amount
        a_minute = self._quotas[flow].a_minute
        self._left[flow] = max(left, -a_minute * MAX_WAIT_MS / MILLISECONDS_PER_MINUTE)
        return round(max(0.0, -self._left[flow]) * MILLISECONDS_PER_MINUTE / a_minute)

    def allows(self, flow: Flow) -> bool:
        """Tell whether at least one is left; takes nothing."""
        return self._fill(flow) >= 1

    def takes(self, flow: Flow) -> bool:
        """Take one where one is left; returns whether it was."""
        allowed = self.allows(flow)
        if allowed:
            self._left[flow] -= 1
        return allowed

    def alarm_is_due(self, flow: Flow) -> bool:
        """Tell whether somebody must be told that a device is beyond its allowance: once a minute at most."""
        now_ms = self._clock.monotonic_ms()
        before_ms = self._alarmed_ms.get(flow)
        if before_ms is not None and now_ms - before_ms < ALARM_EVERY_MS:
            return False
        self._alarmed_ms[flow] = now_ms
        return True

    def _fill(self, flow: Flow) -> float:
        now_ms, quota = self._clock.monotonic_ms(), self._quotas[flow]
        gained = (now_ms - self._filled_ms[flow]) * quota.a_minute / MILLISECONDS_PER_MINUTE
        self._filled_ms[flow] = now_ms
        self._left[flow] = min(float(quota.burst), self._left[flow] + gained)
        return self._left[flow]
