"""Thousands of ways in which the power can go: what the journal called durable is there, in every one (F5, I7, I10)."""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from reader_daemon.store.journal_schema import JournalDamagedError
from reader_daemon.store.sqlite_file import StoreFault, connect
from tests.power_cut.cut_images import Event, Files, RecordingDisk, Synced, images
from tests.power_cut.journal_session import OftenCheckpointed, lay_out, new_store, play
from tests.power_cut.watched_vfs import WatchedVfs

IMAGES = int(os.environ.get("ONECARD_POWER_CUT_IMAGES", "20000"))
SESSIONS = 4
TAPS = 60
WEAKENED_IMAGES = 400
MAX_READ_BYTES = 10**9


class Unsynced(OftenCheckpointed):
    """A store from which somebody took the waiting for the disk, and that was told that all is well."""

    level = "OFF"

    def execute(self, sql: str, *parameters: object) -> sqlite3.Cursor:
        if sql == "PRAGMA synchronous":
            return super().execute("SELECT 2")
        cursor = super().execute(sql, *parameters)
        if sql == "PRAGMA synchronous=FULL":
            super().execute(f"PRAGMA synchronous={self.level}")
        return cursor


class Normal(Unsynced):
    level = "NORMAL"


def recorded(directory: Path, seed: int, factory: type[sqlite3.Connection] = OftenCheckpointed) -> list[Event]:
    """Play a session and return everything the disk was told and the callers were promised."""
    directory.mkdir()
    disk = RecordingDisk()
    with WatchedVfs("recording", disk) as vfs:
        play(directory, lambda path: vfs.connect(path, factory), disk.events.append, TAPS, Random(seed))
    return disk.events


def verdict(directory: Path, files: Files, told: dict[tuple[int, int], bytes]) -> str:
    """Open an image with the store as it is and say what is wrong; empty when all is well."""
    lay_out(directory, files)
    store = new_store(directory, connect, first_id=10_000_000)
    try:
        report = store.open(1)
        if report.set_aside:
            return "damaged, and told"
        store.verify_all()
        kept: dict[tuple[int, int], bytes] = {}
        for epoch in sorted({epoch for epoch, _ in told}):
            found = store.records_after(epoch, 0, 10_000, MAX_READ_BYTES)
            if isinstance(found, StoreFault):
                return "damaged, and told"
            kept.update({(epoch, record.seq): record.hash for record in found})
        return "" if all(kept.get(key) == digest for key, digest in told.items()) else "lost in silence"
    except (JournalDamagedError, sqlite3.DatabaseError):
        return "damaged, and told"
    finally:
        store.close()


def counted(events: list[Event], count: int, memory: Path, seed: int) -> Counter[str]:
    return Counter(verdict(memory, files, told) for files, told in images(events, count, Random(seed)))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(SESSIONS))
def test_after_a_power_cut_every_record_that_was_promised_is_there(tmp_path: Path, memory: Path, seed: int) -> None:
    events = recorded(tmp_path / "session", seed)
    found = counted(events, IMAGES // SESSIONS, memory, seed)
    assert found == {"": IMAGES // SESSIONS}


@pytest.mark.parametrize("factory", [Unsynced, Normal])
def test_a_store_that_does_not_wait_for_the_disk_is_caught(
    tmp_path: Path, memory: Path, factory: type[sqlite3.Connection]
) -> None:
    events = recorded(tmp_path / "session", 1, factory)
    found = counted(events, WEAKENED_IMAGES, memory, 1)
    assert found["lost in silence"] + found["damaged, and told"] > WEAKENED_IMAGES // 10, found


def test_the_session_is_worth_cutting(tmp_path: Path) -> None:
    """Each of the store's own moves happened: checkpoints, closed and reopened files, syncs of both."""
    events = recorded(tmp_path / "session", 0)
    kinds = Counter(type(event).__name__ for event in events)
    synced = {event.file for event in events if isinstance(event, Synced)}
    assert synced >= {"journal.db", "journal.db-wal"}
    assert min(kinds[name] for name in ("Wrote", "Truncated", "Deleted", "Told", "MayGo")) > 0, kinds
