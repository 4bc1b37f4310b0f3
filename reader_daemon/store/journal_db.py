"""The journal of this daemon: records appended durably under gap-free numbers, kept after the server has them.

Plain synchronous calls, one writer: run them through one single-threaded executor. A disk that fails is a value
(`StoreFault`); after a fault the file is closed, reopened and verified before anything is written again, because a
failed fsync says nothing about what reached the disk.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from cardcore.ids import MAX_EPOCH, IdSource, TapKey
from cardcore.journal import START, Body, ChainHead, Intent, Record, write_record
from reader_daemon.store import tap_state
from reader_daemon.store.ballast import BALLAST_BYTES, Ballast
from reader_daemon.store.journal_schema import (
    TAIL_RECORDS,
    JournalDamagedError,
    JournalKeys,
    prepare,
    verify_records,
)
from reader_daemon.store.latencies import Latencies
from reader_daemon.store.served_totals import Served, served_between
from reader_daemon.store.sqlite_file import (
    Connect,
    FaultKind,
    StoreBrokenError,
    StoreFault,
    StoreUnusableError,
    connect,
    fault_of,
    open_durable,
    set_aside,
    write_again,
)

CAPACITY_RECORDS = 2_000_000
"""Unacknowledged records beyond which taps are refused; with them about 1.2 GB."""
RING_RECORDS = 1_000_000
RING_DAYS = 30
PRUNED_AT_ONCE = 500
MILLISECONDS_PER_DAY = 86_400_000
RESERVED_RECORDS = 1_000
"""Room above the capacity for outcomes and events: a tap that was taken can always be closed."""


@dataclass(frozen=True, slots=True)
class JournalSettings:
    """Where the journal is and how large it may grow."""

    path: Path
    keys: JournalKeys
    host: str
    """Fingerprint of the host and directory; another one than stored means a copied directory."""
    capacity_records: int = CAPACITY_RECORDS
    ring_records: int = RING_RECORDS
    ring_days: int = RING_DAYS
    ballast_bytes: int = BALLAST_BYTES


@dataclass(frozen=True, slots=True)
class StartReport:
    """What was found at the start, to be recorded as events. Empty strings = nothing to tell."""

    set_aside: str = ""
    """Name the damaged file was given."""
    damage: str = ""
    copied_from: str = ""
    """Fingerprint of the host the directory was copied from."""
    open_taps_left: int = 0
    """Open taps of a closed epoch: nobody will close them here, the server lists them."""


class Position(NamedTuple):
    """Where the journal stands for the server: epoch, its last number, what is acknowledged, what waits in all."""

    epoch: int
    last_seq: int
    acked_through: int
    pending: int


class JournalStore:
    """See the module. `open` it; every other method may answer with a `StoreFault`."""

    def __init__(
        self,
        settings: JournalSettings,
        ids: IdSource,
        *,
        microseconds: Callable[[], int],
        connecting: Connect = connect,
    ) -> None:
        """Hold the settings; nothing is opened yet. `microseconds` measures how long a durable write takes."""
        self._settings = settings
        self._ids = ids
        self._connecting = connecting
        self._connection: sqlite3.Connection | None = None
        self._microseconds = microseconds
        self._acked: dict[int, int] = {}
        self._stored_marks: dict[int, int] = {}
        self._last: dict[int, int] = {}
        self.epoch = 0
        self.head = START
        self.sync_times = Latencies()
        self.ballast = Ballast(settings.path.with_name("ballast"), settings.ballast_bytes)

    # --- opening -------------------------------------------------------------------------------------------

    def open(self, at_ms: int) -> StartReport:
        """Open and verify; a damaged file is set aside and a new epoch begun.

        Raises StoreUnusableError when the directory cannot hold a journal at all.
        """
        report = StartReport()
        try:
            self._open_making_room()
        except (JournalDamagedError, sqlite3.DatabaseError) as error:
            self.close()
            if isinstance(error, sqlite3.OperationalError) and fault_of(error).kind is not FaultKind.DAMAGED:
                msg = f"{self._settings.path}: {error}"
                raise StoreUnusableError(msg) from error
            aside = set_aside(self._settings.path, at_ms)
            report = StartReport(set_aside=aside.name, damage=str(error))
            self._open_file()
        self.ballast.take()
        stored = self._meta("host")
        if stored == self._settings.host:
            return report
        left = 0
        if stored:
            left = len(tap_state.open_taps(self._live(), self.epoch))
            self._require(self.begin_epoch("copied directory"))  # before the host: a copy never goes on in the old one
        self._require(self._set_meta("host", self._settings.host))
        if not stored:
            return report
        return StartReport(report.set_aside, report.damage, copied_from=stored, open_taps_left=left)

    def _require(self, fault: StoreFault | None) -> None:
        if fault is not None:
            self.close()
            msg = f"{self._settings.path}: {fault.detail}"
            raise StoreUnusableError(msg)

    def close(self) -> None:
        """Close the file; the journal may be opened again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open_making_room(self) -> None:
        try:
            self._open_file()
        except sqlite3.OperationalError as error:
            if fault_of(error).kind is not FaultKind.FULL or not self.ballast.held:
                raise
            self.close()
            self.ballast.drop()  # so that a full disk does not keep the daemon from starting and saying so
            self._open_file()

    def _open_file(self) -> None:
        self._connection = open_durable(self._settings.path, self._connecting)
        write_again(self._connection)
        if not prepare(self._connection) and (fault := self.begin_epoch("")) is not None:
            raise sqlite3.OperationalError(fault.detail)
        epochs = self._connection.execute("SELECT epoch, acked_through FROM epoch ORDER BY ordinal").fetchall()
        self._stored_marks = dict(epochs)
        self._acked = {epoch: max(acked, self._acked.get(epoch, 0)) for epoch, acked in epochs}
        self._last = {epoch: self._last_of(epoch) for epoch in self._acked}
        self.epoch = epochs[-1][0]
        self.head = verify_records(self._connection, self.epoch, self._settings.keys, TAIL_RECORDS)

    def _last_of(self, epoch: int) -> int:
        query = "SELECT coalesce(max(seq), 0) FROM record WHERE epoch = ?"
        return int(self._live().execute(query, (epoch,)).fetchone()[0])

    def _reopen(self) -> StoreFault | None:
        try:
            self._open_file()
        except (JournalDamagedError, sqlite3.Error) as error:
            self.close()
            return (
                StoreFault(FaultKind.DAMAGED, str(error)) if isinstance(error, JournalDamagedError) else fault_of(error)
            )
        return None

    def _live(self) -> sqlite3.Connection:
        if self._connection is None and (fault := self._reopen()) is not None:
            raise StoreBrokenError(fault.detail)
        assert self._connection is not None
        return self._connection

    # --- writing -------------------------------------------------------------------------------------------

    def append(self, body: Body) -> Record | StoreFault:
        """Append a record and wait until it is durable."""
        if self._connection is None and (fault := self._reopen()) is not None:
            return fault
        if self._full(body):
            return StoreFault(FaultKind.FULL, "the journal is full of records the server has not acknowledged")
        begun_us = self._microseconds()
        key = TapKey(self._settings.keys.device, self.epoch, self.head.seq + 1)
        record = write_record(key, self.head.hash, body, self._settings.keys.record_key)
        fault = self._transaction(lambda connection: self._insert(connection, record, body))
        if fault is not None:
            return fault
        self.head = ChainHead(record.seq, record.hash)
        self._last[self.epoch] = record.seq
        self.sync_times.add(self._microseconds() - begun_us)
        return record

    def _full(self, body: Body) -> bool:
        room = 0 if isinstance(body, Intent) else RESERVED_RECORDS
        return self.pending >= self._settings.capacity_records + room

    def _insert(self, connection: sqlite3.Connection, record: Record, body: Body) -> None:
        connection.execute(
            "INSERT INTO record (epoch, seq, at_ms, body, previous, hash, mac) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (self.epoch, record.seq, body.stamp.at_ms, record.body, record.previous, record.hash, record.mac),
        )
        tap_state.follow(connection, self.epoch, record.seq, body)

    def _transaction(self, work: Callable[[sqlite3.Connection], object]) -> StoreFault | None:
        if self._connection is None and (fault := self._reopen()) is not None:
            return fault
        connection = self._live()
        try:
            connection.execute("BEGIN IMMEDIATE")
            work(connection)
            connection.execute("COMMIT")
        except (sqlite3.Error, OSError) as error:
            fault = fault_of(error)
            if fault.kind is FaultKind.FULL:
                self.ballast.drop()
            # Whether the commit reached the disk is unknown: never retried, the file is read anew (F6).
            self.close()
            return fault
        return None

    # --- what the server has ---------------------------------------------------------------------------------

    @property
    def pending(self) -> int:
        """Count the records that the server has not acknowledged, closed epochs included."""
        return sum(self._last.get(epoch, 0) - acked for epoch, acked in list(self._acked.items()))

    @property
    def fill_percent(self) -> int:
        """How full the journal is of unacknowledged records, 0..100."""
        return min(100, self.pending * 100 // self._settings.capacity_records)

    def position(self) -> Position:
        """Return where the current epoch stands."""
        return Position(self.epoch, self.head.seq, self._acked.get(self.epoch, 0), self.pending)

    def next_position(self) -> Position:
        """Return where the epoch stands that the next session is about: the oldest with something to send."""
        for epoch, acked_through, last_seq in self.pending_epochs():
            return Position(epoch, last_seq, acked_through, self.pending)
        return self.position()

    def pending_epochs(self) -> tuple[tuple[int, int, int], ...]:
        """Return (epoch, acked through, last seq) of every epoch with something to send, oldest first."""
        return tuple(
            (epoch, acked, self._last[epoch]) for epoch, acked in self._acked.items() if self._last[epoch] > acked
        )

    def last_seq(self, epoch: int) -> int:
        """Return the last number of an epoch; 0 for one that is not ours."""
        return self._last.get(epoch, 0)

    def acked_through(self, epoch: int) -> int:
        """Return the server's mark for an epoch as last heard; 0 for one that is not ours."""
        return self._acked.get(epoch, 0)

    def note_acked(self, epoch: int, acked_through: int) -> None:
        """Take a mark that came with a live decision, in memory only: the next upload's ack makes it durable."""
        if epoch in self._acked:
            self._acked[epoch] = max(self._acked[epoch], min(acked_through, self._last[epoch]))

    def mark_acked(self, epoch: int, acked_through: int, at_ms: int) -> StoreFault | None:
        """Note that the server holds everything up to a number; prunes a little. Nothing is deleted for the ack."""
        if epoch not in self._acked:
            return None
        mark = min(acked_through, self._last[epoch])
        if mark <= self._stored_marks[epoch]:
            return None
        return self._set_mark(epoch, mark, at_ms)

    def _set_mark(self, epoch: int, mark: int, at_ms: int) -> StoreFault | None:
        def work(connection: sqlite3.Connection) -> None:
            connection.execute("UPDATE epoch SET acked_through = ? WHERE epoch = ?", (mark, epoch))
            tap_state.forget_meals(connection, epoch, mark)
            self._prune(connection, epoch, mark, at_ms)

        fault = self._transaction(work)
        if fault is None:
            self._acked[epoch] = self._stored_marks[epoch] = mark
        return fault

    def _prune(self, connection: sqlite3.Connection, epoch: int, mark: int, at_ms: int) -> None:
        oldest_kept_ms = at_ms - self._settings.ring_days * MILLISECONDS_PER_DAY
        connection.execute(
            "DELETE FROM record WHERE epoch = ? AND seq <= ? AND seq IN"
            " (SELECT seq FROM record WHERE epoch = ? AND at_ms < ? ORDER BY seq LIMIT ?)",
            (epoch, mark - self._settings.ring_records, epoch, oldest_kept_ms, PRUNED_AT_ONCE),
        )

    def rewind(self, epoch: int, acked_through: int, *, others: bool, at_ms: int) -> StoreFault | None:
        """Take the server's lower mark of an epoch as the truth and send again from there (P10).

        `others`: the server was restored, so all other epochs are sent again too, from the oldest kept record.
        """
        if others:
            for other in list(self._acked):
                if other != epoch and (fault := self._set_mark(other, self._oldest(other), at_ms)) is not None:
                    return fault
        return self._set_mark(epoch, max(acked_through, self._oldest(epoch)), at_ms)

    def _oldest(self, epoch: int) -> int:
        """Return the number before the oldest record that is still kept."""
        row = self._one("SELECT coalesce(min(seq), 1) FROM record WHERE epoch = ?", epoch)
        return 0 if row is None else int(row[0]) - 1

    def begin_epoch(self, because: str) -> StoreFault | None:
        """Close the current epoch and begin another, random and never used before (P2)."""
        epoch = int.from_bytes(self._ids.random_bytes(8), "big") % MAX_EPOCH + 1

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("UPDATE epoch SET closed_because = ? WHERE epoch = ?", (because, self.epoch))
            connection.execute("INSERT INTO epoch (epoch) VALUES (?)", (epoch,))
            connection.execute("DELETE FROM open_tap WHERE epoch = ?", (self.epoch,))

        fault = self._transaction(work)
        if fault is None:
            self.epoch, self.head = epoch, START
            self._acked[epoch] = self._stored_marks[epoch] = self._last[epoch] = 0
        return fault

    # --- reading -------------------------------------------------------------------------------------------

    def records_after(self, epoch: int, seq: int, max_records: int, max_bytes: int) -> tuple[Record, ...] | StoreFault:
        """Return the next records in order, at most so many and so many bytes of body (but at least one)."""
        query = "SELECT seq, body, previous, hash, mac FROM record WHERE epoch = ? AND seq > ? ORDER BY seq LIMIT ?"
        found: list[Record] = []
        size_bytes = 0
        try:
            for row in self._live().execute(query, (epoch, seq, max_records)):
                record = Record(*row)
                size_bytes += len(record.body)
                if found and size_bytes > max_bytes:
                    break
                found.append(record)
        except (sqlite3.Error, StoreBrokenError) as error:
            return fault_of(error)
        return tuple(found)

    def hash_at(self, epoch: int, seq: int) -> bytes | None:
        """Return the hash of a kept record, or None. Raises StoreBrokenError."""
        if seq == 0:
            return START.hash
        row = self._one("SELECT hash FROM record WHERE epoch = ? AND seq = ?", epoch, seq)
        return None if row is None else bytes(row[0])

    def open_taps(self) -> tuple[tap_state.OpenTap, ...]:
        """Return the taps of the current epoch without an outcome. Raises StoreBrokenError."""
        try:
            return tap_state.open_taps(self._live(), self.epoch)
        except sqlite3.Error as error:
            raise StoreBrokenError(str(error)) from error

    def _one(self, query: str, *values: int | str) -> tuple[Any, ...] | None:
        try:
            row: tuple[Any, ...] | None = self._live().execute(query, values).fetchone()
        except sqlite3.Error as error:
            raise StoreBrokenError(str(error)) from error
        return row

    def offline_meals(self, till: str) -> tap_state.OfflineMeals | StoreFault:
        """Return what a till served alone and the server has not acknowledged."""
        try:
            return tap_state.offline_meals(self._live(), till)
        except (sqlite3.Error, StoreBrokenError) as error:
            return fault_of(error)

    def last_served(self) -> dict[str, tap_state.LastServed]:
        """Return the last meal of every till."""
        return tap_state.last_served(self._live())

    def recent_passages(self) -> list[tap_state.LanePassage]:
        """Return who passed this box's lanes lately, oldest first."""
        return tap_state.recent_passages(self._live(), self.epoch)

    def served_between(self, from_ms: int, until_ms: int) -> dict[tuple[str, str], Served] | StoreFault:
        """Return what the tills served in [from, until), by (till, meal)."""
        try:
            return served_between(self._live(), from_ms, until_ms)
        except (sqlite3.Error, StoreBrokenError) as error:
            return fault_of(error)

    def verify_all(self) -> ChainHead:
        """Verify every kept record of every epoch; raises JournalDamagedError. For `doctor`, not for a tap."""
        heads = [verify_records(self._live(), epoch, self._settings.keys, None) for epoch in self._acked]
        return heads[-1]

    # --- small facts -----------------------------------------------------------------------------------------

    @property
    def generation(self) -> str:
        """The server generation last known; empty at first."""
        return self._meta("generation")

    def set_generation(self, generation: str) -> StoreFault | None:
        """Remember the server's generation."""
        return self._set_meta("generation", generation)

    @property
    def stated_through(self) -> date | None:
        """The last business day whose totals were stated; None at first."""
        noted = self._meta("stated_through")
        return date.fromisoformat(noted) if noted else None

    def set_stated_through(self, day: date) -> StoreFault | None:
        """Remember the last business day whose totals were stated."""
        return self._set_meta("stated_through", str(day))

    def _meta(self, key: str) -> str:
        row = self._one("SELECT value FROM meta WHERE key = ?", key)
        return "" if row is None else str(row[0])

    def _set_meta(self, key: str, value: str) -> StoreFault | None:
        return self._transaction(
            lambda connection: connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))
        )
