"""A small token bucket an address: slows whoever tries codes. Per process, and forgets the longest unheard first."""

from __future__ import annotations

from collections import OrderedDict

from cardcore.clock import Clock

TRIES = 10
"""Tries an address may make at once."""
REFILL_MS = 6_000
"""One more try each so many milliseconds."""
ALL_TRIES = 60
ALL_REFILL_MS = 500
"""The same over all addresses together: a botnet has many."""
MAX_ADDRESSES = 4_096
_EVERYBODY = ""


class Throttle:
    """Counts tries by address."""

    def __init__(self, clock: Clock) -> None:
        """Take the clock that refills."""
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[int, int]] = OrderedDict()

    def allows(self, address: str) -> bool:
        """Count a try; False when the address, or everybody together, has had too many."""
        return self._take(address, TRIES, REFILL_MS) and self._take(_EVERYBODY, ALL_TRIES, ALL_REFILL_MS)

    def _take(self, address: str, most: int, refill_ms: int) -> bool:
        now_ms = self._clock.monotonic_ms()
        left, since_ms = self._buckets.pop(address, (most, now_ms))
        gained = (now_ms - since_ms) // refill_ms
        left, since_ms = min(most, left + gained), since_ms + gained * refill_ms
        self._buckets[address] = (max(0, left - 1), since_ms)
        while len(self._buckets) > MAX_ADDRESSES:
            self._buckets.popitem(last=False)
        return left > 0
