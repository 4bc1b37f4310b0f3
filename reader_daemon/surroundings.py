"""What every use case holds: clock, policy, pen, the server's ear, and a way to tell a reader. Values only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from cardcore.clock import Clock
from cardcore.ids import IdSource
from cardcore.wire.messages import TapDecision
from reader_daemon.clock_watch import ClockWatch
from reader_daemon.lane_memory import LaneMemory
from reader_daemon.messages import ReaderAction
from reader_daemon.policy import Policy
from reader_daemon.positions import Positions
from reader_daemon.recorder import Recorder, Written

GATE_DEADLINE_MS = 300
TILL_DEADLINE_MS = 800


class Ask(Protocol):
    """Asks the server to decide a durable intent."""

    async def __call__(self, tap: Written, deadline_ms: int, pin: str = "") -> TapDecision | None:
        """Return the answer, or None when nobody answered within `deadline_ms`; `pin` travels beside the record."""
        ...


class Tell(Protocol):
    """Tells a reader to do something."""

    def __call__(self, reader: str, action: ReaderAction, deadline_ms: int) -> int | None:
        """Queue an action; returns its command id, or None when it cannot be queued. Never raises."""
        ...


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long a use case waits for the server before it decides alone, milliseconds."""

    gate_ms: int = GATE_DEADLINE_MS
    till_ms: int = TILL_DEADLINE_MS


@dataclass(frozen=True, slots=True)
class Wiring:
    """Which contacts of a reader a turnstile hangs on."""

    unlock_output: int = 0
    pass_input: int = 0
    ready_input: int = 2
    fire_input: int = 3


@dataclass(frozen=True, slots=True)
class Surroundings:
    """See the module."""

    clock: Clock
    ids: IdSource
    watch: ClockWatch
    policy: Policy
    recorder: Recorder
    ask: Ask
    tell: Tell
    deadlines: Deadlines
    positions: Positions
    memory: LaneMemory
