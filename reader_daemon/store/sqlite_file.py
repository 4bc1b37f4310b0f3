"""Opening a SQLite file so that a commit is durable, and naming what a disk can do wrong as a value.

It knows no table. A file system that silently refuses WAL or FULL (some network ones) is refused here, at the start.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

Connect = Callable[[Path], sqlite3.Connection]
"""How a file is opened; a test gives one whose disk fails."""

BUSY_TIMEOUT_MS = 2_000
SYNCHRONOUS_FULL = 2
"""The value of `PRAGMA synchronous` for FULL: a commit waits for the disk."""
_FILE_MODE = 0o600
_SIDE_FILES = ("", "-wal", "-shm")


class FaultKind(StrEnum):
    """What the disk did."""

    FULL = "full"
    """No room: on the disk, or in a journal of unacknowledged records."""
    IO = "io"
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True)
class StoreFault:
    """A read or write of the store that failed. A value: the use case turns it into a refusal."""

    kind: FaultKind
    detail: str


class StoreUnusableError(Exception):
    """The store cannot be used at all: the daemon must not start. The message says what to do."""


class StoreBrokenError(Exception):
    """A read that must not fail failed: the disk is broken now, and may be back later."""


def connect(path: Path) -> sqlite3.Connection:
    """Open a file for use by whichever single thread the executor has; transactions are explicit."""
    return sqlite3.connect(path, timeout=BUSY_TIMEOUT_MS / 1000, isolation_level=None, check_same_thread=False)


def open_durable(path: Path, connecting: Connect = connect) -> sqlite3.Connection:
    """Open `path` in WAL mode with synchronous=FULL and read both back.

    Raises StoreUnusableError when the file system refuses them, sqlite3.Error when the file is damaged or unreadable.
    """
    existed = path.exists()
    if not existed:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, _FILE_MODE))
    connection = connecting(path)
    try:
        _require_durable(connection, path)
    except BaseException:
        connection.close()
        raise
    if not existed:
        sync_directory(path.parent)
    return connection


def _require_durable(connection: sqlite3.Connection, path: Path) -> None:
    mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
    connection.execute("PRAGMA synchronous=FULL")
    level = connection.execute("PRAGMA synchronous").fetchone()[0]
    if mode != "wal" or level != SYNCHRONOUS_FULL:
        msg = (
            f"{path}: the file system grants journal_mode={mode}, synchronous={level}, needed are wal and "
            f"{SYNCHRONOUS_FULL}; put the data directory on a local disk (ext4, xfs), not on a network share"
        )
        raise StoreUnusableError(msg)


def write_again(connection: sqlite3.Connection) -> None:
    """Fold the log into the file, so that nothing rests on pages whose sync once failed.

    After a failed fsync Linux calls the pages written, reads give them back, and a power cut takes them: the log
    that is found at an open, even of an earlier process, may be of such pages. Folding writes them anew and syncs.
    Raises sqlite3.Error when that fails, also because somebody else is reading.
    """
    busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    if busy:
        msg = "the log cannot be folded in while somebody reads the file"
        raise sqlite3.OperationalError(msg)


def sync_directory(directory: Path) -> None:
    """Make the creation or renaming of a file in `directory` durable (SQLite does not for its main file)."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def set_aside(path: Path, at_ms: int) -> Path:
    """Rename a damaged file and its side files, so that a person can salvage it; returns the new name."""
    target = path.with_name(f"{path.stem}.damaged-{at_ms}{path.suffix}")
    for side in _SIDE_FILES:
        source = path.with_name(path.name + side)
        if source.exists():
            source.rename(target.with_name(target.name + side))
    sync_directory(path.parent)
    return target


def fault_of(error: Exception) -> StoreFault:
    """Name an error of SQLite or the operating system."""
    text = str(error)
    code = getattr(error, "sqlite_errorname", "") or ""
    if code == "SQLITE_FULL" or "full" in text:
        return StoreFault(FaultKind.FULL, text)
    if isinstance(error, sqlite3.DatabaseError) and (
        code in {"SQLITE_CORRUPT", "SQLITE_NOTADB"} or "malformed" in text or "not a database" in text
    ):
        return StoreFault(FaultKind.DAMAGED, text)
    return StoreFault(FaultKind.IO, text)
