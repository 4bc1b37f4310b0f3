"""A till from the card to the shown amount: online, alone within its caps, and through power cuts."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from pathlib import Path

from cardcore.journal import DeviceEvent, Intent, Outcome, OutcomeKind
from reader_daemon.messages import Lamp, LedColour, ReaderAction, Show
from reader_daemon.store.host import host_fingerprint
from tests.reader_daemon.site import ANNA, BORIS, STRANGER, Running, fresh_server, running
from tests.reader_daemon.virtual_time import VirtualLoop, run_virtual


def charge(_intent: Intent) -> tuple[bool, str, int, int]:
    return True, "charged", 1200, 8800


def events(site: Running) -> list[str]:
    return [body.event for body in site.bodies() if isinstance(body, DeviceEvent)]


def test_a_charged_meal_shows_amount_and_balance_after_the_outcome_is_durable(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with running(loop, tmp_path) as site:
            site.server.judge = charge
            seen: list[object] = []

            def look(_reader: str, action: ReaderAction) -> None:
                if isinstance(action, Lamp):
                    seen.append(site.bodies()[-1])

            site.port.on_tell = look
            site.port.tap(ANNA, "t01")
            await asyncio.sleep(0.5)
            assert site.outcomes() == [(OutcomeKind.SERVED, "charged")]
            assert isinstance(seen[0], Outcome)
            texts = [action.text for _, action, _, _ in site.port.told if isinstance(action, Show)]
            assert texts == ["12.00 BAL 88.00", "ENJOY YOUR MEAL"]

    run_virtual(main)


def test_a_repeated_tap_shows_the_previous_result_and_charges_nothing(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with running(loop, tmp_path) as site:
            site.server.judge = charge
            site.port.tap(ANNA, "t01")
            await asyncio.sleep(1)
            site.port.tap(ANNA, "t01")
            await asyncio.sleep(1)
            assert len(site.outcomes()) == 1
            texts = [action.text for _, action, _, _ in site.port.told if isinstance(action, Show)]
            assert texts[2:] == ["12.00 BAL 88.00", "ALREADY CHARGED"]
            assert "repeat" in events(site)
            await asyncio.sleep(3)
            site.port.tap(ANNA, "t01")
            await asyncio.sleep(1)
            assert len(site.outcomes()) == 2  # after the guard it is a new meal

    run_virtual(main)


def test_the_guard_is_a_cards_own(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with running(loop, tmp_path) as site:
            site.server.judge = charge
            site.port.tap(ANNA, "t01")
            site.port.tap(BORIS, "t01")
            await asyncio.sleep(1)
            assert len(site.outcomes()) == 2

    run_virtual(main)


def test_a_low_balance_is_shown(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with running(loop, tmp_path) as site:
            site.server.judge = lambda _intent: (False, "balance_too_low", 0, 320)
            site.port.tap(ANNA, "t01")
            await asyncio.sleep(1)
            texts = [action.text for _, action, _, _ in site.port.told if isinstance(action, Show)]
            assert texts == ["BALANCE TOO LOW", "BAL 3.20"]
            colours = [action.colour for _, action, _, _ in site.port.told if isinstance(action, Lamp)]
            assert colours == [LedColour.RED]

    run_virtual(main)


def test_a_server_that_cannot_decide_leaves_the_till_to_itself(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with running(loop, tmp_path) as site:
            site.server.judge = lambda _intent: (False, "server_fault", 0, 0)
            site.port.tap(ANNA, "t01")
            await asyncio.sleep(1)
            assert site.outcomes() == [(OutcomeKind.SERVED, "charged")]
            assert site.port.shown() == ["12.00 OFFLINE"]

    run_virtual(main)


def test_alone_a_card_eats_up_to_its_cap_until_the_server_has_the_records(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with running(loop, tmp_path) as site:
            site.server.down = True
            await site.server.drop()
            for _ in range(4):
                await asyncio.sleep(5)
                site.port.tap(ANNA, "t01")
            await asyncio.sleep(5)
            assert [reason for _, reason in site.outcomes()] == ["charged"] * 3 + ["offline_card_cap"]
            site.port.tap(STRANGER, "t01")
            await asyncio.sleep(5)
            assert site.outcomes()[-1] == (OutcomeKind.DECLINED, "card_unknown")
            site.server.down = False
            await asyncio.sleep(40)
            assert site.daemon.journal.pending == 0
            served = [
                body
                for body in site.server.bodies(site.daemon.journal.epoch)
                if isinstance(body, Outcome) and body.outcome is OutcomeKind.SERVED
            ]
            assert len(served) == 3
            assert all(body.verdict.offline and body.verdict.amount == 1200 for body in served)
            site.server.silent_to_taps = True
            site.port.tap(ANNA, "t01")
            await asyncio.sleep(2)
            assert site.outcomes()[-1] == (OutcomeKind.SERVED, "charged")  # a new spell

    run_virtual(main)


def test_a_cut_between_intent_and_outcome_is_not_confirmed_and_the_next_tap_is_served(tmp_path: Path) -> None:
    """Failure table, row 3: the copy of the directory is what the disk held at the cut."""

    async def main(loop: VirtualLoop) -> None:
        server = fresh_server(loop)
        image = tmp_path / "image"
        alive = tmp_path / "alive"
        alive.mkdir()
        async with running(loop, alive, server) as site:
            server.silent_to_taps = True
            site.port.tap(ANNA, "t01")
            await asyncio.sleep(0.4)  # the till waits for the server
            assert isinstance(site.bodies()[-1], Intent)
            shutil.copytree(alive, image)
            server.down = True
        shutil.rmtree(alive)
        _restore(image, alive)
        async with running(loop, alive, server, ids_from=900) as site:
            assert site.outcomes() == [(OutcomeKind.NOT_CONFIRMED, "not_decided")]
            site.port.tap(ANNA, "t01")
            await asyncio.sleep(2)
            assert site.outcomes()[-1] == (OutcomeKind.SERVED, "charged")

    run_virtual(main)


def test_a_cut_after_the_outcome_but_before_the_beep_does_not_charge_the_next_tap(tmp_path: Path) -> None:
    """Failure table, row 4: the re-tap meets the guard although a minute went by."""

    async def main(loop: VirtualLoop) -> None:
        server = fresh_server(loop)
        image, alive = tmp_path / "image", tmp_path / "alive"
        alive.mkdir()
        async with running(loop, alive, server) as site:
            server.judge = charge
            copied: list[bool] = []

            def cut(_reader: str, _action: ReaderAction) -> None:
                if not copied:
                    copied.append(True)
                    shutil.copytree(alive, image)

            site.port.on_tell = cut
            site.port.tap(ANNA, "t01")
            await asyncio.sleep(1)
            server.down = True
        shutil.rmtree(alive)
        _restore(image, alive)
        async with running(loop, alive, server, ids_from=900) as site:
            await asyncio.sleep(60)
            site.port.tap(ANNA, "t01")
            await asyncio.sleep(2)
            assert site.outcomes() == [(OutcomeKind.SERVED, "charged")]
            assert site.port.told[-1][1] == Show("ALREADY CHARGED", 2, 3)

    run_virtual(main)


def test_the_last_meal_of_yesterday_does_not_feed_who_comes_first_today(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        server = fresh_server(loop)
        async with running(loop, tmp_path, server) as site:
            server.judge = charge
            site.port.tap(ANNA, "t01")
            await asyncio.sleep(1)
        await asyncio.sleep(20 * 3600)
        async with running(loop, tmp_path, server, ids_from=900) as site:
            await asyncio.sleep(60)
            site.port.tap(ANNA, "t01")
            await asyncio.sleep(2)
            assert site.outcomes() == [(OutcomeKind.SERVED, "charged")] * 2

    run_virtual(main)


def _restore(image: Path, directory: Path) -> None:
    """Put an image in place of a directory, as a power cut leaves it: the host fingerprint stays that of the place."""
    shutil.copytree(image, directory)
    connection = sqlite3.connect(directory / "journal.db")
    with connection:
        connection.execute("UPDATE meta SET value = ? WHERE key = 'host'", (host_fingerprint(directory),))
    connection.close()
