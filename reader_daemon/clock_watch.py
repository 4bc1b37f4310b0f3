"""How far this host's wall clock is from the server's, and therefore how far a record's time can be trusted (F10)."""

from __future__ import annotations

from datetime import datetime

from cardcore.clock import Clock, to_millis
from cardcore.journal import ClockQuality, Stamp

TRUSTED_MS = 3_600_000
"""A measurement is good for an hour."""
LONGEST_TRIP_MS = 1_000
"""Half of it is how far off a measurement may be; a worse one does not take the place of a better."""


class ClockWatch:
    """Takes measurements from the link and stamps records."""

    def __init__(self, clock: Clock, boot: str) -> None:
        """`boot` is a random id of this start."""
        self._clock = clock
        self._boot = boot
        self._measured_at_ms: int | None = None
        self._offset_ms = 0
        """Server's wall clock minus our monotonic one: a step of our wall clock does not move it."""
        self.uncertainty_ms = 0
        """How far off the server's clock may be from what `server_now_ms` says: half a round trip."""

    def measured(self, sent_ms: int, server_ms: int, answered_ms: int) -> None:
        """Take one exchange: our monotonic clock when we asked, the server's wall clock, ours when the answer came.

        An answer that was long under way says little, for nobody knows on which way it was held up: it counts only
        as long as there is no better one. Our wall clock says nothing here: a step of it would make a long way short.
        """
        trip_ms = answered_ms - sent_ms
        if trip_ms > LONGEST_TRIP_MS and self._measured_at_ms is not None:
            return
        self.uncertainty_ms = max(0, trip_ms) // 2
        self._offset_ms = server_ms + self.uncertainty_ms - answered_ms
        self._measured_at_ms = answered_ms

    @property
    def skew_ms(self) -> int:
        """Server's clock minus ours, milliseconds; 0 before it was measured."""
        return 0 if self._measured_at_ms is None else self.server_now_ms() - to_millis(self._clock.now())

    def server_now_ms(self) -> int:
        """Return the best guess of the server's wall clock."""
        if self._measured_at_ms is None:
            return to_millis(self._clock.now())
        return self._clock.monotonic_ms() + self._offset_ms

    def quality(self) -> ClockQuality:
        """Return how good our wall time is."""
        if self._measured_at_ms is None:
            return ClockQuality.UNSET
        age_ms = self._clock.monotonic_ms() - self._measured_at_ms
        return ClockQuality.SYNCED if age_ms <= TRUSTED_MS else ClockQuality.HOLDOVER

    def stamp(self, at: datetime | None = None, monotonic_ms: int | None = None) -> Stamp:
        """Stamp now, or an instant that a port reported: by the server's clock once it was heard, else by our own.

        A wall clock that was never right, or is set wrong while the line is cut, moves no meal into another day (F10).
        """
        measured = self._clock.monotonic_ms() if monotonic_ms is None else monotonic_ms
        unheard = self._measured_at_ms is None
        at_ms = to_millis(at or self._clock.now()) if unheard else measured + self._offset_ms
        return Stamp(at_ms=at_ms, monotonic_ms=measured, boot=self._boot, quality=self.quality())
