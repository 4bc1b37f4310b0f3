"""A host: its clocks, which skew, drift, step and begin anew at a boot; its lives; and the points where it can die."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from tests.simulation.loop import LIFE, START_SECONDS, Life, VirtualLoop

Result = TypeVar("Result")
MILLISECONDS = 1000
MIDNIGHT = datetime(2026, 3, 3, 16, 0, tzinfo=UTC)
"""Wednesday 4 March 2026, 00:00 in Shanghai."""

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
"""No clock shows less."""


@dataclass(slots=True)
class Trap:
    """A crash that waits at a point of the host's work for the n-th time that it is passed."""

    point: str
    passes: int


class Host:
    """One machine. `boot` before its process starts, `kill` to end it between two steps."""

    def __init__(self, name: str, loop: VirtualLoop, stream: random.Random, begun: datetime) -> None:
        """`begun` is the true wall time at the loop's start."""
        self.name = name
        self.loop = loop
        self.stream = stream
        self._begun = begun
        self.skew = timedelta()
        """How far the wall clock is off."""
        self.drift = 0.0
        """Seconds the wall clock gains a second."""
        self._booted_seconds = loop.time()
        self.life = Life(name)
        self.life.alive = False
        self.boots = 0
        self.traps: list[Trap] = []
        self.on_trapped: Callable[[str], None] = lambda _point: None
        self.work_ms: tuple[float, float] = (0.1, 2.0)
        """How long a blocking call takes, drawn between the two."""

    # --- time ---------------------------------------------------------------------------------------------------

    def true_now(self) -> datetime:
        """Return the time that no host knows for sure."""
        return self._begun + timedelta(seconds=self.loop.time() - START_SECONDS)

    def now(self) -> datetime:
        """Return this host's wall time."""
        gained = timedelta(seconds=(self.loop.time() - START_SECONDS) * self.drift)
        return max(self.true_now() + self.skew + gained, EARLIEST)

    def monotonic_ms(self) -> int:
        """Return milliseconds since boot."""
        return round((self.loop.time() - self._booted_seconds) * MILLISECONDS) + 1

    # --- life ---------------------------------------------------------------------------------------------------

    def boot(self) -> Life:
        """Begin a new life; the monotonic clock begins with it."""
        assert not self.life.alive, f"{self.name} runs already"
        self._booted_seconds = self.loop.time()
        self.boots += 1
        self.life = Life(f"{self.name}/{self.boots}")
        return self.life

    def kill(self) -> None:
        """End the process at once."""
        self.traps.clear()
        self.loop.kill(self.life)

    @property
    def up(self) -> bool:
        """Whether a process runs."""
        return self.life.alive

    async def passing(self, point: str) -> None:
        """Pass a point at which a trap may wait; never returns when it closes."""
        for trap in self.traps:
            if trap.point == point:
                trap.passes -= 1
                if trap.passes <= 0:
                    self.traps.remove(trap)
                    self.on_trapped(point)
                    break
        life = LIFE.get()
        if life is not None and not life.alive:
            await self.loop.create_future()

    async def work(self, call: Callable[[], Result], point: str) -> Result:
        """Run a blocking call inline after a drawn time, as the process's thread would; it may die before or after."""
        await asyncio.sleep(self.stream.uniform(*self.work_ms) / MILLISECONDS)
        if self.traps:
            await self.passing(f"before_{point}")
        try:
            return call()
        finally:
            if self.traps:
                await self.passing(f"after_{point}")


class InOrder:
    """One thread's worth of blocking calls: one after the other, in the order in which they were asked for."""

    def __init__(self, host: Host, point: str) -> None:
        """Name the point by which a crash can find these calls."""
        self._host = host
        self._point = point
        self._turn = asyncio.Lock()

    async def __call__(self, call: Callable[..., Result], *args: Any) -> Result:  # noqa: ANN401 - passes on what it gets
        """Run the call when its turn comes. A caller that is cancelled does not stop the call, as with a thread."""
        return await asyncio.shield(self._host.loop.create_task(self._in_turn(call, args)))

    async def _in_turn(self, call: Callable[..., Result], args: tuple[Any, ...]) -> Result:
        async with self._turn:
            return await self._host.work(lambda: call(*args), self._point)
