"""Clocks, ids and a way to run a coroutine on the simulator's event loop, where seconds cost nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from cardcore.ids import uuid7_from
from tests.simulation.loop import VirtualLoop as VirtualLoop  # noqa: PLC0414 - the tests of the daemon take it from here

Result = TypeVar("Result")
NOON = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)
"""A Friday, 12:00 in Shanghai."""


class VirtualClock:
    """The daemon's clock over a virtual loop; the wall clock can be moved apart."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self.wall_offset = timedelta()

    def now(self) -> datetime:
        return NOON + self.wall_offset + timedelta(milliseconds=self.monotonic_ms())

    def monotonic_ms(self) -> int:
        return round(self._loop.time() * 1000)


class HandClock:
    """A clock without a loop, moved by hand."""

    def __init__(self) -> None:
        self.ms = 1_000
        self.wall_offset = timedelta()

    def now(self) -> datetime:
        return NOON + self.wall_offset + timedelta(milliseconds=self.ms)

    def monotonic_ms(self) -> int:
        return self.ms


class CountingIds:
    """Ids and "random" bytes that never repeat and are the same in every run."""

    def __init__(self, start: int = 1) -> None:
        self._next = start

    def uuid7(self) -> UUID:
        return uuid7_from(NOON, self.random_bytes(10))

    def random_bytes(self, count: int) -> bytes:
        self._next += 1
        return (self._next * 0x9E3779B97F4A7C15 % (1 << 8 * count)).to_bytes(count, "big")


def run_virtual(main: Callable[[VirtualLoop], Coroutine[Any, Any, Result]]) -> Result:
    """Run a coroutine on virtual time and close the loop."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(main(loop))
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        loop.run_until_complete(_all_done(left))
        loop.close()


async def _all_done(tasks: set[asyncio.Task[object]]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)
