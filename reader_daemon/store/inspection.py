"""Verifying a journal file from outside, read-only, beside a daemon that may be running."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from reader_daemon.store.journal_schema import FORMAT_VERSION, JournalDamagedError, JournalKeys, verify_records


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a journal that verifies holds."""

    epochs: int
    pending: int
    """Records the server has not acknowledged."""


def inspect_journal(path: Path, keys: JournalKeys) -> Inspection:
    """Verify every kept record; raises JournalDamagedError, also for a file that cannot be read."""
    try:
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            return _inspect(connection, path, keys)
        finally:
            connection.close()
    except sqlite3.Error as error:
        msg = f"{path}: {error}"
        raise JournalDamagedError(msg) from error


def _inspect(connection: sqlite3.Connection, path: Path, keys: JournalKeys) -> Inspection:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version != FORMAT_VERSION:
        msg = f"{path} has format {version}, this version reads {FORMAT_VERSION}"
        raise JournalDamagedError(msg)
    epochs = connection.execute("SELECT epoch, acked_through FROM epoch ORDER BY ordinal").fetchall()
    heads = [verify_records(connection, epoch, keys, None) for epoch, _ in epochs]
    pending = sum(max(0, head.seq - acked) for head, (_, acked) in zip(heads, epochs, strict=True))
    return Inspection(len(epochs), pending)
