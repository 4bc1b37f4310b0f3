"""The Nth call to the disk fails, for every N: it is told, nothing promised is lost, the journal comes back (F6).

Once or from then on; as an I/O error, a full disk, half a write. After a sync that failed, the disk of this test does
what Linux does: the pages count as written and are gone after a cut, whatever a later sync says.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from cardcore.journal import Record
from reader_daemon.store.journal_db import JournalStore
from reader_daemon.store.sqlite_file import FaultKind, StoreBrokenError, StoreFault, StoreUnusableError
from tests.power_cut.cut_images import Platter, RecordingDisk, Told
from tests.power_cut.journal_session import HOST, OftenCheckpointed, bodies, new_store
from tests.power_cut.test_power_cut import verdict
from tests.power_cut.watched_vfs import Call, Refusal, WatchedVfs

MAX_CALLS = 600
"""A session that needs more calls than this is a mistake of this test."""
TAPS = 6
CUTS_AFTER = 6
"""Promises after the failure at whose instants the power goes; and at the very last."""
HEALED_AFTER = 3
"""Failed appends after which a disk that keeps failing is repaired."""


@dataclass(slots=True)
class FailingDisk(RecordingDisk):
    """A disk whose Nth call fails, and all after it if `lasting`, until it is repaired."""

    nth: int = 0
    how: Refusal = Refusal.EIO
    lasting: bool = False
    calls: int = 0
    refused: int = 0
    repaired: bool = False
    refused_at: int = 0
    """How much had happened before the first refusal."""

    def refuses(self, call: Call) -> Refusal | None:
        """Count the calls that can fail this way."""
        if self.how is not Refusal.EIO and call is not Call.WRITE:
            return None
        self.calls += 1
        if self.repaired or self.calls < self.nth or (self.refused and not self.lasting):
            return None
        self.refused_at = self.refused_at or len(self.events)
        self.refused += 1
        return self.how


class Session:
    """A till's day on such a disk; remembers what it was promised."""

    def __init__(self, directory: Path, disk: FailingDisk, connecting: WatchedVfs) -> None:
        self.directory, self.disk, self.host = directory, disk, HOST
        self.faults: list[StoreFault] = []
        self.told = 0
        self._vfs = connecting
        self.store = self._new(1)

    def _new(self, first_id: int) -> JournalStore:
        return new_store(
            self.directory, lambda path: self._vfs.connect(path, OftenCheckpointed), first_id, host=self.host
        )

    def opened(self, first_id: int) -> None:
        """Open as the service manager would: again and again until the disk lets us."""
        for attempt in range(HEALED_AFTER + 2):
            self.store = self._new(first_id + attempt)
            try:
                report = self.store.open(1)
            except (StoreUnusableError, StoreBrokenError, sqlite3.Error) as error:
                self._note(StoreFault(FaultKind.IO, str(error)))
                self.store.close()
                continue
            assert report.set_aside == "", f"a disk that does not answer is no damage: {report.damage}"
            return
        pytest.fail(f"the journal does not open on a repaired disk: {self.faults}")

    def append(self, at_ms: int, dice: Random) -> None:
        """Write one tap, again and again until the disk lets us."""
        for body in bodies(self.store.head.seq + 1, at_ms, dice):
            for _ in range(HEALED_AFTER + 2):
                result = self.store.append(body)
                if isinstance(result, Record):
                    self.told += 1
                    self.disk.events.append(Told(self.store.epoch, result.seq, result.hash))
                    break
                self._note(result)
            else:
                pytest.fail("no record on a repaired disk")

    def _note(self, fault: StoreFault) -> None:
        self.faults.append(fault)
        if len(self.faults) >= HEALED_AFTER:
            self.disk.repaired = True

    def play(self) -> None:
        """Open, write, acknowledge, restart in the middle, write on, close."""
        dice = Random(5)
        self.opened(1)
        for tap in range(TAPS):
            self.append(tap, dice)
            if tap % 2 == 1 and (fault := self.store.mark_acked(self.store.epoch, 2, tap)) is not None:
                self._note(fault)
            if tap == TAPS // 2:
                self.store.close()
                self.opened(1_000)
        self.store.close()


def played(directory: Path, nth: int, how: Refusal, *, lasting: bool) -> FailingDisk:
    """Play a session and check what it was promised, on the disk and after a cut at the end of each promise."""
    directory.mkdir()
    disk = FailingDisk(nth=nth, how=how, lasting=lasting)
    with WatchedVfs("failing", disk) as vfs:
        session = Session(directory, disk, vfs)
        session.play()
    promises = [at for at, event in enumerate(disk.events) if isinstance(event, Told)]
    cuts = {*[at for at in promises if at >= disk.refused_at][:CUTS_AFTER], promises[-1]}
    platter = Platter()
    images = directory / "images"
    images.mkdir()
    for at, event in enumerate(disk.events):
        platter.take(event)
        if at in cuts:
            assert verdict(images, platter.worst(), platter.told) == "", f"call {nth}: gone after a cut at {event}"
    assert len(platter.told) == session.told == TAPS * 3
    return disk


@pytest.mark.timeout(300)
@pytest.mark.parametrize("lasting", [False, True], ids=["once", "lasting"])
@pytest.mark.parametrize("how", list(Refusal), ids=lambda how: how.value)
def test_whatever_call_fails_nothing_promised_is_lost(memory: Path, how: Refusal, lasting: bool) -> None:
    for nth in range(1, MAX_CALLS):
        disk = played(memory / str(nth), nth, how, lasting=lasting)
        if not disk.refused:
            assert nth > TAPS * 3, "the session did next to nothing"
            return
    pytest.fail(f"more than {MAX_CALLS} calls")


@pytest.mark.parametrize("lasting", [False, True], ids=["once", "lasting"])
def test_a_copied_directory_never_goes_on_in_the_old_epoch(memory: Path, lasting: bool) -> None:
    for nth in range(1, MAX_CALLS):
        directory = memory / str(nth)
        directory.mkdir()
        disk = FailingDisk(nth=MAX_CALLS)
        with WatchedVfs("copied", disk) as vfs:
            session = Session(directory, disk, vfs)
            session.opened(1)
            session.append(1, Random(1))
            session.store.close()
            old, session.host = session.store.epoch, "elsewhere"
            disk.nth, disk.lasting = disk.calls + nth, lasting
            session.opened(1_000)
            assert session.store.epoch != old, f"call {nth}"
            session.store.close()
        if not disk.refused:
            return
    pytest.fail(f"more than {MAX_CALLS} calls")
