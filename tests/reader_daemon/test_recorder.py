"""The recorder: a tap whose epoch is closed while its record waits for the disk is not told of in the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from cardcore.ids import CredentialKey, DeviceId
from cardcore.journal import Decided, DeviceEvent, Intent, Outcome, OutcomeKind, Purpose, Stamp, Verdict, read_body
from reader_daemon.clock_watch import ClockWatch
from reader_daemon.recorder import Recorder
from reader_daemon.store.journal_db import JournalSettings, JournalStore
from reader_daemon.store.journal_schema import JournalKeys
from tests.reader_daemon.virtual_time import CountingIds, HandClock

GRANT = Verdict(True, "granted", 1, offline=False)  # noqa: FBT003
INTENT = Intent("t", Purpose.GATE, "g01", "g01", CredentialKey("wiegand:26-01234580"), Stamp(1, 5, "boot"), 1)


class Queue:
    """The store's thread: what was asked for before us is done before us."""

    def __init__(self) -> None:
        self.before: list[Callable[[], object]] = []

    async def __call__(self, call: Callable[..., Any], *args: object) -> Any:  # noqa: ANN401 - passes on what it gets
        while self.before:
            self.before.pop()()
        return call(*args)


@pytest.fixture
def journal(tmp_path: Path) -> JournalStore:
    keys = JournalKeys(DeviceId(UUID(int=7)), b"k" * 32)
    journal = JournalStore(JournalSettings(tmp_path / "journal.db", keys, "here"), CountingIds(), microseconds=int)
    journal.open(0)
    return journal


def bodies(journal: JournalStore, epoch: int) -> list[object]:
    found = journal.records_after(epoch, 0, 100, 100_000)
    assert isinstance(found, tuple)
    return [read_body(record) for record in found]


@pytest.mark.parametrize("ending", ["decided", "outcome"])
def test_a_tap_whose_epoch_is_closed_while_its_record_waits_ends_in_no_other(
    journal: JournalStore, ending: str
) -> None:
    async def main() -> None:
        queue = Queue()
        recorder = Recorder(journal, queue, ClockWatch(HandClock(), "boot"))
        tap = await recorder.tap(INTENT)
        assert tap is not None
        before = journal.epoch
        queue.before.append(lambda: journal.begin_epoch("rolled back"))
        if ending == "decided":
            assert not await recorder.decided(tap.number, GRANT)
            assert not await recorder.outcome(tap.number, OutcomeKind.DECLINED, GRANT)  # as a lane goes on to say
        else:
            assert not await recorder.outcome(tap.number, OutcomeKind.SERVED, GRANT)
        assert journal.epoch != before
        told = bodies(journal, journal.epoch)
        assert not [body for body in told if isinstance(body, Decided | Outcome)]
        assert "tap_of_closed_epoch" in [body.event for body in told if isinstance(body, DeviceEvent)]

    asyncio.run(main())


def test_a_tap_that_waits_while_an_epoch_begins_belongs_to_the_one_it_was_written_in(journal: JournalStore) -> None:
    async def main() -> None:
        queue = Queue()
        recorder = Recorder(journal, queue, ClockWatch(HandClock(), "boot"))
        queue.before.append(lambda: journal.begin_epoch("rolled back"))
        tap = await recorder.tap(INTENT)
        assert tap is not None
        assert await recorder.decided(tap.number, GRANT)

    asyncio.run(main())


def test_open_taps_of_an_epoch_that_closes_meanwhile_are_left_to_the_server(journal: JournalStore) -> None:
    async def main() -> None:
        journal.append(INTENT)
        queue = Queue()
        recorder = Recorder(journal, queue, ClockWatch(HandClock(), "boot"))
        found = journal.open_taps

        def open_taps() -> object:
            queue.before.append(lambda: journal.begin_epoch("rolled back"))
            return found()

        journal.open_taps = open_taps  # type: ignore[method-assign,assignment]
        assert await recorder.close_open_taps() == 0
        assert not [body for body in bodies(journal, journal.epoch) if isinstance(body, Outcome)]

    asyncio.run(main())


def test_a_tap_that_ends_while_others_are_closed_is_not_closed_as_well(journal: JournalStore) -> None:
    """The list of open taps is old by the time its second entry is closed: a meal served meanwhile stays served."""

    async def main() -> None:
        journal.append(INTENT)  # left open by a start before this one
        queue = Queue()
        recorder = Recorder(journal, queue, ClockWatch(HandClock(), "boot"))
        tap = await recorder.tap(INTENT)
        assert tap is not None
        found = journal.open_taps
        served = Outcome(tap.number.seq, OutcomeKind.SERVED, GRANT, recorder.stamp())
        lists: list[int] = []

        def open_taps() -> object:
            taps = found()
            lists.append(len(taps))
            if len(lists) == 1:
                queue.before.append(lambda: recorder._append(served))
            return taps

        journal.open_taps = open_taps  # type: ignore[method-assign,assignment]
        assert await recorder.close_open_taps() == 1
        kinds = [(body.tap_seq, body.outcome) for body in bodies(journal, journal.epoch) if isinstance(body, Outcome)]
        assert kinds == [(tap.number.seq, OutcomeKind.SERVED), (1, OutcomeKind.NOT_CONFIRMED)]

    asyncio.run(main())


def test_a_tap_that_was_just_written_is_nobodys_to_close(journal: JournalStore) -> None:
    """Its use case has not been woken yet and its number is on the disk."""

    async def main() -> None:
        queue = Queue()
        recorder = Recorder(journal, queue, ClockWatch(HandClock(), "boot"))
        recorder._append(INTENT)
        assert await recorder.close_open_taps() == 0

    asyncio.run(main())


def test_a_tap_open_across_a_new_epoch_is_not_the_one_that_reaches_its_number_there(journal: JournalStore) -> None:
    """Both are worked on at once under one number: neither ends the other, nor stands in for it."""

    async def main() -> None:
        recorder = Recorder(journal, Queue(), ClockWatch(HandClock(), "boot"))
        old = await recorder.tap(INTENT)
        assert old is not None
        journal.begin_epoch("rolled back")
        new = await recorder.tap(INTENT)
        assert new is not None
        assert (old.number.seq, old.number.epoch != new.number.epoch) == (new.number.seq, True)
        assert not await recorder.outcome(old.number, OutcomeKind.SERVED, GRANT)
        assert await recorder.close_open_taps() == 0  # the new one is still worked on
        assert await recorder.decided(new.number, GRANT)
        assert await recorder.outcome(new.number, OutcomeKind.DECLINED, GRANT)
        ended = [body for body in bodies(journal, journal.epoch) if isinstance(body, Outcome)]
        assert [(body.tap_seq, body.outcome) for body in ended] == [(new.number.seq, OutcomeKind.DECLINED)]

    asyncio.run(main())
