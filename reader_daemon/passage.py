"""When a PASS contact means that somebody went through (turnstiles.md, section 2, rule 3). Pure: no clock, no I/O.

PASS is closed (active) while powered and idle, so a cut wire or a power loss opens it too. An opening counts only if
the contact closes again, bounced no shorter than the debounce, and Ready was true for a while before and after.
"""

from __future__ import annotations

from dataclasses import dataclass

DEBOUNCE_MS = 30
READY_MARGIN_MS = 200
STUCK_MS = 30_000
"""A contact that has been open for so long is a cut wire or a car on the loop, no passage."""


@dataclass(frozen=True, slots=True)
class Passage:
    """Somebody went through; `at_ms` is when the contact opened (monotonic)."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class SensorStuck:
    """The contact did not close again."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class HeldOpen:
    """The contact has been open for longer than the lane allows; it may still close."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class HeldOver:
    """A contact that was held open closed again."""

    at_ms: int


Meaning = Passage | SensorStuck | HeldOpen | HeldOver


class PassageSensor:
    """The PASS and Ready contacts of one lane. Times are monotonic milliseconds and must not go back."""

    def __init__(self) -> None:
        """Begin with nothing known: no passage until the contact was seen closed."""
        self.has_ready_input = True
        self.held_open_ms = 0
        """How long the contact may stay open before that is told; 0 = as long as it likes."""
        self._is_held = False
        self._ready_since_ms: int | None = None
        self._closed = False
        self._opened_ms: int | None = None
        self._closed_again_ms: int | None = None

    @property
    def ready(self) -> bool:
        """Whether the lane says that it takes commands."""
        return not self.has_ready_input or self._ready_since_ms is not None

    @property
    def pending_ms(self) -> int | None:
        """When the contact opened, while it is not yet clear whether that was a passage."""
        return self._opened_ms

    def set_ready(self, ready: bool | None, now_ms: int) -> None:  # noqa: FBT001 - a contact; None = line fault
        """Take a change of Ready; without it no opening counts."""
        if not ready:
            self._ready_since_ms = None
            if self.has_ready_input:
                self._forget()
        elif self._ready_since_ms is None:
            self._ready_since_ms = now_ms

    def set_pass(self, closed: bool | None, now_ms: int) -> None:  # noqa: FBT001 - a contact; None = line fault
        """Take a change of PASS."""
        if closed is None:
            self._closed = False
            self._forget()
        elif closed:
            self._closed = True
            if self._opened_ms is not None and self._closed_again_ms is None:
                self._closed_again_ms = now_ms
                if now_ms - self._opened_ms < DEBOUNCE_MS:
                    self._forget()
        elif self._closed:
            self._closed = False
            if self._opened_ms is None and self._was_ready(now_ms):
                self._opened_ms = now_ms
            # else: it opened again before the first opening was settled, which is a bounce of it

    def line_lost(self) -> None:
        """Note that the reader is offline: what its contacts do meanwhile is not seen."""
        self._forget()
        self._ready_since_ms = None

    def line_back(self, now_ms: int, *, ready: bool) -> None:
        """Note that the reader is back; the margin of Ready begins anew."""
        self.set_ready(ready, now_ms)

    def advance(self, now_ms: int) -> list[Meaning]:
        """Tell what the contacts meant so far, in order."""
        opened_ms = self._opened_ms
        if opened_ms is None:
            return []
        if self._closed_again_ms is not None and now_ms >= opened_ms + READY_MARGIN_MS:
            over: list[Meaning] = [HeldOver(self._closed_again_ms)] if self._is_held else []
            self._forget()
            return [Passage(opened_ms), *over]
        if self._closed_again_ms is None and now_ms >= opened_ms + STUCK_MS:
            self._forget()
            return [SensorStuck(opened_ms)]
        if self._closed_again_ms is None and self._held_due_ms(opened_ms) <= now_ms:
            self._is_held = True
            return [HeldOpen(opened_ms)]
        return []

    def next_due_ms(self) -> int | None:
        """Return when `advance` may have something to tell, or None."""
        if self._opened_ms is None:
            return None
        if self._closed_again_ms is not None:
            return self._opened_ms + READY_MARGIN_MS
        return min(self._opened_ms + STUCK_MS, self._held_due_ms(self._opened_ms))

    def _held_due_ms(self, opened_ms: int) -> int:
        """Return when a contact that stays open is to be told of; never after it is stuck, and once."""
        told = self._is_held or not self.held_open_ms
        return opened_ms + (STUCK_MS if told else min(self.held_open_ms, STUCK_MS))

    def _was_ready(self, now_ms: int) -> bool:
        if not self.has_ready_input:
            return True
        return self._ready_since_ms is not None and now_ms - self._ready_since_ms >= READY_MARGIN_MS

    def _forget(self) -> None:
        self._opened_ms = self._closed_again_ms = None
        self._is_held = False
