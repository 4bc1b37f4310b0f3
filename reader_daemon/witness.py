"""The daemon as a witness of the server's audit log: it keeps the newest checkpoint and refuses a changed history.

A refusal is kept for ever, told to the server, logged and journaled as an alarm; lanes and tills go on (security sheet,
section 8.3). What it decides by is `cardcore.witness.judge`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import structlog

from cardcore.checkpoint import Checkpoint, cosigned, read_checkpoint
from cardcore.clock import Clock, to_millis
from cardcore.wire.messages import AuditCheckpoint, AuditWitness
from cardcore.witness import NOTHING_SEEN, Offer, WitnessRefusal, judge
from reader_daemon.blocking import RunBlocking
from reader_daemon.identity import Identity
from reader_daemon.store.sqlite_file import StoreFault
from reader_daemon.store.witness_db import WitnessStore

Alarm = Callable[[str, str], Awaitable[None]]
"""Journals an alarm: event and detail."""

UNREADABLE = AuditWitness(0, b"", problem="unreadable")

_log = structlog.get_logger(__name__)


class Witness:
    """See the module. One for the life of a daemon; calls come one after the other, from the uplink."""

    def __init__(
        self,
        identity: Identity,
        store: WitnessStore,
        run: RunBlocking,
        clock: Clock,
        officers: Mapping[str, bytes],
        alarm: Alarm,
    ) -> None:
        """Take the parts; `officers` are the keys that may sign a restore statement, given by hand."""
        self._identity = identity
        self._store = store
        self._run = run
        self._clock = clock
        self._officers = officers
        self._alarm = alarm
        self._seen: tuple[int, bytes] | None = None
        self._told = ""

    async def position(self) -> AuditWitness:
        """Return what this witness has seen, for the server to prove from."""
        seen = await self._load()
        return UNREADABLE if seen is None else AuditWitness(*seen)

    async def judged(self, offered: AuditCheckpoint) -> AuditWitness:
        """Accept or refuse a checkpoint, durably, and return the answer for the server."""
        seen = await self._load()
        if seen is None:
            return UNREADABLE
        offer = Offer(offered.note, offered.old_size, offered.proof, offered.restore)
        found = judge(seen, offer, self._identity.server_key, self._officers)
        if isinstance(found, WitnessRefusal):
            return await self._refused(seen, offered, found)
        restore = offered.restore if offered.old_size != seen[0] else ""
        fault = await self._run(lambda: self._store.keep(offered.note, self._now_ms(), restore))
        if fault is not None:
            return await self._not_kept(seen, fault)
        self._seen = found.tree
        if restore:
            await self._alarm("audit_restored", f"the log went back from {seen[0]} rows; two officers signed for it")
        signature = cosigned(offered.note, self._identity.device, self._identity.signing_key())
        return AuditWitness(found.size, found.root, cosignature=signature)

    async def _refused(self, seen: tuple[int, bytes], offered: AuditCheckpoint, why: WitnessRefusal) -> AuditWitness:
        fault = await self._run(lambda: self._store.refuse(offered.note, why, self._now_ms()))
        detail = f"{why}: the server's audit log does not continue the {seen[0]} rows that this box has seen"
        _log.error("audit_checkpoint_refused", why=str(why), seen=seen[0], kept=fault is None)
        if self._told != why:
            self._told = why
            await self._alarm("audit_refused", detail)
        return AuditWitness(*seen, problem=str(why))

    async def _not_kept(self, seen: tuple[int, bytes], fault: StoreFault) -> AuditWitness:
        _log.error("audit_checkpoint_not_kept", detail=fault.detail)
        return AuditWitness(*seen)

    async def _load(self) -> tuple[int, bytes] | None:
        """Return what was seen; None while the file cannot be read: then nothing is accepted."""
        if self._seen is None:
            held = await self._run(self._store.load)
            if isinstance(held, StoreFault):
                _log.error("witness_unreadable", detail=held.detail)
                return None
            checkpoint = read_checkpoint(held.seen, self._identity.server_key) if held.seen else None
            self._seen = checkpoint.tree if isinstance(checkpoint, Checkpoint) else NOTHING_SEEN
        return self._seen

    def _now_ms(self) -> int:
        return to_millis(self._clock.now())
