"""A daemon's disk: SQLite files that survive the process, may lose what was never synced, fill up and fail.

The product's own SQL runs unchanged on a database in memory. What a commit promises is what `PRAGMA synchronous` says:
FULL is durable at once; less is durable only when a later sync came, and a power cut takes it back.
(How SQLite itself survives torn pages is not this simulator's question: `tests/power_cut` cuts real files.)
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

FULL = 2
SYNC_EVERY_COMMITS = 40
"""Commits after which the operating system syncs by itself."""
_LEVELS = {"OFF": 0, "NORMAL": 1, "FULL": FULL}

Parameters = Any
FileImage = tuple[sqlite3.Connection, dict[tuple[int, int], bytes]]
DiskImage = dict[str, FileImage]


_made: dict[str, sqlite3.Connection] = {}
"""New files by the script that made their tables."""


def _in_memory() -> sqlite3.Connection:
    return sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)


def _copy(source: sqlite3.Connection) -> sqlite3.Connection:
    copy = _in_memory()
    source.backup(copy)
    return copy


class DiskFile:
    """One database: as the process sees it, and as it was when last synced."""

    def __init__(self) -> None:
        self.connection = _in_memory()
        self.is_new = True
        self.synchronous = FULL
        self._synced: sqlite3.Connection | None = None
        self._unsynced = 0
        self._written: list[tuple[int, int, bytes]] = []
        self._waiting: list[tuple[int, int, bytes]] = []
        self.durable: dict[tuple[int, int], bytes] = {}
        """Bodies of the journal's records on the platter, by epoch and seq."""

    def note(self, parameters: tuple[Any, ...]) -> None:
        """Note a journal record in the open transaction."""
        self._written.append((parameters[0], parameters[1], parameters[3]))

    def committed(self) -> None:
        """Take a commit: durable now, or with the next sync."""
        self._waiting += self._written
        self._written.clear()
        if self.synchronous == FULL:
            self._sync()
            return
        self._unsynced += 1
        if self._unsynced >= SYNC_EVERY_COMMITS:
            self._sync()
            self._synced = _copy(self.connection)

    def rolled_back(self) -> None:
        """Forget the open transaction."""
        self._written.clear()

    def lowered(self, level: int) -> None:
        """Take another `synchronous`."""
        self.synchronous = level
        if level != FULL and self._synced is None:
            self._synced = _copy(self.connection)

    def _sync(self) -> None:
        self.durable.update({(epoch, seq): body for epoch, seq, body in self._waiting})
        self._waiting.clear()
        self._unsynced = 0

    def power_cut(self) -> None:
        """Lose whatever was not synced."""
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")
        self._written.clear()
        self._waiting.clear()
        if self._synced is not None and self._unsynced:
            self.connection = _copy(self._synced)
            self._unsynced = 0

    def image(self) -> FileImage:
        """Return everything on the platter."""
        return _copy(self.connection), dict(self.durable)

    def restore(self, image: FileImage) -> None:
        """Put an image in place of everything."""
        self.connection = _copy(image[0])
        self.is_new = False
        self.durable = dict(image[1])


class SimulatedDisk:
    """The disk of one host. `full` and `failing` are chances that a commit fails so."""

    def __init__(self, stream: random.Random) -> None:
        self._stream = stream
        self.files: dict[str, DiskFile] = {}
        self.full = 0.0
        self.failing = 0.0
        self.failed = 0
        """Commits that failed."""

    def connect(self, path: Path) -> sqlite3.Connection:
        """Open a file; implements `reader_daemon.store.sqlite_file.Connect`."""
        if path.name not in self.files:
            self.files[path.name] = DiskFile()
        return cast("sqlite3.Connection", DiskConnection(self, self.files[path.name]))

    def power_cut(self) -> None:
        """Lose what was not synced, in every file."""
        for file in self.files.values():
            file.power_cut()

    def wipe(self, directory: Path) -> None:
        """Lose everything, the files themselves included."""
        for name in self.files:
            (directory / name).unlink(missing_ok=True)
        self.files.clear()

    def image(self) -> DiskImage:
        """Return a copy of everything."""
        return {name: file.image() for name, file in self.files.items()}

    def restore(self, image: DiskImage) -> None:
        """Put a copy back."""
        for name, content in image.items():
            self.files.setdefault(name, DiskFile()).restore(content)

    def fate(self) -> str:
        """Draw a commit's fate: nothing, `full`, or it fails and is on the platter (`kept`) or not (`lost`)."""
        if self.full and self._stream.random() < self.full:
            self.failed += 1
            return "full"
        if self.failing and self._stream.random() < self.failing:
            self.failed += 1
            return self._stream.choice(("lost", "kept"))
        return ""


class DiskConnection:
    """What the store holds of a file: as much of `sqlite3.Connection` as it uses."""

    def __init__(self, disk: SimulatedDisk, file: DiskFile) -> None:
        self._disk = disk
        self._file = file

    def execute(self, statement: str, parameters: Parameters = ()) -> sqlite3.Cursor:
        """Run one statement; a commit may fail."""
        file = self._file
        if statement == "COMMIT":
            self._commit()
            return file.connection.cursor()
        if statement.startswith("PRAGMA "):
            return self._pragma(statement.removeprefix("PRAGMA "))
        if statement.startswith("INSERT INTO record "):
            file.note(parameters)
        return file.connection.execute(statement, parameters)

    def executemany(self, statement: str, parameters: Iterable[Parameters]) -> sqlite3.Cursor:
        """Run one statement for many rows."""
        return self._file.connection.executemany(statement, parameters)

    def executescript(self, script: str) -> sqlite3.Cursor:
        """Run a script, with its own commit. One that makes the tables of a new file is run once and copied then."""
        file = self._file
        if not file.is_new:
            return file.connection.executescript(script)
        if script not in _made:
            file.connection.executescript(script)
            _made[script] = _copy(file.connection)
        else:
            file.connection = _copy(_made[script])
        file.is_new = False
        return file.connection.cursor()

    def close(self) -> None:
        """Let go of the file; what was not committed is gone."""
        if self._file.connection.in_transaction:
            self._file.connection.execute("ROLLBACK")
        self._file.rolled_back()

    def _commit(self) -> None:
        fate = self._disk.fate()
        if fate == "full":
            message = "database or disk is full"
            raise sqlite3.OperationalError(message)
        if fate != "lost":
            self._file.connection.execute("COMMIT")
            self._file.committed()
        if fate:
            message = "disk I/O error"
            raise sqlite3.OperationalError(message)

    def _pragma(self, words: str) -> sqlite3.Cursor:
        connection = self._file.connection
        name, _, value = words.partition("=")
        if name == "journal_mode":
            return connection.execute("SELECT 'wal'")
        if name == "synchronous" and value:
            self._file.lowered(_LEVELS[value.strip()])
        if name == "synchronous":
            return connection.execute(f"SELECT {self._file.synchronous}")
        return connection.execute(f"PRAGMA {words}")
