"""What this box has witnessed of the audit log: the newest checkpoint it accepted, and every one it refused.

A file of its own, made with the first checkpoint: neither journal nor policy may suffer from it, and it must not be
rebuilt with them. Plain synchronous calls from one thread.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from reader_daemon.store.sqlite_file import Connect, StoreFault, connect, fault_of, open_durable

FILE_NAME = "witness.db"
MAX_REFUSED = 1_000
"""Refusals kept; the first ones tell when it began, so later ones are only counted."""
_TABLES = """
CREATE TABLE IF NOT EXISTS seen (one INTEGER PRIMARY KEY CHECK (one = 1), note TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS refused (
    number INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, why TEXT NOT NULL, note TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS restored (number INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, note TEXT NOT NULL) STRICT;
"""


@dataclass(frozen=True, slots=True)
class Witnessed:
    """What the file holds; `seen` is empty before the first checkpoint."""

    seen: str = ""
    refused: tuple[tuple[int, str], ...] = ()
    """When (wall ms) and why, oldest first."""
    restored: int = 0
    """Restores that two officers accounted for."""


class WitnessStore:
    """See the module."""

    def __init__(self, directory: Path, connecting: Connect = connect) -> None:
        """Name the file; nothing is made before the first `keep` or `refuse`."""
        self._path = directory / FILE_NAME
        self._connecting = connecting
        self._connection: sqlite3.Connection | None = None

    def load(self) -> Witnessed | StoreFault:
        """Return what was witnessed; a file that is not there is an empty one."""
        if not self._path.exists():
            return Witnessed()
        try:
            connection = self._opened()
            seen = connection.execute("SELECT note FROM seen").fetchone()
            refused = connection.execute("SELECT at_ms, why FROM refused ORDER BY number").fetchall()
            restored = connection.execute("SELECT count(*) FROM restored").fetchone()[0]
        except sqlite3.Error as error:
            return fault_of(error)
        return Witnessed(seen[0] if seen else "", tuple(refused), restored)

    def keep(self, note: str, at_ms: int, restore: str = "") -> StoreFault | None:
        """Keep the newest checkpoint that was accepted, and the statement that allowed it to be shorter."""
        statements: list[tuple[str, tuple[object, ...]]] = [("INSERT OR REPLACE INTO seen VALUES (1, ?)", (note,))]
        if restore:
            statements.append(("INSERT INTO restored (at_ms, note) VALUES (?, ?)", (at_ms, restore)))
        return self._write(statements)

    def refuse(self, note: str, why: str, at_ms: int) -> StoreFault | None:
        """Keep a checkpoint that was refused."""
        statement = "INSERT INTO refused (at_ms, why, note) SELECT ?, ?, ? WHERE (SELECT count(*) FROM refused) < ?"
        return self._write([(statement, (at_ms, why, note, MAX_REFUSED))])

    def close(self) -> None:
        """Close the file, if it was opened."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = open_durable(self._path, self._connecting)
            self._connection.executescript(_TABLES)
        return self._connection

    def _write(self, statements: list[tuple[str, tuple[object, ...]]]) -> StoreFault | None:
        try:
            connection = self._opened()
            connection.execute("BEGIN IMMEDIATE")
            try:
                for text, values in statements:
                    connection.execute(text, values)
                connection.execute("COMMIT")
            except BaseException:
                connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            self._connection = None
            return fault_of(error)
        return None
