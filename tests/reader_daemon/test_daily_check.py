"""The whole journal is verified every day: damage that the start's look at its end does not reach is told."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from cardcore.journal import DeviceEvent
from reader_daemon.daemon import CHECK_EVERY_SECONDS, FIRST_CHECK_SECONDS
from reader_daemon.store import inspection
from tests.reader_daemon.site import ANNA, Running, running
from tests.reader_daemon.virtual_time import VirtualLoop, run_virtual


def failures(site: Running) -> list[str]:
    events = [body for body in site.bodies() if isinstance(body, DeviceEvent)]
    return [event.detail for event in events if event.event == "journal_check_failed" and event.alarm]


def test_damage_in_an_old_record_is_told_within_a_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "CHECKED_AT_ONCE", 3)

    async def main(loop: VirtualLoop) -> None:
        async with running(loop, tmp_path) as site:
            for _ in range(5):
                site.port.tap(ANNA, "t01")
                await asyncio.sleep(10)
            await asyncio.sleep(FIRST_CHECK_SECONDS)
            assert failures(site) == []
            with sqlite3.connect(tmp_path / "journal.db") as connection:
                connection.execute("UPDATE record SET body = x'7b7d' WHERE seq = 2")
            await asyncio.sleep(CHECK_EVERY_SECONDS + 60)
            (told,) = failures(site)
            assert told.startswith("record 2 of epoch")

    run_virtual(main)
