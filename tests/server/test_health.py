"""Health, readiness and metrics: Redis lost is degraded, the database lost is unready, metrics stay on the machine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI

from server.backup.manifest import MANIFEST_FILE, Kind, Manifest, write
from server.bus.local import LocalBus
from server.bus.protocol import Bus
from server.bus.redis_bus import RedisBus
from server.database import Database
from server.executor import Executor
from server.health import LoopPulse, health_router
from server.metrics import Metrics
from server.problem import Problem, ProblemError, install_problems
from server.system import System


@pytest.fixture
def run() -> Iterator[Executor]:
    made = Executor("test", 2)
    yield made
    made.close()


@asynccontextmanager
async def site(
    database: Database, run: Executor, bus: Bus, system: System, backups: Path = Path("none")
) -> AsyncIterator[httpx2.AsyncClient]:
    app, metrics = FastAPI(), Metrics()
    install_problems(app, system.ids)
    app.include_router(
        health_router(database, run, bus, LoopPulse(system.clock, metrics), metrics, backups, system.clock)
    )

    @app.get("/fault")
    async def fault() -> None:
        msg = "select secret from nowhere"
        raise LookupError(msg)

    @app.get("/refused")
    async def refused() -> None:
        raise ProblemError(Problem.TOO_MANY)

    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://test") as client:
        yield client


async def test_ready_and_alive(database: Database, run: Executor, system: System) -> None:
    async with site(database, run, LocalBus(), system) as client:
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()) == (
            200, {"status": "ready", "database": "up", "schema": "current", "bus": "local", "backup_age_hours": None},
        )  # fmt: skip
        assert (await client.get("/healthz")).json()["status"] == "alive"


async def test_the_age_of_the_newest_backup_is_told(
    database: Database, run: Executor, system: System, tmp_path: Path
) -> None:
    made_at = system.clock.now() - timedelta(hours=27, minutes=5)
    (tmp_path / "one").mkdir()
    about = Manifest("one", Kind.BASE, made_at, "0.1", "0001", "18", "", (), 1, "")
    write(tmp_path / "one", MANIFEST_FILE, about)
    async with site(database, run, LocalBus(), system, tmp_path) as client:
        assert (await client.get("/readyz")).json()["backup_age_hours"] == 27
        assert "onecard_backup_age_seconds 97500.0" in (await client.get("/metrics")).text


async def test_redis_lost_is_degraded_not_unready(database: Database, run: Executor, system: System) -> None:
    bus = RedisBus("redis://127.0.0.1:1/0", system.ids)
    async with site(database, run, bus, system) as client:
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()["status"], ready.json()["bus"]) == (200, "degraded", "down")
    await bus.close()


async def test_an_old_schema_is_unready(empty_postgres_url: str, run: Executor, system: System) -> None:
    database = Database(empty_postgres_url)
    async with site(database, run, LocalBus(), system) as client:
        assert (await client.get("/readyz")).status_code == 503
    database.close()


async def test_no_database_is_unready_but_alive(run: Executor, system: System) -> None:
    database = Database("postgresql://nobody@127.0.0.1:1/none")
    async with site(database, run, LocalBus(), system) as client:
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()["database"]) == (503, "down")
        assert (await client.get("/healthz")).status_code == 200
    database.close()


async def test_metrics_stay_on_this_machine(database: Database, run: Executor, system: System) -> None:
    async with site(database, run, LocalBus(), system) as client:
        assert "onecard_database_up 1.0" in (await client.get("/metrics")).text
        through_proxy = await client.get("/metrics", headers={"X-Forwarded-For": "10.0.0.1"})
        assert through_proxy.status_code == 404


async def test_a_fault_says_nothing_but_a_reference(database: Database, run: Executor, system: System) -> None:
    async with site(database, run, LocalBus(), system) as client:
        answer = await client.get("/fault")
        assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
        assert answer.json().keys() == {"type", "title", "status", "code", "reference"}
        assert "secret" not in answer.text
        refused = await client.get("/refused", headers={"Accept-Language": "zh-CN"})
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "5")
        missing = await client.get("/nowhere")
        assert (missing.status_code, missing.json()["code"]) == (404, "not_found")


def test_no_peer_can_grow_the_metrics() -> None:
    metrics = Metrics()
    for number in range(100):
        metrics.tap("gate", f"made up {number}", granted=False, offline=False)
    assert metrics.render().count(b"onecard_taps_total{") == 1
