"""How far this host's wall clock is from the server's, and therefore how far a record's time can be trusted (F10)."""

from __future__ import annotations

from datetime import UTC, datetime

from cardcore.clock import Clock, to_millis
from cardcore.journal import ClockQuality, Stamp

TRUSTED_MS = 3_600_000
"""A measurement is good for an hour."""
SOFTWARE_BUILT = datetime(2026, 1, 1, tzinfo=UTC)
"""No clock that shows less can be right."""


class ClockWatch:
    """Takes measurements from the link and stamps records."""

    def __init__(self, clock: Clock, boot: str) -> None:
        """`boot` is a random id of this start."""
        self._clock = clock
        self._boot = boot
        self._measured_at_ms: int | None = None
        self.skew_ms = 0
        """Server's clock minus ours, milliseconds."""

    def measured(self, sent_ms: int, server_ms: int, answered_ms: int) -> None:
        """Take one exchange: our wall clock when we asked, the server's, ours when the answer came."""
        self.skew_ms = server_ms - (sent_ms + answered_ms) // 2
        self._measured_at_ms = self._clock.monotonic_ms()

    def server_now_ms(self) -> int:
        """Return the best guess of the server's wall clock."""
        return to_millis(self._clock.now()) + self.skew_ms

    def quality(self) -> ClockQuality:
        """Return how good our wall time is."""
        if self._measured_at_ms is None or self._clock.now() < SOFTWARE_BUILT:
            return ClockQuality.UNSET
        age_ms = self._clock.monotonic_ms() - self._measured_at_ms
        return ClockQuality.SYNCED if age_ms <= TRUSTED_MS else ClockQuality.HOLDOVER

    def stamp(self, at: datetime | None = None, monotonic_ms: int | None = None) -> Stamp:
        """Stamp now, or an instant that a port reported."""
        return Stamp(
            at_ms=to_millis(at or self._clock.now()),
            monotonic_ms=self._clock.monotonic_ms() if monotonic_ms is None else monotonic_ms,
            boot=self._boot,
            quality=self.quality(),
        )
