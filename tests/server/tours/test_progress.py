"""A round from its plan and the taps: order, time, tolerance (A41, S10)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from server.tours.progress import Checkpoint, Progress, Tap, progress

START = datetime(2026, 9, 7, 12, tzinfo=UTC)
PLAN = (Checkpoint("a", 0), Checkpoint("b", 10), Checkpoint("c", 20))
TEN = timedelta(minutes=10)


def minutes(number: int) -> datetime:
    return START + timedelta(minutes=number)


def walked(taps: list[tuple[str, int]], now: int, plan: tuple[Checkpoint, ...] = PLAN) -> Progress:
    return progress(plan, START, TEN, [Tap(lane, minutes(at)) for lane, at in taps], minutes(now))


def states(found: Progress) -> str:
    return "".join(stop.state[0] for stop in found.stops)


@pytest.mark.parametrize(
    ("taps", "now", "expected", "strays"),
    [
        ([], 5, "www", 0),
        ([], 11, "mww", 0),
        ([], 31, "mmm", 0),
        ([("a", 1), ("b", 11), ("c", 19)], 25, "vvv", 0),
        ([("a", 1), ("c", 5)], 6, "vww", 1),  # c before b: not its turn
        ([("a", 1), ("c", 5), ("b", 8), ("c", 19)], 20, "vvv", 1),
        ([("a", 1), ("c", 21)], 22, "vmv", 0),  # b's time is over: it blocks nothing
        ([("a", 1), ("b", 25)], 26, "vlw", 0),
        ([("a", 1), ("b", 25), ("c", 29)], 30, "vlv", 0),
        ([("a", 1), ("x", 2), ("a", 3)], 4, "vww", 0),  # a stranger's reader, and the same again
        ([("a", -5)], 0, "vww", 0),
    ],
)
def test_a41_s10_checkpoints_in_order_and_time(
    taps: list[tuple[str, int]], now: int, expected: str, strays: int
) -> None:
    found = walked(taps, now)
    assert (states(found), found.out_of_order) == (expected, strays)


def test_a_round_is_over_when_nothing_waits_and_complete_when_all_was_in_time() -> None:
    assert not walked([("a", 1), ("b", 11)], 12).is_over
    done = walked([("a", 1), ("b", 11), ("c", 21)], 22)
    assert done.is_over
    assert done.is_complete
    late = walked([("a", 1), ("b", 21), ("c", 22)], 23)
    assert late.is_over
    assert not late.is_complete


def test_one_reader_can_stand_twice_in_a_plan() -> None:
    plan = (Checkpoint("a", 0), Checkpoint("b", 10), Checkpoint("a", 20))
    assert states(walked([("a", 1), ("b", 9), ("a", 18)], 19, plan)) == "vvv"
    assert states(walked([("a", 1), ("a", 2)], 3, plan)) == "vww"
