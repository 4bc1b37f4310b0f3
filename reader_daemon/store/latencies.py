"""How long the last durable writes took, for the device page: a bounded window, no clock of its own."""

from __future__ import annotations

from collections import deque

WINDOW = 512


class Latencies:
    """The last `WINDOW` durations in microseconds."""

    def __init__(self) -> None:
        """Begin empty."""
        self._window: deque[int] = deque(maxlen=WINDOW)

    def add(self, microseconds: int) -> None:
        """Take one measurement."""
        self._window.append(microseconds)

    def p95_us(self) -> int:
        """Return the 95th percentile (nearest rank), 0 without any measurement."""
        if not self._window:
            return 0
        ordered = sorted(self._window)
        return ordered[(len(ordered) * 95 + 99) // 100 - 1]
