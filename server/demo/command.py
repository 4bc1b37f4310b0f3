"""The command line of the demo: starts the site, plays its story, prints what came of it."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from cardcore.money import Fen, yuan_text
from server.demo.gate_day import GateDay
from server.demo.logins import LOGIN, NAMES
from server.demo.report import report
from server.demo.shifted import shift_to_before_lunch
from server.demo.site import DemoError, DemoSite, empty_folder
from server.demo.story import TILLS, Story
from server.logs import configure_logs
from server.system import SystemClock

DEFAULT_MORNING_TAPS = 120
DEFAULT_LUNCH_TAPS = 160
MAX_TAPS = 3_000
START_SECONDS = 12
"""About how long the site takes to come up."""
MORNING_MS_A_TAP = 450
"""About how long six lanes take for one person; lunch is set to begin when the morning is over."""


def main(argv: list[str]) -> int:
    """Run the demo; returns 0, 1 when an invariant does not hold or the site did not come up, 130 when interrupted."""
    arguments = _parser().parse_args(argv)
    try:
        return asyncio.run(_run(arguments))
    except DemoError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="onecard demo", description="Run the reference site on this machine.")
    parser.add_argument("--seed", type=int, default=1, help="draws the people and the mishaps")
    parser.add_argument("--exit", action="store_true", help="end after the story instead of keeping the site open")
    parser.add_argument("--json", type=Path, help="write counts, latencies and invariants to this file")
    parser.add_argument("--data", type=Path, default=Path(".demo"), help="folder of the demo; emptied at every start")
    parser.add_argument("--morning-taps", type=int, default=DEFAULT_MORNING_TAPS, help="people at the gates")
    parser.add_argument("--lunch-taps", type=int, default=DEFAULT_LUNCH_TAPS, help="meals at the tills")
    return parser


async def _run(arguments: argparse.Namespace) -> int:
    for name in ("morning_taps", "lunch_taps"):
        if not 12 <= getattr(arguments, name) <= MAX_TAPS:  # noqa: PLR2004 - every mishap needs its turn
            msg = f"--{name.replace('_', '-')} must be from 12 to {MAX_TAPS}"
            raise DemoError(msg)
    lead_seconds = START_SECONDS + arguments.morning_taps * MORNING_MS_A_TAP // 1000
    shift = shift_to_before_lunch(SystemClock(), lead_seconds)
    folder = arguments.data.absolute()
    empty_folder(folder)
    site = DemoSite(folder, arguments.seed, shift, _say)
    stopped = asyncio.Event()
    configure_logs("info", "json", (folder / "demo.log").open("a"))
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    try:
        playing = asyncio.create_task(_play(site, arguments))
        stopping = asyncio.create_task(stopped.wait())
        await asyncio.wait({playing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if playing.done():
            stopping.cancel()
            return playing.result()
        playing.cancel()
        with suppress(asyncio.CancelledError):
            await playing
        return 0
    finally:
        _say("stopping")
        await site.stop()


async def _play(site: DemoSite, arguments: argparse.Namespace) -> int:
    await site.start()
    story = Story(
        site.plant.order, site.tally, site.site.holders if site.site else (), arguments.seed, site.lose_card,
        site.server_outage, _say, site.charge_by,
    )  # fmt: skip
    _say(f"the site is open: {site.url}  login: {LOGIN}  password: {site.password}")
    _say(f"the same password opens one role each: {', '.join(NAMES)}")
    progress = asyncio.create_task(_progress(site, story))
    try:
        _say("morning: people arrive at six lanes")
        await story.morning(arguments.morning_taps)
        await _until_lunch(site)
        _say("lunch: four tills are open")
        await story.lunch(arguments.lunch_taps)
        await story.snack()
        gate = await GateDay(site, story, _say).play()
        _say("the daemons hand in what they kept")
        await site.drained()
    finally:
        progress.cancel()
    result = await asyncio.to_thread(report, site)
    result["invariants"] |= gate
    result["invariants"]["the_wrong_amount_was_taken_back"] = site.tally.undone.total() == 1
    if arguments.json is not None:
        await asyncio.to_thread(arguments.json.write_text, json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    good = _tell(result)
    if arguments.exit:
        return 0 if good else 1
    _say(f"the site stays open until Ctrl-C: {site.url}  login: {LOGIN}  password: {site.password}")
    await story.ever_after()
    return 0 if good else 1


async def _until_lunch(site: DemoSite) -> None:
    """Wait for the meal period, should the morning have been short."""
    while (left := site.seconds_until_lunch()) > 0:
        _say(f"lunch begins in {left:.0f} s")
        await asyncio.sleep(min(left, 15))


async def _progress(site: DemoSite, story: Story) -> None:
    while True:
        await asyncio.sleep(5)
        passages, meals = site.tally.passages.total(), sum(site.tally.meals[till] for till in TILLS)
        _say(f"{story.done} of {story.total} people served: {passages} passed a lane, {meals} ate")


def _tell(result: dict[str, Any]) -> bool:
    taps, charges, answers = result["taps"], result["charges"], result["answer_ms"]
    _say(f"taps {taps['taps']}, of them decided at the edge {taps['decided_offline']}; passages {taps['passages']}")
    _say(f"charges {charges['in_force']}, {yuan_text(Fen(charges['fen']))} yuan; reversed {charges['reversed']}")
    for place, times in answers.items():
        _say(f"{place}: card to lamp p50 {times['p50']} ms, p95 {times['p95']} ms")
    _say("how taps ended: " + ", ".join(f"{reason} {count}" for reason, count in result["reasons"].items()))
    for name, holds in result["invariants"].items():
        _say(f"{'ok  ' if holds else 'FAIL'} {name}")
    for name, found in result["violations"].items():
        _say(f"{name}: {found}")
    return all(result["invariants"].values())


def _say(line: str) -> None:
    print(f"demo: {line}", flush=True)
