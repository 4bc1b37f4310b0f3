"""The server's parts, made from its settings and put together: the composition root. Nothing runs before `start`.

`server.asgi` gives these parts their routes and pages.
"""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Coroutine
from typing import Any

import structlog

from server.audit.sealing import Sealing
from server.audit.witnesses import Witnesses
from server.bus.local import LocalBus
from server.bus.protocol import Bus
from server.bus.redis_bus import RedisBus
from server.database import Database, connect_batch, migrate
from server.devices.register import Register
from server.embedded import EmbeddedSupervisor
from server.executor import Executor
from server.health import LoopPulse
from server.issuing.stations import Stations
from server.keys.opening import open_vault
from server.keys.service import KeyService
from server.keys.vault import Vault
from server.lanes.orders import Orders
from server.link.directory import Directory
from server.link.endpoint import Endpoint
from server.link.listener import Listener
from server.link.policy_source import PolicySource
from server.lookout.task import Lookout
from server.metrics import Metrics
from server.outbox.feed import OutboxFeed
from server.outbox.pump import Pump
from server.presence.housekeeping import Housekeeping
from server.secrets_file import load_secrets
from server.settings import Settings
from server.subsidies.monthly import MonthlyTask
from server.sweep.task import keep_sweeping
from server.system import System, real_system
from server.taps.batcher import Batcher
from server.taps.repository import PostgresTaps
from server.taps.service import TapService
from server.webhooks.sending import trust_of
from server.webhooks.targets import parse_targets
from server.webhooks.task import Webhooks

YOUNG_OBJECTS = 100_000
"""Containers made before the collector looks for cycles. Taps leave none behind, and at Python's own 700 the collector
took a quarter of the tap path's throughput and doubled its p99."""

log = structlog.get_logger(__name__)


class Parts:
    """Everything a server process holds."""

    def __init__(self, settings: Settings, system: System | None = None) -> None:
        """Build the parts. With no database address this starts the embedded PostgreSQL and brings its schema up."""
        self.settings = settings
        self.system = system or real_system()
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        self.secrets = load_secrets(settings.data_dir, self.system.ids)
        self.keys = KeyService(_vault(settings))
        self._embedded = (
            None
            if settings.database_url
            else EmbeddedSupervisor(settings.data_dir, wal_archive=settings.wal_archive_dir)
        )
        self.url = _brought_up(self._embedded) if self._embedded else settings.database_url
        self.database = Database(self.url)
        self.run = Executor("service", settings.executor_threads)
        self._run_batch = Executor("taps", 1)
        self.metrics = Metrics()
        self._taps = TapService(PostgresTaps(lambda: connect_batch(self.url)), self.system)
        self.batcher = Batcher(self._taps, self._run_batch, self.metrics)
        self.devices = Register(self.database, self.system, self.secrets)
        self.policy = PolicySource(self.database)
        self.directory = Directory(self.policy, self.devices, self.run)
        self.link = Endpoint(
            self.directory, self.batcher, self.devices, self.policy, self.run, self.system, self.secrets.identity
        )
        self.link.audit = Witnesses(self.database, self.system)
        self.link.desk = Stations(self.database, self.keys, self.system)
        self.metrics.links.set_function(lambda: len(self.directory))
        self.pulse = LoopPulse(self.system.clock, self.metrics)
        self.bus: Bus = RedisBus(settings.redis_url, self.system.ids) if settings.redis_url else LocalBus()
        self.pump = Pump(self.database, self.run, self.bus, self.system.clock, settings.outbox_days)
        self.feed = OutboxFeed(self.database, self.run, self.bus)
        orders = Orders(self.directory, self.database, self.run, self.system)
        self._listener = Listener(self.bus, self.directory, self.devices, self.run, orders)
        self._sealing = Sealing(self.database, self.run, self.system, self.devices, self.secrets.identity)
        self._housekeeping = Housekeeping(self.database, self.run, self.system)
        self._monthly = MonthlyTask(self.database, self.run, self.system)
        self._lookout = Lookout(self.database, self.run, self.system)
        self.webhook_targets = parse_targets(settings.webhook_targets)
        trust = trust_of(settings.webhook_ca_file)
        self._webhooks = Webhooks(self.database, self.bus, self.system, self.secrets, self.webhook_targets, trust)
        self._tasks: list[asyncio.Task[None]] = []
        self._thresholds = gc.get_threshold()

    async def start(self) -> None:
        """Start the background tasks on the running loop."""
        await self.bus.start()
        await self.pump.start()
        await self.pulse.start()
        self.spawn("listener", self._listener.serve())
        self.spawn("batcher", self.batcher.serve())
        self.spawn("audit-sealer", self._sealing.serve())
        self.spawn("housekeeping", self._housekeeping.serve())
        self.spawn("monthly", self._monthly.serve())
        self.spawn("lookout", self._lookout.serve())
        self.spawn("webhooks", self._webhooks.serve())
        self.spawn("directory-watch", self.directory.watch())
        self.spawn("sweep", keep_sweeping(self.database, self.run, self.system, self.metrics))
        # What stands now lives as long as the process: keeping it out of collections takes them out of the p99.
        gc.collect()
        gc.freeze()
        self._thresholds = gc.get_threshold()
        gc.set_threshold(YOUNG_OBJECTS, *self._thresholds[1:])

    def spawn(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Run a background task for as long as the process serves."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        task.add_done_callback(_ended)
        self._tasks.append(task)

    async def stop(self) -> None:
        """Say goodbye to the daemons, end the tasks, close what was opened, let the collector look as before."""
        gc.unfreeze()
        gc.set_threshold(*self._thresholds)
        await self.directory.close()
        await self.pump.close()
        await self.pulse.close()
        await self.bus.close()
        for task in self._tasks:
            task.cancel()
        # A task that failed was told of by `_ended`; it must not keep the database from being stopped.
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._run_batch(self._taps.close)
        self._run_batch.close()
        self.run.close()
        self.keys.close()
        self.database.close()
        if self._embedded:
            self._embedded.stop()


def _vault(settings: Settings) -> Vault | None:
    """Open the card keys where a ceremony was held and their secret is given."""
    unlocking = (settings.keys_passphrase_file, settings.keys_module, settings.keys_token)
    return open_vault(settings.data_dir, *unlocking, os.environ)


def _brought_up(embedded: EmbeddedSupervisor) -> str:
    """Start the embedded PostgreSQL and bring its schema up; leaves nothing running when that fails."""
    url = embedded.start()
    try:
        migrate(url)
    except BaseException:
        embedded.stop()
        raise
    return url


def _ended(task: asyncio.Task[None]) -> None:
    """Tell of a background task that failed, at once: nobody waits for it before the process stops."""
    if not task.cancelled() and task.exception() is not None:
        log.error("background_task_failed", task=task.get_name(), exc_info=task.exception())
