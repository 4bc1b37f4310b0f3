"""Reading records out of a journal, whole or damaged, without changing it: what is authentic is returned, in order.

A page that cannot be read costs its records, not those behind it. Nothing here trusts the file: each record's hash and
seal are checked.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cardcore.ids import TapKey
from cardcore.journal import Record, authentic
from reader_daemon.store.journal_schema import JournalDamagedError, JournalKeys

READ_AT_ONCE = 500
MAX_EPOCHS = 1_000
MAX_STEPS = 5_000_000
"""Attempts to read on behind damage; more than any journal has records."""
_AFTER = "SELECT seq, body, previous, hash, mac FROM record WHERE epoch = ? AND seq > ? ORDER BY seq LIMIT ?"


@dataclass(slots=True)
class Salvaged:
    """What was left out: records that are not authentic, and numbers that are missing."""

    forged: int = 0
    missing: list[tuple[int, int, int]] = field(default_factory=list)
    """Epoch, first and last missing number."""
    unreadable: list[str] = field(default_factory=list)


class JournalReader:
    """A journal file opened read-only, beside a daemon that may be running."""

    def __init__(self, path: Path, keys: JournalKeys) -> None:
        """Open. Raises JournalDamagedError when not even the list of epochs can be read."""
        self._keys = keys
        self.salvaged = Salvaged()
        try:
            self._connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
            self.epochs = self._epochs()
        except sqlite3.Error as error:
            msg = f"{path}: {error}"
            raise JournalDamagedError(msg) from error

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _epochs(self) -> dict[int, int]:
        """Return epochs in order with what the server has acknowledged; from the records where the list is gone."""
        try:
            query = "SELECT epoch, acked_through FROM epoch ORDER BY ordinal LIMIT ?"
            return dict(self._connection.execute(query, (MAX_EPOCHS,)).fetchall())
        except sqlite3.DatabaseError as error:
            self.salvaged.unreadable.append(f"list of epochs: {error}")
            found = self._connection.execute("SELECT DISTINCT epoch FROM record LIMIT ?", (MAX_EPOCHS,)).fetchall()
            return {row[0]: 0 for row in found}

    def records(self, epoch: int, after: int) -> Iterator[Record]:
        """Yield the authentic records of an epoch behind a number, and note what is missing between them."""
        last = self._last(epoch)
        expected = seq = after
        for _ in range(MAX_STEPS):
            if seq >= last:
                return
            rows, seq = self._some(epoch, seq, last)
            for row in rows:
                record = Record(*row)
                if not authentic(record, TapKey(self._keys.device, epoch, record.seq), self._keys.record_key):
                    self.salvaged.forged += 1
                    continue
                if record.seq > expected + 1 and (expected or after):
                    self.salvaged.missing.append((epoch, expected + 1, record.seq - 1))
                expected = record.seq
                yield record

    def _some(self, epoch: int, seq: int, last: int) -> tuple[list[tuple[int, bytes, bytes, bytes, bytes]], int]:
        """Return the next rows and where to go on; damage makes the steps smaller, and then skips one number."""
        for count in (READ_AT_ONCE, 1):
            try:
                rows = self._connection.execute(_AFTER, (epoch, seq, count)).fetchall()
            except sqlite3.DatabaseError:
                continue
            return rows, (int(rows[-1][0]) if rows else last)
        return [], seq + 1

    def _last(self, epoch: int) -> int:
        try:
            row = self._connection.execute("SELECT max(seq) FROM record WHERE epoch = ?", (epoch,)).fetchone()
        except sqlite3.DatabaseError as error:
            self.salvaged.unreadable.append(f"end of epoch {epoch}: {error}")
            return MAX_STEPS
        return int(row[0] or 0)
