"""The sealer's place in a running server: seals every two seconds, through any outage of the database."""

from __future__ import annotations

import asyncio

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from server.audit.sealer import seal
from server.audit.tree_repository import MAX_LEAVES
from server.database import Database
from server.devices.register import Register
from server.link.ports import OUTAGES, Run
from server.system import System

SEAL_SECONDS = 2.0
"""Between a change and its seal lie at most this and one transaction: the window that the documentation names."""

log = structlog.get_logger(__name__)


class Sealing:
    """Seals the audit log of one installation, from `serve` until it is cancelled."""

    def __init__(self, database: Database, run: Run, system: System, devices: Register, key: Ed25519PrivateKey) -> None:
        """Take the parts; `key` is the installation's identity."""
        self._database = database
        self._run = run
        self._system = system
        self._devices = devices
        self._key = key
        self._is_failing = False

    async def serve(self) -> None:
        """Seal until cancelled; a failure is told once and tried again."""
        while True:
            try:
                grew = await self.seal_once()
                self._is_failing = False
            except OUTAGES as error:
                grew = 0
                if not self._is_failing:
                    log.warning("audit_seal_waits", problem=repr(error)[:200])
                self._is_failing = True
            if grew < MAX_LEAVES:
                await asyncio.sleep(SEAL_SECONDS)

    async def seal_once(self) -> int:
        """Seal what waits and return by how many leaves the tree grew."""
        generation = await self._run(self._devices.generation)
        return await self._run(self._database.write, lambda session: seal(session, self._system, self._key, generation))
