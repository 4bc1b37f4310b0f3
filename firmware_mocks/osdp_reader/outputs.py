"""A reader's relays: the six control codes of OUT and timers that end by themselves (OSDP 2.2, osdp_OUT).

No clock: the owner passes the time. A timer runs on whatever happens to the line.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from reader_daemon.protocols.osdp.codes import OutputControl
from reader_daemon.protocols.osdp.commands import OutputRecord

TIMER_UNIT_MS = 100

OutputListener = Callable[[int, bool, int], None]
"""Called with (output, on, at_ms) on every edge."""


@dataclass(slots=True)
class _Relay:
    on: bool = False
    resting: bool = False
    """The state to come back to when the timer ends."""
    until_ms: int | None = None


class Relays:
    """The relays of one reader."""

    def __init__(self, count: int, listener: OutputListener) -> None:
        """Begin with all off."""
        self._relays = [_Relay() for _ in range(count)]
        self._listener = listener

    def knows(self, output: int) -> bool:
        """Say whether there is such an output."""
        return 0 <= output < len(self._relays)

    def states(self) -> bytes:
        """Return one byte an output, 1 = on."""
        return bytes(relay.on for relay in self._relays)

    def apply(self, record: OutputRecord, now_ms: int) -> None:
        """Execute one OUT record. The output must exist (`knows`)."""
        relay = self._relays[record.output]
        until_ms = now_ms + record.timer_100ms * TIMER_UNIT_MS
        match record.control:
            case OutputControl.OFF | OutputControl.ON:
                relay.until_ms = None
                relay.resting = record.control == OutputControl.ON
                self._switch(record.output, now_ms, on=relay.resting)
            case OutputControl.OFF_AFTER_TIMER | OutputControl.ON_AFTER_TIMER:
                relay.resting = record.control == OutputControl.ON_AFTER_TIMER
                if relay.until_ms is None:
                    self._switch(record.output, now_ms, on=relay.resting)
            case OutputControl.ON_FOR_TIME | OutputControl.OFF_FOR_TIME if record.timer_100ms:
                relay.until_ms = until_ms
                self._switch(record.output, now_ms, on=record.control == OutputControl.ON_FOR_TIME)
            case _:
                pass

    def next_due_ms(self) -> int | None:
        """Return when the next timer ends."""
        return min((relay.until_ms for relay in self._relays if relay.until_ms is not None), default=None)

    def advance(self, now_ms: int) -> None:
        """End the timers that are due."""
        for output, relay in enumerate(self._relays):
            if relay.until_ms is not None and relay.until_ms <= now_ms:
                ended_ms, relay.until_ms = relay.until_ms, None
                self._switch(output, ended_ms, on=relay.resting)

    def release(self, now_ms: int) -> None:
        """Drop all relays, as without power."""
        for output, relay in enumerate(self._relays):
            relay.until_ms = None
            relay.resting = False
            self._switch(output, now_ms, on=False)

    def _switch(self, output: int, at_ms: int, *, on: bool) -> None:
        relay = self._relays[output]
        if relay.on != on:
            relay.on = on
            self._listener(output, on, at_ms)
