"""The pump: gives committed events their numbers and tells the bus. Any number of processes may run one.

Wakes on `nudge` or every 200 ms. An event is numbered in one transaction and published after its commit; a process
that dies in between leaves a numbered event that nobody was told of, which is why readers use `server.outbox.feed`.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta

import structlog
from sqlalchemy.exc import SQLAlchemyError

from cardcore.clock import Clock
from server.bus.protocol import Bus
from server.database import Database, DatabaseUnavailableError
from server.link.ports import Run
from server.outbox import repository
from server.outbox.repository import MAX_ROWS, OutboxEvent

IDLE_MS = 200
LONGEST_WAIT_MS = 5_000
RETENTION_EVERY_MS = 600_000
RETENTION_ROUNDS = 50
"""Batches deleted at one go: never a long transaction."""

log = structlog.get_logger(__name__)


class Pump:
    """Numbers and publishes the outbox, from `start` to `close`."""

    def __init__(self, database: Database, run: Run, bus: Bus, clock: Clock, keep_days: int = 14) -> None:
        """Take the parts."""
        self._database = database
        self._run = run
        self._bus = bus
        self._clock = clock
        self._keep = timedelta(days=keep_days)
        self._signal = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._swept_ms: int | None = None
        self._is_failing = False

    async def start(self) -> None:
        """Begin pumping."""
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.create_task(self._pump(), name="outbox-pump")

    async def close(self) -> None:
        """Stop; what is not numbered stays for the next process."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def nudge(self) -> None:
        """Say that a transaction wrote events; from any thread, returns at once."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._signal.set)

    async def pump_once(self) -> int:
        """Give numbers to what waits, at most `MAX_ROWS` a site, and publish it; return how many events that were."""
        count = 0
        for site in await self._run(self._database.read, repository.sites_waiting):
            events = await self._run(
                self._database.write, lambda session, site=site: repository.number_waiting(session, site)
            )
            for event in events:
                self._bus.publish(event.topic, as_message(event))
            count += len(events)
        return count

    async def sweep(self) -> int:
        """Delete events past their keeping; return how many."""
        before = self._clock.now() - self._keep
        deleted = 0
        for _ in range(RETENTION_ROUNDS):
            count = await self._run(self._database.write, lambda session: repository.delete_older(session, before))
            deleted += count
            if count < MAX_ROWS:
                break
        return deleted

    async def _pump(self) -> None:
        wait_ms = IDLE_MS
        while True:  # ends by cancellation, in `close`
            self._signal.clear()
            try:
                is_more = await self.pump_once() >= MAX_ROWS
                await self._sweep_sometimes()
                self._recovered()
                wait_ms = IDLE_MS
            except (SQLAlchemyError, DatabaseUnavailableError) as error:
                is_more = False
                wait_ms = min(wait_ms * 2, LONGEST_WAIT_MS)
                if not self._is_failing:
                    log.warning("outbox_waits", problem=str(error)[:200])
                self._is_failing = True
            if not is_more:
                with suppress(TimeoutError):
                    async with asyncio.timeout(wait_ms / 1000):
                        await self._signal.wait()

    async def _sweep_sometimes(self) -> None:
        now_ms = self._clock.monotonic_ms()
        if self._swept_ms is None or now_ms - self._swept_ms >= RETENTION_EVERY_MS:
            self._swept_ms = now_ms
            await self.sweep()

    def _recovered(self) -> None:
        if self._is_failing:
            log.info("outbox_goes_on")
        self._is_failing = False


def as_message(event: OutboxEvent) -> dict[str, object]:
    """Return the bus payload of an event, under the event's own topic."""
    return {"site": str(event.site_id), "number": event.number, "payload": event.payload}
