"""What the tests of ports share: a sink that can be waited on, a clock that stands, randomness from a seed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Condition
from typing import TypeVar
from uuid import UUID

from cardcore.ids import uuid7_from
from reader_daemon.messages import PortEvent

DEADLINE_SECONDS = 20.0
"""Beyond it a test fails; nothing is measured against it."""

_Event = TypeVar("_Event")


class EventLog:
    """An `EventSink` that keeps everything."""

    def __init__(self) -> None:
        self.events: list[PortEvent] = []
        self._condition = Condition()

    def __call__(self, event: PortEvent) -> None:
        with self._condition:
            self.events.append(event)
            self._condition.notify_all()

    def wait(self, kind: type[_Event], count: int = 1, where: Callable[[_Event], bool] = lambda _event: True) -> _Event:
        """Return the `count`-th event of a kind that fits, or fail with everything that came instead."""

        def fitting() -> list[_Event]:
            return [event for event in self.events if isinstance(event, kind) and where(event)]

        with self._condition:
            arrived = self._condition.wait_for(lambda: len(fitting()) >= count, DEADLINE_SECONDS)
            assert arrived, f"no {kind.__name__} number {count} among {self.events}"
            return fitting()[count - 1]

    def of(self, kind: type[_Event]) -> list[_Event]:
        with self._condition:
            return [event for event in self.events if isinstance(event, kind)]


class StandingClock:
    """A `Clock` that moves only when told."""

    def __init__(self) -> None:
        self.milliseconds = 1_000

    def now(self) -> datetime:
        return datetime(2026, 3, 2, 8, 0, tzinfo=UTC) + timedelta(milliseconds=self.milliseconds)

    def monotonic_ms(self) -> int:
        return self.milliseconds


class SeededIds:
    """An `IdSource` that repeats itself for the same seed."""

    def __init__(self, seed: int = 7) -> None:
        self._seed = seed
        self._drawn = 0

    def uuid7(self) -> UUID:
        return uuid7_from(datetime(2026, 3, 2, tzinfo=UTC), self.random_bytes(10))

    def random_bytes(self, count: int) -> bytes:
        self._drawn += 1
        return hashlib.shake_256(f"{self._seed}/{self._drawn}".encode()).digest(count)
