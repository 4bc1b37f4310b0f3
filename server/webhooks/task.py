"""The task that sends webhooks: apart from everything else, with threads of its own, so that no receiver delays a tap.

Any number of server processes may run one; each webhook is sent for by one of them at a time (`progress.claim`).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import structlog

from server.bus.protocol import Bus
from server.database import Database
from server.executor import Executor
from server.link.ports import OUTAGES
from server.outbox.events import Topic
from server.secrets_file import ServerSecrets, WrongKeyError
from server.system import System
from server.webhooks import progress, progress_repository
from server.webhooks.models import LOG_KEPT, PING, RUN_EVENTS, RUN_SECONDS, Lease, Message
from server.webhooks.sending import Sender, addresses_of
from server.webhooks.targets import Target

THREADS = 3
"""For the database and for looking names up; never those of taps or services."""
MAX_AT_ONCE = 6
"""Webhooks sent for at the same time by one process."""
LOOK_MS = 1_000
GATHER_MS = 200
"""After a hint: lets the burst of a busy moment become one look."""
OUTAGE_WAIT_MS = 5_000
FORGET_EVERY = timedelta(hours=1)
FORGET_ROWS = 1_000
FORGET_ROUNDS = 50

log = structlog.get_logger(__name__)


class Webhooks:
    """Sends for every webhook that has something to send, until cancelled."""

    def __init__(
        self,
        database: Database,
        bus: Bus,
        system: System,
        secrets: ServerSecrets,
        targets: Sequence[Target],
        trust: ssl.SSLContext,
    ) -> None:
        """Take the parts, the allow-list, and what receivers' certificates are checked by."""
        self._database = database
        self._bus = bus
        self._system = system
        self._secrets = secrets
        self._run = Executor("webhooks", THREADS)
        self._sender = Sender(targets, partial(self._run, addresses_of), system.clock, trust)
        self._running: set[asyncio.Task[None]] = set()
        self._forgotten_at: datetime | None = None
        self._is_failing = False

    async def serve(self) -> None:
        """Run until cancelled; an outage of the database is told once."""
        try:
            with self._bus.subscribe(*Topic) as hints:
                while True:  # ends by cancellation
                    wait_ms = LOOK_MS
                    try:
                        await self.look()
                        self._is_failing = False
                    except OUTAGES as error:
                        if not self._is_failing:
                            log.warning("webhooks_wait", problem=str(error)[:200])
                        self._is_failing, wait_ms = True, OUTAGE_WAIT_MS
                    if await hints.wait(wait_ms):
                        await asyncio.sleep(GATHER_MS / 1000)
        finally:
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)
            self._run.close()

    async def look(self) -> None:
        """Begin to send for every webhook that has something, as far as there is room."""
        await self._forget_sometimes()
        while len(self._running) < MAX_AT_ONCE:
            held = await self._run(self._database.write, partial(progress.claim, system=self._system))
            if held is None:
                return
            task = asyncio.create_task(self._attend(held), name=f"webhook-{held.name}")
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def settled(self) -> None:
        """Wait until everything that was begun has had its turn."""
        while self._running:
            await asyncio.gather(*self._running)

    async def _attend(self, held: Lease) -> None:
        try:
            await self._send_waiting(held)
        except OUTAGES as error:
            log.warning("webhook_waits", webhook=str(held.id), problem=str(error)[:200])
        except WrongKeyError as error:
            log.error("webhook_secret_lost", webhook=str(held.id), problem=str(error)[:200])  # noqa: TRY400 - no bug

    async def _send_waiting(self, held: Lease) -> None:
        secrets = [self._secrets.open(sealed, held.id.bytes).decode() for sealed in held.secrets]
        ends_ms = self._system.clock.monotonic_ms() + RUN_SECONDS * 1000
        if held.ping is not None:
            await self._try(held, secrets, Message(held.ping, None, PING, {"webhook": held.name}, self._now()))
        while held.is_active and self._system.clock.monotonic_ms() < ends_ms:
            messages = await self._run(self._database.write, partial(progress.waiting, system=self._system, held=held))
            for message in messages:
                if not await self._try(held, secrets, message):
                    return
                held = replace(held, cursor=message.number or held.cursor, failures=0, failing_since=None)
                if self._system.clock.monotonic_ms() >= ends_ms:
                    break
            if len(messages) < RUN_EVENTS:
                break
        await self._run(self._database.write, partial(progress.released, held=held))

    async def _try(self, held: Lease, secrets: Sequence[str], message: Message) -> bool:
        """Send one message and write down what came of it; False when this webhook has had its turn."""
        attempt = await self._sender.send(held.url, secrets, message)
        call = partial(progress.noted, system=self._system, held=held, attempt=attempt)
        going_on: bool = await self._run(self._database.write, call)
        if not going_on:
            log.info("webhook_stays", webhook=str(held.id), number=message.number, result=str(attempt.result))
        return going_on

    def _now(self) -> datetime:
        return self._system.clock.now()

    async def _forget_sometimes(self) -> None:
        now = self._now()
        if self._forgotten_at is not None and now - self._forgotten_at < FORGET_EVERY:
            return
        self._forgotten_at = now
        for _ in range(FORGET_ROUNDS):
            call = partial(progress_repository.forget, before=now - LOG_KEPT, limit=FORGET_ROWS)
            if await self._run(self._database.write, call) < FORGET_ROWS:
                return
