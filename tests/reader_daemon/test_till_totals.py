"""A device states its tills' totals once a business day is over, from its own journal, through restarts and outages."""

from __future__ import annotations

import asyncio
from datetime import date
from pathlib import Path

import pytest

from cardcore.ids import CredentialKey
from cardcore.journal import DeviceEvent, Intent, Stamp
from cardcore.till_totals import EVENT, TillTotal, read_statement, statement
from reader_daemon.store.sqlite_file import StoreBrokenError
from tests.reader_daemon.site import ANNA, BORIS, STRANGER, Running, fresh_server, running
from tests.reader_daemon.virtual_time import VirtualLoop, run_virtual

DAY_SECONDS = 24 * 3600


def charge(intent: Intent) -> tuple[bool, str, int, int]:
    return intent.credential != STRANGER, "charged", 1200, 8800


def stated(site: Running) -> list[tuple[str, TillTotal | None]]:
    bodies = [body for body in site.bodies() if isinstance(body, DeviceEvent) and body.event == EVENT]
    return [(body.place, read_statement(body.detail)) for body in bodies]


def today(site: Running) -> date:
    return site.clock.now().date()  # the tests begin at noon in Shanghai, so the dates agree


async def serve(site: Running, *cards: CredentialKey) -> None:
    for credential in cards:
        site.port.tap(credential, "t01")
        await asyncio.sleep(5)


def test_c67_a_day_is_stated_once_it_is_over(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with running(loop, tmp_path) as site:
            site.server.judge = charge
            day = today(site)
            await asyncio.sleep(60)
            await serve(site, ANNA, BORIS, STRANGER)
            assert stated(site) == []
            await asyncio.sleep(DAY_SECONDS)
            (first,) = {total.meal for _, total in stated(site) if total and total.served} or {""}
            assert stated(site) == [("till-1", TillTotal(day, first, 2, 2400))]

    run_virtual(main)


def test_what_was_served_alone_and_before_a_restart_is_in_it(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        server = fresh_server(loop)
        async with running(loop, tmp_path, server) as site:
            site.server.judge = charge
            day = today(site)
            await asyncio.sleep(60)
            await serve(site, ANNA)
            server.judge = lambda _intent: None  # type: ignore[assignment, return-value]
            await serve(site, BORIS)
            served = len(site.outcomes())
        await asyncio.sleep(2 * DAY_SECONDS)
        async with running(loop, tmp_path, server, ids_from=1000) as site:
            await asyncio.sleep(60)
            totals = [total for _, total in stated(site) if total]
            assert totals[0].day == day
            assert sum(total.served for total in totals if total.day == day) == served == 2
            assert len({total.day for total in totals}) == 2

    run_virtual(main)


def test_a_failing_disk_delays_the_statement_and_stops_nothing(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with running(loop, tmp_path) as site:
            site.server.judge = charge
            await asyncio.sleep(60)
            await serve(site, ANNA)
            journal = site.daemon.journal
            asked = type(journal).stated_through

            def broken(_self: object) -> date | None:
                msg = "disk I/O error"
                raise StoreBrokenError(msg)

            with pytest.MonkeyPatch.context() as patched:
                patched.setattr(type(journal), "stated_through", property(broken))
                await asyncio.sleep(DAY_SECONDS)
                assert stated(site) == []
            assert type(journal).stated_through is asked
            await asyncio.sleep(60)
            assert [total.served for _, total in stated(site) if total] == [1]

    run_virtual(main)


def test_a_till_that_never_ran_states_nothing(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with running(loop, tmp_path) as site:
            await asyncio.sleep(3600)
            assert stated(site) == []

    run_virtual(main)


def test_a_statement_says_what_was_put_in() -> None:
    total = TillTotal(date(2026, 3, 4), "lunch", 120, 144_000)
    for detail in ("", "{}", '{"day":"2026-03-04","meal":"x","served":-1,"fen":0}', "[1]"):
        assert read_statement(detail) is None
    assert read_statement(statement("t01", total, Stamp(0, 0, "boot")).detail) == total
