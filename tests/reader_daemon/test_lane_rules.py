"""The rules of `cardcore.access.moments` at a box that is alone, and lanes that stay open, locked or shut."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path

from msgspec.structs import replace

from cardcore.access.items import LaneItem, LaneMode, LevelItem, ZoneItem
from cardcore.ids import LaneId, LevelId, ScheduleId, ZoneId
from cardcore.journal import OutcomeKind
from cardcore.wire.messages import CommandDone
from tests.reader_daemon.fake_server import FakeServer
from tests.reader_daemon.site import ANNA, BORIS, PASS, STRANGER, card, fresh_server, running, site_items
from tests.reader_daemon.test_lane import events
from tests.reader_daemon.virtual_time import VirtualLoop, run_virtual

STREET, COMPOUND = ZoneId("street"), ZoneId("compound")


def server_with(loop: VirtualLoop, *items: object, **lane: object) -> FakeServer:
    server = fresh_server(loop)
    server.set_items(*site_items(**lane), *items)  # type: ignore[arg-type]
    server.silent_to_taps = True
    return server


def test_a31_a_box_alone_lets_two_people_in_together(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        server = server_with(loop, ZoneItem(COMPOUND, pairs=True, pair_seconds=20))
        async with running(loop, tmp_path, server) as site:
            site.port.tap(ANNA)
            await asyncio.sleep(1)
            assert site.port.shown() == ["SECOND CARD"]
            site.port.tap(BORIS)
            await asyncio.sleep(1)
            await site.port.pass_through()
            assert site.outcomes() == [
                (OutcomeKind.DECLINED, "second_person_needed"),
                (OutcomeKind.PASSED, "granted"),
            ]

    run_virtual(main)


def test_a31_a_restart_forgets_who_waited(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        server = server_with(loop, ZoneItem(COMPOUND, pairs=True, pair_seconds=300))
        async with running(loop, tmp_path, server) as site:
            site.port.tap(ANNA)
            await asyncio.sleep(1)
        async with running(loop, tmp_path, server, ids_from=900) as site:
            site.port.tap(BORIS)
            await asyncio.sleep(1)
            assert [reason for _, reason in site.outcomes()] == ["second_person_needed"] * 2

    run_virtual(main)


def test_a30_after_a_restart_lanes_of_an_interlock_count_as_open_for_a_window(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        other = LaneItem(LaneId("lane-2"), "g02", STREET, COMPOUND, interlock="trap")
        server = server_with(loop, other, interlock="trap")
        async with running(loop, tmp_path, server) as site:  # the first start knows no lane yet
            site.port.tap(ANNA)
            await asyncio.sleep(1)
            await site.port.pass_through()
        async with running(loop, tmp_path, server, ids_from=900) as site:
            site.port.tap(ANNA)
            await asyncio.sleep(0.5)
            assert site.port.shown() == ["OTHER DOOR OPEN"]
            await asyncio.sleep(6)
            site.port.tap(ANNA)
            await asyncio.sleep(1)
            assert site.port.shown()[-1] == "PLEASE PASS"

    run_virtual(main)


def test_a33_a_supervisors_passage_outlives_a_restart_of_the_box(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        head = LevelItem(LevelId("all"), (COMPOUND,), ScheduleId("always"), supervises=True)
        server = server_with(loop, head, free_hours="always", first_person=True)
        async with running(loop, tmp_path, server) as site:
            site.port.tap(STRANGER)
            await asyncio.sleep(1)
            assert site.port.shown()[-1] == "UNKNOWN CARD"
            site.port.tap(ANNA)
            await asyncio.sleep(1)
            await site.port.pass_through()
        async with running(loop, tmp_path, server, ids_from=900) as site:
            site.port.tap(STRANGER)
            await asyncio.sleep(1)
            assert site.port.shown()[-1] == "LANE OPEN"

    run_virtual(main)


def test_a58_a_free_lane_is_unlocked_again_and_again_and_passing_it_is_no_alarm(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with running(loop, tmp_path, server_with(loop, mode=LaneMode.FREE)) as site:
            await asyncio.sleep(10)
            pulses = site.port.pulses()
            assert max(after - before for before, after in pairwise(pulses)) < 5_000
            assert pulses[-1] > site.clock.monotonic_ms() - 5_000
            await site.port.pass_through()
            assert "free_passage" in events(site.bodies())
            assert "forced_passage" not in events(site.bodies())

    run_virtual(main)


def test_a43_the_window_stays_open_for_longer_for_those_who_need_it(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with running(loop, tmp_path, server_with(loop, replace(card(ANNA), extended=True))) as site:
            site.port.tap(ANNA)
            await asyncio.sleep(12)
            await site.port.pass_through()
            assert site.outcomes() == [(OutcomeKind.PASSED, "granted")]

    run_virtual(main)


def test_a56_who_slips_through_behind_somebody_is_a_tailgate(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with running(loop, tmp_path) as site:
            site.port.tap(ANNA)
            await asyncio.sleep(0.3)
            await site.port.pass_through()
            await site.port.pass_through()
            await asyncio.sleep(5)
            await site.port.pass_through()
            words = [word for word in events(site.bodies()) if word in {"tailgate", "forced_passage"}]
            assert words == ["tailgate", "forced_passage"]

    run_virtual(main)


def test_a56_a_lane_that_is_held_open_is_told_with_its_end(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with running(loop, tmp_path, server_with(loop, held_open_ms=5_000)) as site:
            site.port.tap(ANNA)
            await asyncio.sleep(0.5)
            site.port.contact(PASS, active=False)
            await asyncio.sleep(8)
            assert "held_open" in events(site.bodies())
            assert "held_over" not in events(site.bodies())
            site.port.contact(PASS, active=True)
            await asyncio.sleep(0.5)
            assert "held_over" in events(site.bodies())

    run_virtual(main)


def test_a58_an_opening_from_afar_waits_for_the_other_door_too(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        other = LaneItem(LaneId("lane-2"), "t01", STREET, COMPOUND, interlock="trap", has_ready_input=False)
        async with running(loop, tmp_path, server_with(loop, other, interlock="trap")) as site:
            site.port.tap(ANNA, "t01")
            await asyncio.sleep(1)
            await site.server.push(site.server.command(nonce="one"))
            await asyncio.sleep(0.2)
            done = [(done.result, done.detail) for done in site.server.of_kind(CommandDone)]  # type: ignore[attr-defined]
            assert done == [("refused", "lane_interlocked")]

    run_virtual(main)
