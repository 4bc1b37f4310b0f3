"""A day of a till in small: a journal is written, acknowledged, pruned, closed and opened again, on a watched disk."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from random import Random
from uuid import UUID

from cardcore.ids import CredentialKey, DeviceId
from cardcore.journal import Body, Decided, DeviceEvent, Intent, Outcome, OutcomeKind, Purpose, Stamp, Verdict
from reader_daemon.store.ballast import BALLAST_BYTES
from reader_daemon.store.journal_db import JournalSettings, JournalStore
from reader_daemon.store.journal_schema import JournalKeys
from reader_daemon.store.sqlite_file import StoreFault
from tests.power_cut.cut_images import Event, Files, MayGo, Told
from tests.reader_daemon.virtual_time import CountingIds

KEYS = JournalKeys(DeviceId(UUID(int=7)), b"k" * 32)
HOST = "here"
JOURNAL = "journal.db"
CHECKPOINT_PAGES = 20
"""Instead of 1,000, so that a short session goes through what a long one does."""
MAX_IN_THE_RING = 12
DAY_MS = 86_400_000


class OftenCheckpointed(sqlite3.Connection):
    """A connection whose log is folded into the file after a few pages."""

    def execute(self, sql: str, *parameters: object) -> sqlite3.Cursor:
        """Ask for it right after the store has asked for durability."""
        cursor = super().execute(sql, *parameters)  # type: ignore[arg-type]
        if sql == "PRAGMA synchronous=FULL":
            super().execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
        return cursor


def new_store(
    directory: Path, connecting: Callable[[Path], sqlite3.Connection], first_id: int = 1, host: str = HOST
) -> JournalStore:
    """Return a store whose ring holds little, so that it prunes; not opened."""
    reserve_room(directory)
    settings = JournalSettings(directory / JOURNAL, KEYS, host, ring_records=MAX_IN_THE_RING, ring_days=1)
    return JournalStore(settings, CountingIds(first_id), microseconds=lambda: 0, connecting=connecting)


def reserve_room(directory: Path) -> None:
    """Put a ballast without weight where the store would write a real one each time."""
    with (directory / "ballast").open("ab") as ballast:
        ballast.truncate(BALLAST_BYTES)


def bodies(tap_seq: int, at_ms: int, dice: Random) -> tuple[Body, ...]:
    """Return the records of one tap whose intent gets this number: served, not confirmed, or with an event between."""
    stamp = Stamp(at_ms, at_ms, "boot")
    card = CredentialKey(f"wiegand:26-{dice.getrandbits(26):07x}")
    verdict = Verdict(granted=True, reason="charged", policy_version=1, offline=True, amount=dice.randint(1, 3_000))
    intent = Intent("t" * 36, Purpose.TILL, "t01", "t01", card, stamp, 1)
    noted = DeviceEvent("noted", "", "x" * dice.randint(0, 300), stamp)
    outcome = Outcome(tap_seq, dice.choice([OutcomeKind.SERVED, OutcomeKind.CANCELLED]), verdict, stamp)
    between: tuple[Body, ...] = (Decided(tap_seq, verdict, stamp),) if dice.random() < 0.5 else (noted,)
    return (intent, *between, outcome)


def play(
    directory: Path,
    connecting: Callable[[Path], sqlite3.Connection],
    tell: Callable[[Event], None],
    taps: int,
    dice: Random,
) -> None:
    """Write taps; acknowledge, prune, close, open and begin epochs now and then. `tell` hears what is promised."""
    store = new_store(directory, connecting)
    store.open(0)
    for tap in range(taps):
        at_ms = tap * DAY_MS
        for body in bodies(store.head.seq + 1, at_ms, dice):
            record = store.append(body)
            assert not isinstance(record, StoreFault), record
            tell(Told(store.epoch, record.seq, record.hash))
        match dice.randrange(8):
            case 0 | 1 | 2:
                mark = store.head.seq - dice.randrange(3)
                tell(MayGo(store.epoch, mark - MAX_IN_THE_RING))
                store.mark_acked(store.epoch, mark, at_ms)
            case 3:
                store.close()
                store = new_store(directory, connecting, first_id=1_000 * (tap + 1))
                store.open(at_ms)
            case 4 if dice.random() < 0.3:
                store.begin_epoch("a test")
    store.close()


def lay_out(directory: Path, files: Files) -> None:
    """Make a directory hold these files and a ballast, and nothing else."""
    for old in directory.iterdir():
        if old.name != "ballast":
            shutil.rmtree(old) if old.is_dir() else old.unlink()
    for name, content in files.items():
        (directory / name).write_bytes(content)
    reserve_room(directory)
