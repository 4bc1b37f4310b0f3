"""`/healthz`, `/readyz` and `/metrics`: is the process alive, can it serve, and how does it fare.

Redis lost is *degraded*, not unready: gates, tills and pages go on without it. Metrics are for this machine only; a
request that came through a proxy does not count as this machine's.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec
from fastapi import APIRouter, Request
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import Response

from cardcore.clock import Clock
from server.backup.manifest import newest_made_at
from server.bus.protocol import Bus, BusState
from server.database import Database, DatabaseUnavailableError, schema_version
from server.link.ports import Run
from server.metrics import CONTENT_TYPE, Metrics
from server.migrations.newest import newest_version
from server.problem import Problem, ProblemError

BEAT_MS = 500
BEATS_KEPT = 120
"""A minute of beats."""
CHECK_SECONDS = 4.0
"""Longer than the database's connect timeout."""
FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")


class LoopPulse:
    """Measures how late the event loop runs its timers: a blocked loop shows here first."""

    def __init__(self, clock: Clock, metrics: Metrics) -> None:
        """Take the clock; nothing runs before `start`."""
        self._clock = clock
        self._metrics = metrics
        self._lags_ms: deque[int] = deque(maxlen=BEATS_KEPT)
        self._began_ms = self._beat_ms = clock.monotonic_ms()
        self._task: asyncio.Task[None] | None = None

    @property
    def worst_ms(self) -> int:
        """The worst lag of the last minute."""
        return max(self._lags_ms, default=0)

    def as_json(self) -> dict[str, int]:
        """Return age and lags, milliseconds."""
        now_ms = self._clock.monotonic_ms()
        return {
            "uptime_ms": now_ms - self._began_ms,
            "loop_age_ms": now_ms - self._beat_ms,
            "loop_worst_lag_ms": self.worst_ms,
        }

    async def start(self) -> None:
        """Begin beating."""
        self._task = asyncio.create_task(self._beat(), name="loop-pulse")

    async def close(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _beat(self) -> None:
        while True:  # ends by cancellation, in `close`
            self._beat_ms = self._clock.monotonic_ms()
            await asyncio.sleep(BEAT_MS / 1000)
            lag_ms = max(0, self._clock.monotonic_ms() - self._beat_ms - BEAT_MS)
            self._lags_ms.append(lag_ms)
            self._metrics.loop_lag_seconds.set(self.worst_ms / 1000)


def health_router(
    database: Database, run: Run, bus: Bus, pulse: LoopPulse, metrics: Metrics, backups: Path, clock: Clock
) -> APIRouter:
    """Return the three routes."""
    router = APIRouter()

    async def checks() -> dict[str, str]:
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                version = await run(database.read, schema_version)
            found = {"database": "up", "schema": "current" if version == newest_version() else "outdated"}
        except (DatabaseUnavailableError, SQLAlchemyError, TimeoutError):
            found = {"database": "down", "schema": "unknown"}
        metrics.database_up.set(int(found["database"] == "up"))
        metrics.bus_up.set(int(bus.state is not BusState.DOWN))
        return {**found, "bus": str(bus.state)}

    def backup_age_hours() -> int | None:
        made_at = newest_made_at(backups)
        age = None if made_at is None else clock.now() - made_at
        metrics.backup_age_seconds.set(float("nan") if age is None else age.total_seconds())
        return None if age is None else int(age.total_seconds() // 3600)

    @router.get("/healthz")
    async def healthz() -> Response:
        return _json(200, {"status": "alive", **pulse.as_json()})

    @router.get("/readyz")
    async def readyz() -> Response:
        found: dict[str, str | int | None] = {**await checks(), "backup_age_hours": await run(backup_age_hours)}
        if found["schema"] != "current":
            return _json(503, {"status": "unready", **found, "advice": "onecard doctor"})
        return _json(200, {"status": "degraded" if found["bus"] == BusState.DOWN else "ready", **found})

    @router.get("/metrics")
    async def show_metrics(request: Request) -> Response:
        if not is_of_this_machine(request):
            raise ProblemError(Problem.NOT_FOUND)
        await checks()
        await run(backup_age_hours)
        return Response(metrics.render(), media_type=CONTENT_TYPE)

    return router


def is_of_this_machine(request: Request) -> bool:
    """Tell whether a request comes from a program on this machine, and not through a proxy on it."""
    if request.client is None or any(name in request.headers for name in FORWARDED):
        return False
    try:
        return ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False


def _json(status: int, body: Mapping[str, object]) -> Response:
    return Response(msgspec.json.encode(body), status, {"Cache-Control": "no-store"}, "application/json")
