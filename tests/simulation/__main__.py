"""The command: `--seed N` replays one seed, `--seeds A..B` runs many, `--ablations` makes the table."""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections.abc import Sequence
from functools import partial

from tests.simulation.ablations import ALL_DEFECTS, SEEDS, hunt_all, table
from tests.simulation.campaign import Campaign, databases, replay, run_everywhere
from tests.simulation.shrink import shortest
from tests.simulation.world import RunResult

SHOWN_FAILURES = 20
LAST_LINES = 25


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 1 when an invariant broke or a campaign never met what it must meet."""
    parser = argparse.ArgumentParser(prog="onecard-sim", description="the whole site under one seed")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--seed", type=int, help="replay one seed and print its story")
    which.add_argument("--seeds", type=_range, metavar="A..B", help="run the seeds from A up to and without B")
    which.add_argument(
        "--ablations",
        type=int,
        nargs="?",
        const=SEEDS,
        metavar="N",
        help=f"take one safeguard away at a time, play N seeds ({SEEDS}) and print the table",
    )
    parser.add_argument("--tier", type=int, choices=(1, 2), default=1, help="1: tables in memory; 2: real PostgreSQL")
    parser.add_argument("--jobs", type=int, default=2, help="processes for --seeds")
    parser.add_argument("--trace", action="store_true", help="with --seed: print everything that was seen")
    parser.add_argument("--whole", action="store_true", help="with --seed: do not shorten a failing story")
    options = parser.parse_args(arguments)
    if options.ablations:
        return _ablations(options.ablations, options.jobs)
    return _one(options) if options.seed is not None else _many(options)


def _range(text: str) -> range:
    first, _, last = text.partition("..")
    try:
        return range(int(first), int(last))
    except ValueError as error:
        message = f"'{text}' is no range like 0..3000"
        raise argparse.ArgumentTypeError(message) from error


def _one(options: argparse.Namespace) -> int:
    with databases(options.tier, 1) as urls:
        result, play = replay(options.seed, urls[0])
        if result.violations and not options.whole:
            print(f"seed {options.seed} breaks {_names(result)}; looking for a shorter story")
            result = shortest(result, play)
    print(f"seed {options.seed}, trace {result.digest[:16]}, {result.taps} taps")
    for event in result.story.events:
        print(f"  {event}")
    if options.trace or result.violations:
        print("\n".join(result.lines if options.trace else result.lines[-LAST_LINES:]))
    for violation in result.violations:
        print(f"BROKEN {violation.invariant} at {violation.at_seconds:.3f}: {violation.what}")
    return 1 if result.violations else 0


def _many(options: argparse.Namespace) -> int:
    begun = time.monotonic()
    with databases(options.tier, options.jobs) as urls:
        campaign = run_everywhere(options.seeds, urls, _progress)
    took = time.monotonic() - begun
    print(
        f"\ntier {options.tier}: {campaign.seeds} seeds in {took:.0f} s ({campaign.seeds / took:.1f}/s), "
        f"{campaign.taps} taps, {campaign.simulated_seconds / 3600:.1f} simulated hours, {len(campaign.failed)} red"
    )
    for state, count in sorted(campaign.reached.items()):
        print(f"  {count:6d}  {state}")
    for result in sorted(campaign.failed, key=lambda one: one.story.seed)[:SHOWN_FAILURES]:
        print(f"RED seed {result.story.seed}: {_names(result)}: {result.violations[0].what}")
        print(f"    onecard-sim --tier {options.tier} --seed {result.story.seed}")
    missing = campaign.never_reached(options.tier)
    if missing:
        print(f"NEVER REACHED: {', '.join(missing)}")
    return 1 if campaign.failed or missing else 0


def _ablations(seeds: int, jobs: int) -> int:
    caught = []
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        for one in pool.imap(partial(hunt_all, seeds=seeds), [defect.name for defect in ALL_DEFECTS], chunksize=1):
            caught.append(one)
            print(f"\r{len(caught)} of {len(ALL_DEFECTS)}", end="", flush=True)
    print("\n" + table(caught))
    return 0 if all(one.seeds for one in caught) else 1


def _progress(campaign: Campaign) -> None:
    red = ", ".join(str(result.story.seed) for result in campaign.failed)
    print(f"\r{campaign.seeds} seeds, red: {red or 'none'}", end="", flush=True)


def _names(result: RunResult) -> str:
    return ", ".join(sorted({violation.invariant for violation in result.violations}))


if __name__ == "__main__":
    sys.exit(main())
