"""The tables of `journal.db`, and the checks that it may be trusted at start.

A record is never changed after its insert: `epoch.acked_through` says what the server has.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from cardcore.ids import DeviceId, TapKey
from cardcore.journal import START, ChainHead, Record, authentic, first_break

FORMAT_VERSION = 1
TAIL_RECORDS = 1_000
"""Records verified at every start."""

TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID, STRICT;
CREATE TABLE epoch (
    ordinal INTEGER PRIMARY KEY,
    epoch INTEGER NOT NULL UNIQUE,
    acked_through INTEGER NOT NULL DEFAULT 0,
    closed_because TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE TABLE record (
    epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    body BLOB NOT NULL,
    previous BLOB NOT NULL,
    hash BLOB NOT NULL,
    mac BLOB NOT NULL,
    PRIMARY KEY (epoch, seq)
) WITHOUT ROWID, STRICT;
CREATE TABLE open_tap (
    epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    place TEXT NOT NULL,
    credential TEXT NOT NULL,
    verdict BLOB,
    PRIMARY KEY (epoch, seq)
) WITHOUT ROWID, STRICT;
CREATE TABLE offline_meal (
    epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    till TEXT NOT NULL,
    credential TEXT NOT NULL,
    amount INTEGER NOT NULL,
    PRIMARY KEY (epoch, seq)
) WITHOUT ROWID, STRICT;
CREATE TABLE last_served (
    till TEXT PRIMARY KEY,
    credential TEXT NOT NULL,
    verdict BLOB NOT NULL
) WITHOUT ROWID, STRICT;
"""

SMALL_TABLES = ("meta", "epoch", "open_tap", "offline_meal", "last_served")


class JournalDamagedError(Exception):
    """The file opened, but what it holds does not verify."""


@dataclass(frozen=True, slots=True)
class JournalKeys:
    """Whose journal it is, and the key that seals its records."""

    device: DeviceId
    record_key: bytes


def prepare(connection: sqlite3.Connection) -> bool:
    """Create the tables in an empty file, else read all the small ones; returns whether an epoch is there.

    A power cut right after the tables were made leaves none: then one is begun, and nothing was lost.
    Raises JournalDamagedError for a format this version does not know and for records without an epoch.
    """
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == 0:
        connection.executescript(f"BEGIN IMMEDIATE; {TABLES} PRAGMA user_version={FORMAT_VERSION}; COMMIT;")
        return False
    if version != FORMAT_VERSION:
        msg = f"the journal has format {version}, this version reads {FORMAT_VERSION}"
        raise JournalDamagedError(msg)
    for table in SMALL_TABLES:  # damage in them is found now, not at the first tap
        connection.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608 - names of our own
    if connection.execute("SELECT count(*) FROM epoch").fetchone()[0]:
        return True
    if connection.execute("SELECT count(*) FROM (SELECT 1 FROM record LIMIT 1)").fetchone()[0]:
        msg = "the journal has records and no epoch"
        raise JournalDamagedError(msg)
    return False


def verify_records(connection: sqlite3.Connection, epoch: int, keys: JournalKeys, tail: int | None) -> ChainHead:
    """Check seals and chain of the last `tail` records of an epoch (None = all kept); returns the head.

    Raises JournalDamagedError naming the first record that does not verify.
    """
    last = connection.execute("SELECT max(seq) FROM record WHERE epoch = ?", (epoch,)).fetchone()[0]
    if last is None:
        return START
    first = 1 if tail is None else max(1, last - tail + 1)
    rows = connection.execute(
        "SELECT seq, body, previous, hash, mac FROM record WHERE epoch = ? AND seq >= ? ORDER BY seq", (epoch, first)
    )
    head: ChainHead | None = None
    for row in rows:
        record = Record(*row)
        # The oldest record that is kept vouches for nothing before it, unless it is the very first.
        before = head or ChainHead(record.seq - 1, START.hash if record.seq == 1 else record.previous)
        key = TapKey(keys.device, epoch, record.seq)
        if first_break(before, (record,)) is not None or not authentic(record, key, keys.record_key):
            msg = f"record {record.seq} of epoch {epoch} does not verify"
            raise JournalDamagedError(msg)
        head = ChainHead(record.seq, record.hash)
    return head or START
