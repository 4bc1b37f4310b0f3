"""A till with a keypad: amounts, keys and dishes, a PIN, and the last charge taken back, online and alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from cardcore.access.items import Dish, MenuItem, TillItem
from cardcore.clock import site_time
from cardcore.ids import StallId, TillId
from cardcore.journal import DeviceEvent, Intent, Line, Outcome, OutcomeKind
from cardcore.money import Fen
from cardcore.reasons import Reason
from cardcore.wire.messages import Health, Tap
from reader_daemon.messages import Lamp, LedColour, Show
from reader_daemon.signals import meal_signals
from tests.reader_daemon.site import ANNA, BORIS, Running, running
from tests.reader_daemon.virtual_time import VirtualLoop, run_virtual


def till(**changes: object) -> TillItem:
    return TillItem(TillId("till-1"), "t01", StallId("stall-1"), **changes)  # type: ignore[arg-type]


def at_till(
    directory: Path, work: Callable[[Running], Awaitable[None]], *, alone: bool = False, **changes: object
) -> None:
    """Run some work at a till of these settings; a server that answers charges what the till showed, or 12 yuan."""

    def judge(intent: Intent) -> tuple[bool, str, int, int]:
        return True, "charged", intent.amount or 1200, 8800

    async def main(loop: VirtualLoop) -> None:
        async with running(loop, directory) as site:
            site.server.set_items(till(**changes))
            await site.server.drop()
            await asyncio.sleep(10)
            site.server.judge = judge
            if alone:
                site.server.down = True
                await site.server.drop()
                await asyncio.sleep(1)
            await work(site)

    run_virtual(main)


async def pay(site: Running, keys: str = "", card: str = ANNA) -> None:
    if keys:
        site.port.keys(keys)
    site.port.tap(card, "t01")  # type: ignore[arg-type]
    await asyncio.sleep(2)


def intents(site: Running) -> list[Intent]:
    return [body for body in site.bodies() if isinstance(body, Intent)]


def outcomes(site: Running) -> list[Outcome]:
    return [body for body in site.bodies() if isinstance(body, Outcome)]


def refused_undos(site: Running) -> list[str]:
    events = [body for body in site.bodies() if isinstance(body, DeviceEvent) and body.event == "undo_refused"]
    return [event.detail.split()[-1] for event in events]


@pytest.mark.parametrize("alone", [False, True])
def test_c03_the_card_confirms_the_amount_that_the_display_showed(tmp_path: Path, *, alone: bool) -> None:
    async def work(site: Running) -> None:
        site.port.keys("12*5#")
        await asyncio.sleep(0.1)
        assert site.port.shown()[-1] == "PAY 12.50"
        await pay(site)
        assert [intent.amount for intent in intents(site)] == [1250]
        assert [(one.outcome, one.verdict.amount) for one in outcomes(site)] == [(OutcomeKind.SERVED, 1250)]

    at_till(tmp_path, work, mode="keyed", alone=alone)


def test_alone_a_card_without_an_amount_is_refused_and_an_old_amount_is_forgotten(tmp_path: Path) -> None:
    async def work(site: Running) -> None:
        await pay(site)
        site.port.keys("12#")
        await asyncio.sleep(61)
        await pay(site)
        assert [one.verdict.reason for one in outcomes(site)] == ["amount_missing"] * 2

    at_till(tmp_path, work, mode="keyed", alone=True)


def test_c04_keys_have_their_prices_and_the_lines_travel(tmp_path: Path) -> None:
    async def work(site: Running) -> None:
        await pay(site, "112")
        assert intents(site)[0].lines == (Line("1", 2, 200), Line("2", 1, 550))
        assert outcomes(site)[0].verdict.amount == 950

    at_till(tmp_path, work, mode="key_value", key_prices=(("1", Fen(200)), ("2", Fen(550))), alone=True)


def test_c05_dishes_are_keyed_by_number_at_the_prices_of_the_day(tmp_path: Path) -> None:
    async def work(site: Running) -> None:
        snapshot = site.daemon.policy.snapshot
        day = site_time(site.clock.now(), snapshot.zone, snapshot.day_starts_at).business_day
        menus = [
            MenuItem(StallId("stall-1"), day + timedelta(days=ahead), (Dish("lunch", "12", Fen(850 + ahead)),))
            for ahead in range(2)
        ]
        site.server.set_items(*menus)
        await site.server.drop()
        await asyncio.sleep(10)
        site.server.down = True
        await site.server.drop()
        await pay(site, "12*2#")
        assert (intents(site)[0].lines, outcomes(site)[0].verdict.amount) == ((Line("12", 2, 850),), 1700)

    at_till(tmp_path, work, mode="menu")


def test_a_newly_keyed_amount_is_no_repeat_of_the_last(tmp_path: Path) -> None:
    async def work(site: Running) -> None:
        await pay(site, "5#")
        await pay(site, "6#")
        assert [one.verdict.amount for one in outcomes(site)] == [500, 600]
        site.port.tap(ANNA, "t01")
        await asyncio.sleep(0.5)
        assert len(outcomes(site)) == 2

    at_till(tmp_path, work, mode="keyed")


@pytest.mark.parametrize("alone", [False, True])
def test_c59_the_last_charge_is_taken_back_by_its_card_as_a_new_record(tmp_path: Path, *, alone: bool) -> None:
    async def work(site: Running) -> None:
        await pay(site)
        await pay(site, "*0#")
        served, undone = outcomes(site)
        assert (served.outcome, undone.outcome, undone.verdict.reason) == (
            OutcomeKind.SERVED, OutcomeKind.CANCELLED, "undone",
        )  # fmt: skip
        assert undone.tap_seq == served.tap_seq
        assert [type(body) for body in site.bodies()][-3:] == [Intent, Outcome, Outcome]  # nothing was edited
        texts = [action.text for _, action, _, _ in site.port.told if isinstance(action, Show)]
        assert texts[-2:] == ["BACK 12.00", "CHARGE UNDONE"]
        assert [action.colour for _, action, _, _ in site.port.told if isinstance(action, Lamp)][-1] is LedColour.AMBER
        await pay(site)  # no guard stands: it is a new meal
        assert [one.outcome for one in outcomes(site)][-1] is OutcomeKind.SERVED

    at_till(tmp_path, work, alone=alone)


def test_what_is_taken_back_alone_counts_against_no_cap(tmp_path: Path) -> None:
    async def work(site: Running) -> None:
        for _ in range(3):
            await pay(site)
            await pay(site, "*0#")
        await pay(site)
        await asyncio.sleep(5)
        await pay(site)
        assert [one.verdict.reason for one in outcomes(site)][-2:] == ["charged", "offline_card_cap"]

    at_till(tmp_path, work, alone=True, offline_card_cap=1)


def test_nothing_else_can_be_taken_back(tmp_path: Path) -> None:
    async def work(site: Running) -> None:
        await pay(site, "*0#")
        await pay(site)
        await pay(site, "*0#", BORIS)
        await pay(site, "*0#")
        await pay(site, "*0#")
        await pay(site)
        await asyncio.sleep(5 * 60)
        await pay(site, "*0#")
        assert refused_undos(site) == ["nothing_to_undo", "undo_other_card", "nothing_to_undo", "undo_too_late"]
        assert [one.outcome for one in outcomes(site)].count(OutcomeKind.CANCELLED) == 1

    at_till(tmp_path, work)


def test_a_till_may_undo_nothing_at_all(tmp_path: Path) -> None:
    async def work(site: Running) -> None:
        await pay(site)
        await pay(site, "*0#")
        assert [one.outcome for one in outcomes(site)] == [OutcomeKind.SERVED]

    at_till(tmp_path, work, undo_minutes=0)


def test_c15_a_pin_goes_to_the_server_beside_the_record_and_only_with_its_own_card(tmp_path: Path) -> None:
    async def work(site: Running) -> None:
        asked: list[str] = []

        def judge(_intent: Intent) -> tuple[bool, str, int, int]:
            asked.append(site.server.of_kind(Tap)[-1].pin)  # type: ignore[attr-defined]
            return (True, "charged", 5000, 0) if asked[-1] == "2580" else (False, "pin_needed", 0, 0)

        site.server.judge = judge
        await pay(site, "50#")
        assert site.port.shown()[-1] == "KEY PIN, TAP"
        site.port.keys("2580#")
        await pay(site, card=BORIS)
        await pay(site, "2580#")
        assert asked == ["", "", ""]  # Boris came between: whose PIN it was is forgotten
        await pay(site, "2580#")
        assert (asked[-1], outcomes(site)[-1].outcome) == ("2580", OutcomeKind.SERVED)
        assert not any(b"2580" in record.body for record in site.server.records.values())

    at_till(tmp_path, work, mode="keyed")


def test_c16_the_guard_gives_way_after_its_seconds(tmp_path: Path) -> None:
    async def work(site: Running) -> None:
        for _ in range(3):
            site.port.tap(ANNA, "t01")
            await asyncio.sleep(0.5)
        assert [one.outcome for one in outcomes(site)] == [OutcomeKind.SERVED]
        await asyncio.sleep(3)
        await pay(site)
        assert [one.outcome for one in outcomes(site)] == [OutcomeKind.SERVED] * 2

    at_till(tmp_path, work)


def test_c48_c52_what_was_charged_and_undone_alone_arrives_once_and_without_a_gap(tmp_path: Path) -> None:
    async def work(site: Running) -> None:
        site.server.down = True
        await site.server.drop()
        await pay(site, "12*5#")
        await pay(site, "*0#")
        await pay(site, "7#", BORIS)
        site.server.down = False
        await asyncio.sleep(40)
        journal = site.daemon.journal
        assert (journal.pending, site.server.duplicates) == (0, 0)
        assert site.server.mark(journal.epoch) == journal.head.seq
        assert site.server.chain_is_whole(journal.epoch)
        arrived = [body for body in site.server.bodies(journal.epoch) if isinstance(body, Outcome)]
        assert [(one.outcome, one.verdict.amount) for one in arrived] == [
            (OutcomeKind.SERVED, 1250), (OutcomeKind.CANCELLED, 1250), (OutcomeKind.SERVED, 700),
        ]  # fmt: skip

    at_till(tmp_path, work, mode="keyed")


def test_c50_a_box_tells_which_card_list_it_refuses_by(tmp_path: Path) -> None:
    async def work(site: Running) -> None:
        newer = site.server.snapshot.version + 5
        await site.server.push(site.server.signed_deny(newer, (ANNA, "card_lost")))
        await asyncio.sleep(10)
        health = site.server.of_kind(Health)[-1]
        assert isinstance(health, Health)
        assert health.deny_version == newer
        await pay(site)
        await pay(site, card=BORIS)
        assert [one.verdict.reason for one in outcomes(site)][-2:] == ["charged", "charged"]  # the server decides

    at_till(tmp_path, work)


def test_c77_the_display_shows_amount_and_balance_or_the_meals_that_are_left() -> None:
    def rows(*, amount: int, balance: int | None, rights: int = 0) -> list[str]:
        actions = meal_signals(Fen(amount), None if balance is None else Fen(balance), Reason.CHARGED, rights)
        return [action.text for action in actions if isinstance(action, Show)]

    assert rows(amount=1200, balance=8800)[0] == "12.00 BAL 88.00"
    assert rows(amount=1200, balance=None)[0] == "12.00 OFFLINE"
    assert [rows(amount=0, balance=7, rights=1)[0], rows(amount=0, balance=None, rights=1)[0]] == [
        "MEALS LEFT 7", "MEAL OFFLINE",
    ]  # fmt: skip
