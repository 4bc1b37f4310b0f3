"""Verifying a journal file from outside, read-only, beside a daemon that may be running."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cardcore.ids import TapKey
from cardcore.journal import ChainHead, Record, authentic, first_break
from reader_daemon.store.journal_schema import FORMAT_VERSION, JournalDamagedError, JournalKeys, verify_records

CHECKED_AT_ONCE = 500
"""Records of one step: some milliseconds, so that a tap never waits long for the interpreter."""


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


def check_steps(path: Path, keys: JournalKeys) -> Iterator[int]:
    """Verify every kept record, a few a step, beside the daemon that writes; yields how many were verified so far.

    Raises JournalDamagedError naming the first record that does not verify, also for a file that cannot be read.
    """
    checked = 0
    try:
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None, check_same_thread=False)
        try:
            for (epoch,) in connection.execute("SELECT epoch FROM epoch ORDER BY ordinal").fetchall():
                head: ChainHead | None = None
                while rows := connection.execute(_NEXT, (epoch, head.seq if head else 0, CHECKED_AT_ONCE)).fetchall():
                    head = _follow(head, [Record(*row) for row in rows], epoch, keys)
                    checked += len(rows)
                    yield checked
        finally:
            connection.close()
    except sqlite3.Error as error:
        msg = f"{path}: {error}"
        raise JournalDamagedError(msg) from error


_NEXT = "SELECT seq, body, previous, hash, mac FROM record WHERE epoch = ? AND seq > ? ORDER BY seq LIMIT ?"


def _follow(head: ChainHead | None, records: list[Record], epoch: int, keys: JournalKeys) -> ChainHead:
    before = head or ChainHead(records[0].seq - 1, records[0].previous)
    wrong = first_break(before, records)
    for record in records:
        if record.seq == wrong or not authentic(record, TapKey(keys.device, epoch, record.seq), keys.record_key):
            msg = f"record {record.seq} of epoch {epoch} does not verify"
            raise JournalDamagedError(msg)
    return ChainHead(records[-1].seq, records[-1].hash)
