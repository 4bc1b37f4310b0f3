"""The policy this daemon decides by, on disk: items, deny list and when the server last confirmed them.

May be lost at any time: the server sends it again. So damage means an empty snapshot, never a guess. Installed in one
transaction, whole or not at all. Plain synchronous calls from one thread.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from cardcore.access.snapshot import Snapshot, StateItem
from cardcore.ids import CredentialKey
from reader_daemon.store.sqlite_file import (
    Connect,
    FaultKind,
    StoreFault,
    StoreUnusableError,
    connect,
    fault_of,
    open_durable,
    set_aside,
)

FORMAT_VERSION = 1
_TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE item (key TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID, STRICT;
CREATE TABLE denied (credential TEXT PRIMARY KEY, reason TEXT NOT NULL, version INTEGER NOT NULL) WITHOUT ROWID, STRICT;
"""


@dataclass(frozen=True, slots=True)
class DeniedCard:
    """A credential refused whatever the snapshot says, until a snapshot of `version` or newer is in."""

    reason: str
    version: int


@dataclass(frozen=True, slots=True)
class StoredPolicy:
    """What the disk held. `confirmed_ms` 0 = the server never confirmed it. `problem` says what was thrown away."""

    snapshot: Snapshot
    denied: Mapping[CredentialKey, DeniedCard]
    deny_version: int
    confirmed_ms: int
    contact_ms: int
    problem: str = ""


class SnapshotStore:
    """See the module. `open` it; writes answer with a `StoreFault` when the disk fails."""

    def __init__(self, path: Path, connecting: Connect = connect) -> None:
        """Name the file; nothing is opened yet."""
        self._path = path
        self._connecting = connecting
        self._connection: sqlite3.Connection | None = None

    def open(self, at_ms: int) -> StoredPolicy:
        """Open and load; a damaged or disagreeing file is set aside and an empty policy returned."""
        problem = ""
        try:
            self._open_file()
            return self._load()
        except (sqlite3.DatabaseError, msgspec.DecodeError, msgspec.ValidationError, ValueError, KeyError) as error:
            if isinstance(error, sqlite3.OperationalError) and fault_of(error).kind is not FaultKind.DAMAGED:
                msg = f"{self._path}: {error}"
                raise StoreUnusableError(msg) from error
            problem = str(error)[:200]
        self.close()
        set_aside(self._path, at_ms)
        self._open_file()
        return StoredPolicy(Snapshot.empty(), {}, 0, 0, 0, problem)

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def install(
        self, snapshot: Snapshot, changes: Iterable[StateItem], *, whole: bool, confirmed_ms: int
    ) -> StoreFault | None:
        """Write a version: its changes, or all its items when `whole`; drops the deny entries it overtakes."""

        def work(connection: sqlite3.Connection) -> None:
            if whole:
                connection.execute("DELETE FROM item")
            for key, body in changes:
                if body:
                    connection.execute("INSERT OR REPLACE INTO item VALUES (?, ?)", (key, body))
                else:
                    connection.execute("DELETE FROM item WHERE key = ?", (key,))
            connection.execute("DELETE FROM denied WHERE version <= ?", (snapshot.version,))
            self._put(connection, version=snapshot.version, content_hash=snapshot.content_hash)
            self._put(connection, confirmed_ms=confirmed_ms, contact_ms=confirmed_ms)

        return self._transaction(work)

    def deny(self, version: int, entries: Mapping[CredentialKey, DeniedCard]) -> StoreFault | None:
        """Add entries of the deny list."""

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany(
                "INSERT OR REPLACE INTO denied VALUES (?, ?, ?)",
                [(credential, card.reason, card.version) for credential, card in entries.items()],
            )
            self._put(connection, deny_version=version)

        return self._transaction(work)

    def confirm(self, confirmed_ms: int, contact_ms: int) -> StoreFault | None:
        """Note when the server last said that this version is current, and when it was last heard."""
        return self._transaction(
            lambda connection: self._put(connection, confirmed_ms=confirmed_ms, contact_ms=contact_ms)
        )

    def _open_file(self) -> None:
        self._connection = open_durable(self._path, self._connecting)
        version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            self._connection.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version={FORMAT_VERSION}; COMMIT;")
        elif version != FORMAT_VERSION:
            msg = f"format {version} is not {FORMAT_VERSION}"
            raise ValueError(msg)

    def _load(self) -> StoredPolicy:
        assert self._connection is not None
        meta = dict(self._connection.execute("SELECT key, value FROM meta").fetchall())
        items = (StateItem(*row) for row in self._connection.execute("SELECT key, body FROM item"))
        version = int(meta.get("version", 0))
        snapshot = Snapshot.empty().with_changes(version, items)
        if snapshot.content_hash != meta.get("content_hash", Snapshot.empty().content_hash):
            msg = "the items do not have the hash they were installed with"
            raise ValueError(msg)
        rows = self._connection.execute("SELECT credential, reason, version FROM denied")
        return StoredPolicy(
            snapshot,
            {CredentialKey(credential): DeniedCard(reason, of) for credential, reason, of in rows},
            int(meta.get("deny_version", 0)),
            int(meta.get("confirmed_ms", 0)),
            int(meta.get("contact_ms", 0)),
        )

    @staticmethod
    def _put(connection: sqlite3.Connection, **values: int | bytes) -> None:
        connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", list(values.items()))

    def _transaction(self, work: Callable[[sqlite3.Connection], None]) -> StoreFault | None:
        try:
            if self._connection is None:
                self._open_file()
            assert self._connection is not None
            self._connection.execute("BEGIN IMMEDIATE")
            work(self._connection)
            self._connection.execute("COMMIT")
        except (sqlite3.Error, OSError, ValueError) as error:
            self.close()
            return fault_of(error)
        return None
