"""A disk that fails while people tap: refused loudly, nothing green without a record, and all closed afterwards."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from cardcore.journal import Body, Decided, Intent, Outcome, OutcomeKind, Record
from reader_daemon.messages import Lamp, LedColour
from reader_daemon.store.journal_db import JournalStore
from reader_daemon.store.sqlite_file import FaultKind, StoreFault
from tests.reader_daemon.site import ANNA, Running, running
from tests.reader_daemon.virtual_time import VirtualLoop, run_virtual


def break_disk(journal: JournalStore, monkeypatch: pytest.MonkeyPatch, kinds: tuple[type, ...]) -> None:
    """Make the disk refuse records of these kinds from now on."""
    whole = journal.append

    def append(body: Body) -> Record | StoreFault:
        if isinstance(body, kinds):
            return StoreFault(FaultKind.IO, "disk I/O error")
        return whole(body)

    monkeypatch.setattr(journal, "append", append)


def colours(site: Running) -> list[LedColour]:
    return [action.colour for _, action, _, _ in site.port.told if isinstance(action, Lamp)]


@pytest.mark.parametrize("reader", ["g01", "t01"])
@pytest.mark.parametrize("broken", [(Intent,), (Decided, Outcome)])
def test_without_a_record_nothing_turns_green(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reader: str, broken: tuple[type, ...]
) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with running(loop, tmp_path) as site:
            with monkeypatch.context() as patch:
                break_disk(site.daemon.journal, patch, broken)
                site.port.tap(ANNA, reader)
                await asyncio.sleep(1)
                assert colours(site) == [LedColour.RED]
                assert site.port.shown() == ["OUT OF SERVICE"]
                assert not site.port.pulses()
            site.port.tap(ANNA, reader)
            await asyncio.sleep(1)
            assert colours(site) == [LedColour.RED, LedColour.GREEN]
            open_now = [tap.seq for tap in site.daemon.journal.open_taps()]
            assert len(open_now) == (1 if reader == "g01" else 0)  # the lane's second tap waits for its passage
            if broken != (Intent,):
                assert (OutcomeKind.NOT_CONFIRMED, "not_decided") in site.outcomes()

    run_virtual(main)


def test_a_charge_that_the_disk_kept_from_ending_is_given_up_without_another_tap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with running(loop, tmp_path) as site:
            with monkeypatch.context() as patch:
                break_disk(site.daemon.journal, patch, (Outcome,))
                site.port.tap(ANNA, "t01")
                await asyncio.sleep(1)
            await asyncio.sleep(5)
            assert not site.daemon.journal.open_taps()
            assert site.outcomes() == [(OutcomeKind.NOT_CONFIRMED, "not_decided")]

    run_virtual(main)
