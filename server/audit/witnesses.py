"""The audit log as the link sees it: what to offer a daemon, and what it made of it. Each call is one transaction.

Implements `server.link.ports.Audit`.
"""

from __future__ import annotations

from functools import partial

from cardcore import merkle
from cardcore.checkpoint import RestoreStatement, is_cosigned, parse_restore
from cardcore.ids import DeviceId
from cardcore.signed_note import parse_note
from cardcore.wire.messages import AuditCheckpoint, AuditWitness
from server.audit import tree_repository as tree
from server.database import Database, ReadSession, WriteSession
from server.system import System

LOOK_MS = 2_000


class Witnesses:
    """Blocking calls; run them off the loop."""

    def __init__(self, database: Database, system: System) -> None:
        """Take the parts."""
        self._database = database
        self._system = system
        self._newest: tuple[int, bytes] = (0, merkle.EMPTY_ROOT)
        self._looked_ms: int | None = None

    def offer(self, told: AuditWitness) -> AuditCheckpoint | None:
        """Return the newest checkpoint with its proof from what a daemon has seen; None when it has seen it."""
        if self._where_it_stands() == (told.size, told.root):
            return None
        return self._database.read(lambda session: _offer(session, told), stable=True)

    def cosigned(self, device_id: DeviceId, device_key: bytes, told: AuditWitness) -> bool:
        """Keep a daemon's signature under a checkpoint; False when it is none."""
        at = self._system.clock.now()

        def write(session: WriteSession) -> bool:
            for row in tree.checkpoints(session, told.size, told.size):
                if is_cosigned(row["note"], told.cosignature, str(device_id), device_key):
                    tree.insert_cosignature(session, told.size, device_id, told.cosignature, at)
                    return True
            return False

        return self._database.write(write)

    def _where_it_stands(self) -> tuple[int, bytes]:
        """Return size and root as of at most `LOOK_MS` ago: thousands of daemons ask the database once."""
        now_ms = self._system.clock.monotonic_ms()
        if self._looked_ms is None or now_ms - self._looked_ms >= LOOK_MS:
            found = self._database.read(tree.newest_checkpoint)
            self._newest = (0, merkle.EMPTY_ROOT) if found is None else (int(found["size"]), bytes(found["root"]))
            self._looked_ms = now_ms
        return self._newest


def _offer(session: ReadSession, told: AuditWitness) -> AuditCheckpoint | None:
    newest = tree.newest_checkpoint(session)
    if newest is None or (int(newest["size"]), bytes(newest["root"])) == (told.size, told.root):
        return None
    size, nodes = int(newest["size"]), partial(tree.node, session)
    if told.size <= size and merkle.root(told.size, nodes) == told.root:
        return AuditCheckpoint(newest["note"], told.size, tuple(merkle.consistency_proof(told.size, size, nodes)))
    note = parse_note(tree.newest_restore(session))
    statement = None if note is None else parse_restore(note)
    if note is not None and statement is not None and _covers(statement, told, size):
        old = statement.new[0]
        proof = tuple(merkle.consistency_proof(old, size, nodes))
        return AuditCheckpoint(newest["note"], old, proof, note.document())
    # Nothing can be proven: the daemon refuses this and raises the alarm, as it must.
    return AuditCheckpoint(newest["note"], min(told.size, size))


def _covers(statement: RestoreStatement, told: AuditWitness, size: int) -> bool:
    return statement.new[0] <= size and statement.new[0] < told.size <= statement.old[0]
