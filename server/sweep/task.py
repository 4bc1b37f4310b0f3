"""The sweep as a task of the server process: soon after the start, then every hour, one site after the other."""

from __future__ import annotations

import asyncio

import structlog

from cardcore.ids import SiteId
from server.database import Database
from server.link.ports import OUTAGES, Run
from server.metrics import Metrics
from server.sweep import repository
from server.sweep.service import Swept, sweep
from server.system import System

FIRST_SECONDS = 300.0
"""After the start: the devices' backlog goes first."""
EVERY_SECONDS = 3_600.0

log = structlog.get_logger(__name__)


async def keep_sweeping(database: Database, run: Run, system: System, metrics: Metrics) -> None:
    """Sweep until cancelled; an outage or a query that takes too long is logged and counted, and tried next time."""
    await asyncio.sleep(FIRST_SECONDS)
    while True:
        await sweep_all(database, run, system, metrics)
        await asyncio.sleep(EVERY_SECONDS)


async def sweep_all(database: Database, run: Run, system: System, metrics: Metrics) -> None:
    """Sweep every site once."""
    metrics.invariants_broken.clear()
    try:
        for site in await run(database.read, repository.sites):
            swept = await run(sweep, database, system, SiteId(site))
            tell(str(site), swept, metrics)
    except OUTAGES as error:
        metrics.sweeps.labels("failed").inc()
        log.error("sweep_failed", error=repr(error)[:300])  # noqa: TRY400 - an outage is no bug: no traceback
        return
    metrics.sweeps.labels("done").inc()


def tell(site: str, swept: Swept, metrics: Metrics) -> None:
    """Set the metric for all that is broken; log what changed."""
    for name, violations in swept.broken.items():
        metrics.invariants_broken.labels(name).inc(len(violations))
    for name in swept.newly_broken:
        named = [violation.subject for violation in swept.broken[name][:3]]
        log.error("invariant_broken", invariant=name, site=site, rows=len(swept.broken[name]), first=named)
    for name in swept.newly_whole:
        log.info("invariant_whole", invariant=name, site=site)
