"""Putting policy in force: on disk and in memory, whole or not at all; the deny list in memory first (P14)."""

from __future__ import annotations

import asyncio

import structlog

from cardcore.access.snapshot import StateItem
from cardcore.clock import Clock, to_millis
from cardcore.wire.messages import Deny, StateInstalled
from reader_daemon.blocking import RunBlocking
from reader_daemon.policy import Policy
from reader_daemon.store.snapshot_db import DeniedCard, SnapshotStore
from reader_daemon.uplink.effects import InstallState
from reader_daemon.uplink.transfer import build_snapshot

CONFIRM_EVERY_MS = 60_000
"""How often the age of the snapshot is written to disk while nothing changes."""

_log = structlog.get_logger(__name__)


class PolicyInstaller:
    """See the module. `run` is the policy's own thread: a large snapshot must not delay the journal."""

    def __init__(self, policy: Policy, store: SnapshotStore, run: RunBlocking, clock: Clock) -> None:
        """Take an open store."""
        self._policy = policy
        self._store = store
        self._run = run
        self._clock = clock
        self._written_ms: int | None = None
        self._installing = asyncio.Lock()

    async def install(self, effect: InstallState) -> StateInstalled:
        """Build, verify, store, then decide by a transferred version; the answer says what is in force."""
        async with self._installing:
            return await self._install(effect)

    async def _install(self, effect: InstallState) -> StateInstalled:
        base = self._policy.snapshot
        if effect.begin.version == base.version and effect.begin.content_hash == base.content_hash:
            return self.in_force()
        built = await self._run(lambda: build_snapshot(base, effect.begin, effect.items))
        if isinstance(built, str):
            _log.warning("state_refused", version=effect.begin.version, problem=built)
            return self.in_force(built)
        snapshot = built
        confirmed_ms = to_millis(self._clock.now())
        changes = (StateItem(key, body) for key, body in effect.items)
        whole = effect.begin.base_version == 0
        fault = await self._run(lambda: self._store.install(snapshot, changes, whole=whole, confirmed_ms=confirmed_ms))
        if fault is not None:
            _log.error("state_not_stored", version=snapshot.version, detail=fault.detail)
            return self.in_force(f"cannot be stored: {fault.detail}")
        self._policy.install(snapshot)
        _log.info("state_installed", version=snapshot.version, items=len(snapshot), whole=whole)
        return self.in_force()

    async def deny(self, deny: Deny) -> StateInstalled:
        """Refuse these credentials from now on; a disk that fails does not delay that."""
        entries = {credential: DeniedCard(reason, deny.version) for credential, reason in deny.entries}
        self._policy.deny(deny.version, entries)
        fault = await self._run(lambda: self._store.deny(deny.version, entries))
        if fault is not None:
            _log.error("deny_list_not_stored", version=deny.version, detail=fault.detail)
        _log.info("deny_list_installed", version=deny.version, entries=len(entries))
        return self.in_force()

    async def confirmed(self) -> None:
        """Note that the server calls our version the newest."""
        self._policy.confirm()
        await self.save_ages()

    async def save_ages(self) -> None:
        """Write when the server was last heard, at most once a minute."""
        now_ms = self._clock.monotonic_ms()
        if self._written_ms is not None and now_ms - self._written_ms < CONFIRM_EVERY_MS:
            return
        self._written_ms = now_ms
        confirmed_ms, contact_ms = self._policy.confirmed_ms, self._policy.contact_ms
        fault = await self._run(lambda: self._store.confirm(confirmed_ms, contact_ms))
        if fault is not None:
            _log.error("ages_not_stored", detail=fault.detail)

    def in_force(self, problem: str = "") -> StateInstalled:
        """Return what this daemon decides by."""
        snapshot = self._policy.snapshot
        return StateInstalled(snapshot.version, snapshot.content_hash, self._policy.deny_version, problem)
