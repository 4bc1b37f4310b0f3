"""Anti-passback at a lane that decides alone: by its own passages, which survive a restart."""

from __future__ import annotations

import asyncio
from pathlib import Path

from cardcore.access.items import Passback, ZoneItem
from cardcore.ids import ZoneId
from cardcore.reasons import Reason
from tests.reader_daemon.fake_server import FakeServer
from tests.reader_daemon.site import ANNA, BORIS, Running, fresh_server, running
from tests.reader_daemon.virtual_time import VirtualLoop, run_virtual


async def tap(site: Running, card: object, *, walk: bool = True) -> str:
    before = len(site.outcomes())
    site.port.tap(card)  # type: ignore[arg-type]
    await asyncio.sleep(2)
    if walk:
        await site.port.pass_through()
    await asyncio.sleep(8)
    (_, reason) = site.outcomes()[before]
    return reason


def strict(loop: VirtualLoop) -> FakeServer:
    server = fresh_server(loop)
    server.set_items(ZoneItem(ZoneId("compound"), passback=Passback.HARD))
    return server


def test_a27_a_box_alone_holds_anti_passback_by_its_own_passages(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        server = strict(loop)
        async with running(loop, tmp_path, server) as site:
            server.down = True
            await server.drop()
            assert await tap(site, ANNA, walk=False) == Reason.GRANTED
            assert await tap(site, ANNA) == Reason.GRANTED
            assert await tap(site, ANNA, walk=False) == Reason.INSIDE_ALREADY
            assert await tap(site, BORIS) == Reason.GRANTED

    run_virtual(main)


def test_a29_a_box_alone_holds_no_limit(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        server = fresh_server(loop)
        server.set_items(ZoneItem(ZoneId("compound"), occupancy_limit=1, occupancy_hard=True))
        async with running(loop, tmp_path, server) as site:
            server.down = True
            await server.drop()
            assert await tap(site, ANNA) == Reason.GRANTED
            assert await tap(site, BORIS) == Reason.GRANTED  # who else is inside only the server counts

    run_virtual(main)


def test_a52_a_restart_remembers_who_is_inside(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        server = strict(loop)
        async with running(loop, tmp_path, server) as site:
            assert await tap(site, ANNA) == Reason.GRANTED
        server.down = True
        async with running(loop, tmp_path, server, ids_from=1_000) as site:
            assert await tap(site, ANNA, walk=False) == Reason.INSIDE_ALREADY

    run_virtual(main)
