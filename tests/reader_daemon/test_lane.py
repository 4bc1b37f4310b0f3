"""A lane from the card to the passage, on a real journal and the whole link, in virtual time."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from cardcore.journal import Decided, DeviceEvent, Intent, Outcome, OutcomeKind
from cardcore.wire.messages import CommandDone
from reader_daemon.messages import Beep, CommandResult, Lamp, LedColour, Pulse, ReaderAction
from tests.reader_daemon.site import ANNA, BORIS, FIRE, LOST, PASS, READY, STRANGER, fresh_server, running
from tests.reader_daemon.virtual_time import VirtualLoop, run_virtual


def events(bodies: list[object]) -> list[str]:
    return [body.event for body in bodies if isinstance(body, DeviceEvent)]


def test_a_granted_person_who_goes_through_is_a_passage(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with running(loop, tmp_path) as site:
            site.port.tap(ANNA)
            await asyncio.sleep(0.2)
            assert len(site.port.pulses()) == 1
            assert site.port.shown()[-1] == "PLEASE PASS"
            assert not site.outcomes()  # a grant moves nobody
            await site.port.pass_through()
            assert site.outcomes() == [(OutcomeKind.PASSED, "granted")]
            await asyncio.sleep(1)
            epoch = site.daemon.journal.epoch
            assert site.server.mark(epoch) == site.daemon.journal.head.seq
            assert site.server.chain_is_whole(epoch)
            assert site.server.duplicates == 0  # a tap that waits live is not uploaded beside

    run_virtual(main)


def test_the_relay_moves_only_after_the_decision_is_durable(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with running(loop, tmp_path) as site:
            seen: list[list[type]] = []

            def look(_reader: str, action: ReaderAction) -> None:
                if isinstance(action, Pulse):
                    seen.append([type(body) for body in site.bodies()][-2:])

            site.port.on_tell = look
            site.port.tap(ANNA)
            await asyncio.sleep(0.2)
            assert seen == [[Intent, Decided]]

    run_virtual(main)


def test_nobody_going_through_is_not_used(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with running(loop, tmp_path) as site:
            site.port.tap(ANNA)
            await asyncio.sleep(6)
            assert site.outcomes() == [(OutcomeKind.NOT_USED, "granted")]

    run_virtual(main)


@pytest.mark.parametrize(
    ("server_says", "shown"),
    [("card_lost", "CARD LOST"), ("no_access_now", "NO ACCESS NOW"), ("from_2031", "TRY AGAIN")],
)
def test_a_refusal_is_recorded_before_it_is_shown(tmp_path: Path, server_says: str, shown: str) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with running(loop, tmp_path) as site:
            site.server.judge = lambda _intent: (False, server_says, 0, 0)
            seen: list[object] = []
            site.port.on_tell = lambda _reader, _action: seen.append(site.bodies()[-1])
            site.port.tap(ANNA)
            await asyncio.sleep(0.2)
            assert site.port.shown() == [shown]
            assert site.outcomes() == [(OutcomeKind.DECLINED, server_says)]
            assert all(isinstance(body, Outcome) for body in seen)
            assert not site.port.pulses()
            lamps = [action for _, action, _, _ in site.port.told if isinstance(action, Lamp)]
            assert [lamp.colour for lamp in lamps] == [LedColour.RED]
            assert any(isinstance(action, Beep) for _, action, _, _ in site.port.told)

    run_virtual(main)


@pytest.mark.parametrize(
    ("card", "outcome"),
    [
        (ANNA, []),
        (LOST, [(OutcomeKind.DECLINED, "card_lost")]),
        (STRANGER, [(OutcomeKind.DECLINED, "card_unknown")]),
    ],
)
def test_without_an_answer_the_lane_decides_by_its_snapshot(
    tmp_path: Path, card: str, outcome: list[tuple[OutcomeKind, str]]
) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with running(loop, tmp_path) as site:
            site.server.silent_to_taps = True
            begun_ms = site.clock.monotonic_ms()
            site.port.tap(card)  # type: ignore[arg-type]
            await asyncio.sleep(0.5)
            assert site.outcomes() == outcome
            answered_ms = site.port.told[0][3] - begun_ms
            assert 300 <= answered_ms <= 320
            verdicts = [body.verdict for body in site.bodies() if isinstance(body, Decided | Outcome)]
            assert [verdict.offline for verdict in verdicts] == [True]

    run_virtual(main)


def test_a_late_answer_is_an_event_and_moves_nothing(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with running(loop, tmp_path) as site:
            site.server.delay_ms = 900
            site.port.tap(LOST)
            await asyncio.sleep(2)
            assert site.outcomes() == [(OutcomeKind.DECLINED, "card_lost")]
            assert not site.port.pulses()
            assert "late_decision" in events(site.bodies())

    run_virtual(main)


def test_the_same_person_again_is_shown_the_answer_without_a_second_pulse(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with running(loop, tmp_path) as site:
            site.port.tap(ANNA)
            site.port.tap(ANNA)
            await asyncio.sleep(0.5)
            assert len(site.port.pulses()) == 1
            assert site.port.shown() == ["PLEASE PASS", "PLEASE PASS"]
            assert "repeat" in events(site.bodies())
            await site.port.pass_through()
            site.port.tap(ANNA)
            await asyncio.sleep(0.2)
            assert len(site.port.pulses()) == 2

    run_virtual(main)


def test_another_person_finds_the_lane_busy(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with running(loop, tmp_path) as site:
            site.port.tap(ANNA)
            site.port.tap(BORIS)
            await asyncio.sleep(0.5)
            assert site.outcomes() == [(OutcomeKind.DECLINED, "lane_busy")]
            assert site.port.shown() == ["PLEASE PASS", "PLEASE WAIT"]
            await site.port.pass_through()
            assert site.outcomes()[-1] == (OutcomeKind.PASSED, "granted")

    run_virtual(main)


def test_a_possibly_stale_tap_is_recorded_and_opens_nothing(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with running(loop, tmp_path) as site:
            site.port.tap(ANNA, stale=True)
            await asyncio.sleep(0.5)
            assert site.outcomes() == [(OutcomeKind.DECLINED, "possibly_stale")]
            assert not site.port.pulses()

    run_virtual(main)


def test_a_lane_that_is_not_ready_takes_no_grants(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with running(loop, tmp_path) as site:
            site.port.contact(READY, active=False)
            site.port.tap(ANNA)
            await asyncio.sleep(0.5)
            assert site.outcomes() == [(OutcomeKind.DECLINED, "lane_not_ready")]
            assert site.port.shown() == ["USE OTHER LANE"]

    run_virtual(main)


def test_a_power_cut_of_the_lane_is_no_passage(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with running(loop, tmp_path) as site:
            site.port.tap(ANNA)
            await asyncio.sleep(0.2)
            site.port.contact(PASS, active=False)
            site.port.contact(READY, active=False)
            await asyncio.sleep(0.5)
            site.port.contact(PASS, active=True)
            site.port.contact(READY, active=True)
            await asyncio.sleep(6)
            assert site.outcomes() == [(OutcomeKind.NOT_USED, "granted")]

    run_virtual(main)


def test_a_passage_without_a_grant_is_forced_unless_there_is_fire(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with running(loop, tmp_path) as site:
            await site.port.pass_through()
            site.port.contact(FIRE, active=True)
            await site.port.pass_through()
            found = [body for body in site.bodies() if isinstance(body, DeviceEvent) and "passage" in body.event]
            assert [(event.event, event.alarm) for event in found] == [
                ("forced_passage", True),
                ("free_passage", False),
            ]
            site.port.tap(ANNA)
            await asyncio.sleep(0.5)
            assert not site.port.pulses()  # the lane is free in hardware; taps are recorded all the same
            assert any(isinstance(body, Decided) for body in site.bodies())

    run_virtual(main)


def test_a_pulse_that_never_reached_the_reader_ends_the_grant(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with running(loop, tmp_path) as site:
            site.port.pulse_result = CommandResult.EXPIRED
            site.port.tap(ANNA)
            await asyncio.sleep(0.5)
            assert site.outcomes() == [(OutcomeKind.NOT_USED, "granted")]
            assert site.port.shown()[-1] == "USE OTHER LANE"
            assert "relay_failed" in events(site.bodies())

    run_virtual(main)


def test_a_lane_without_a_sensor_assumes_the_passage(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        server = fresh_server(loop, has_pass_sensor=False)
        async with running(loop, tmp_path, server) as site:
            site.port.tap(ANNA)
            await asyncio.sleep(6)
            assert site.outcomes() == [(OutcomeKind.PASSED, "granted")]

    run_virtual(main)


def test_every_pulse_expires_one_second_after_its_decision(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with running(loop, tmp_path) as site:
            site.port.tap(ANNA)
            await asyncio.sleep(0.5)
            [(deadline_ms, told_ms)] = [
                (deadline, at) for _, action, deadline, at in site.port.told if isinstance(action, Pulse)
            ]
            assert deadline_ms - told_ms <= 1_000

    run_virtual(main)


def test_an_operator_opens_once_and_an_old_or_repeated_command_opens_nothing(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with running(loop, tmp_path) as site:
            now_ms = site.server.command().issued_at_ms
            await site.server.push(site.server.command(nonce="old", issued_at_ms=now_ms - 1_500))
            await site.server.push(site.server.command(nonce="future", issued_at_ms=now_ms + 1_500))
            await site.server.push(site.server.command(nonce="one"))
            await asyncio.sleep(0.1)
            await site.port.pass_through()
            await site.server.push(
                site.server.command(nonce="one", issued_at_ms=now_ms + 800)
            )  # the lane is idle again
            await asyncio.sleep(0.1)
            results = [(done.nonce, done.result) for done in site.server.of_kind(CommandDone)]  # type: ignore[attr-defined]
            assert results == [("old", "expired"), ("future", "expired"), ("one", "done"), ("one", "refused")]
            assert len(site.port.pulses()) == 1
            assert "forced_passage" not in events(site.bodies())
            assert {"opened_by_operator", "operator_opening_passed"} <= set(events(site.bodies()))

    run_virtual(main)


def test_a_cut_while_a_grant_is_open_is_not_confirmed_with_its_verdict(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        server = fresh_server(loop)
        async with running(loop, tmp_path, server) as site:
            site.port.tap(ANNA)
            await asyncio.sleep(0.5)
        async with running(loop, tmp_path, server, ids_from=900) as site:
            [outcome] = [body for body in site.bodies() if isinstance(body, Outcome)]
            assert outcome.outcome is OutcomeKind.NOT_CONFIRMED
            assert outcome.verdict.granted
            assert not site.port.pulses()

    run_virtual(main)


def test_an_operators_session_that_ends_while_the_lane_opens_disturbs_nothing(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with running(loop, tmp_path) as site:
            desk = site.daemon._desks["g01"]
            with capture_logs() as logs:
                asked = asyncio.create_task(desk.open_by(site.server.command(), round(loop.time() * 1000) + 1_000))
                await asyncio.sleep(0)
                asked.cancel()
                await asyncio.sleep(0.5)
            assert "reader_event_failed" not in [log["event"] for log in logs]
            assert "opened_by_operator" in events(site.bodies())

    run_virtual(main)
