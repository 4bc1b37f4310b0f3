"""How far a round is, from its plan and the guards' taps. Pure: the same taps give the same answer at any time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec


class CheckpointState(StrEnum):
    """What became of a checkpoint."""

    WAITING = "waiting"
    VISITED = "visited"
    LATE = "late"
    """Visited after its time and tolerance; the alarm was raised before."""
    MISSED = "missed"


class Checkpoint(msgspec.Struct, frozen=True):
    """A stop of a tour: the lane to tap at, and so many minutes after the start."""

    lane: str
    due_minutes: int


@dataclass(frozen=True, slots=True)
class Tap:
    """A guard's tap."""

    lane: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Stop:
    """One checkpoint of a round as it stands; positions count from 1."""

    position: int
    lane: str
    due_at: datetime
    state: CheckpointState
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """A round as it stands."""

    stops: tuple[Stop, ...]
    out_of_order: int
    """Taps at a checkpoint whose turn it was not."""

    @property
    def is_over(self) -> bool:
        """Whether nothing waits any more."""
        return all(stop.state is not CheckpointState.WAITING for stop in self.stops)

    @property
    def is_complete(self) -> bool:
        """Whether every checkpoint was visited in time."""
        return all(stop.state is CheckpointState.VISITED for stop in self.stops)


def progress(
    plan: Sequence[Checkpoint], starts_at: datetime, tolerance: timedelta, taps: Iterable[Tap], now: datetime
) -> Progress:
    """Hold taps, in order of time, against a plan.

    Checkpoints are visited in order. One whose time and tolerance are over no longer blocks the next; a tap there
    before the next one is visited still counts, as late.
    """
    due = [starts_at + timedelta(minutes=stop.due_minutes) for stop in plan]
    seen: dict[int, datetime] = {}
    turn, strays = 0, 0
    for tap in taps:
        here = _place(plan, turn, tap, [at + tolerance for at in due])
        if here is None:
            strays += any(stop.lane == tap.lane for stop in plan[turn:])
            continue
        seen[here] = tap.at
        turn = here + 1
    stops = []
    for number, stop in enumerate(plan):
        ends = due[number] + tolerance
        at = seen.get(number)
        if at is not None:
            state = CheckpointState.VISITED if at <= ends else CheckpointState.LATE
        else:
            state = CheckpointState.MISSED if now > ends or number < turn else CheckpointState.WAITING
        stops.append(Stop(number + 1, stop.lane, due[number], state, at))
    return Progress(tuple(stops), strays)


def _place(plan: Sequence[Checkpoint], turn: int, tap: Tap, ends: Sequence[datetime]) -> int | None:
    """Return which checkpoint a tap visits: the one whose turn it is, or the next after those whose time is over."""
    for number in range(turn, len(plan)):
        if plan[number].lane == tap.lane:
            return number
        if tap.at <= ends[number]:
            return None
    return None
