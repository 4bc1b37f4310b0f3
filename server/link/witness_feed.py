"""One daemon as a witness of the audit log: it is offered every newer checkpoint, and its refusal is an alarm.

A daemon of an older version never says what it has seen, and is offered nothing (P21).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from cardcore.wire.messages import AuditCheckpoint, AuditWitness
from server.link.ports import OUTAGES, Audit, Devices, KnownDevice, Run

OFFER_SECONDS = 10.0
"""How often a daemon is offered what is new: bounds how long a rewritten log stays unseen (60 s is the promise)."""
REFUSED_KIND = "audit_refused"

log = structlog.get_logger(__name__)


class WitnessFeed:
    """Of one session; `serve` as a task for as long as it lives."""

    def __init__(
        self,
        audit: Audit,
        devices: Devices,
        run: Run,
        device: KnownDevice,
        send: Callable[[AuditCheckpoint], Awaitable[None]],
    ) -> None:
        """Take the parts."""
        self._audit = audit
        self._devices = devices
        self._run = run
        self._device = device
        self._send = send
        self._told: AuditWitness | None = None
        self._answered = asyncio.Event()
        self._refused: AuditCheckpoint | None = None
        self._offered: AuditCheckpoint | None = None

    def told(self, told: AuditWitness) -> None:
        """Take what the daemon says; returns at once."""
        self._told = told
        self._answered.set()

    async def serve(self) -> None:
        """Offer, take the answer, wait, again; ends with the session."""
        while True:
            await self._answered.wait()
            self._answered.clear()
            told = self._told
            try:
                if told is not None:
                    await self._take(told)
                    await self._offer_next(told)
            except OUTAGES as error:
                log.warning("audit_not_offered", device=str(self._device.link.id), error=repr(error)[:200])
                self._answered.set()
                await asyncio.sleep(OFFER_SECONDS)

    async def _take(self, told: AuditWitness) -> None:
        device = self._device.link.id
        if told.problem:
            self._refused = self._offered
            log.error("audit_checkpoint_refused", device=str(device), why=told.problem, seen=told.size)
            detail = {"why": told.problem, "seen": told.size}
            await self._run(self._devices.alarm, device, REFUSED_KIND, detail)
        elif told.cosignature:
            kept = await self._run(self._audit.cosigned, device, self._device.public_key, told)
            if not kept:
                log.warning("audit_cosignature_wrong", device=str(device), size=told.size)

    async def _offer_next(self, told: AuditWitness) -> None:
        """Wait until there is something new for this daemon, and offer it once."""
        while not self._answered.is_set():
            offer = await self._run(self._audit.offer, told)
            if offer is not None and offer != self._refused:
                self._offered = offer
                await self._send(offer)
                return
            await asyncio.sleep(OFFER_SECONDS)
