"""Makes a failing story as short as it can: events are taken out as long as the same invariant still breaks."""

from __future__ import annotations

from collections.abc import Callable

from tests.simulation.story import Fault, Story
from tests.simulation.world import RunResult

MAX_RUNS = 150
"""Runs spent on one story."""

Play = Callable[[Story], RunResult]


def shortest(failed: RunResult, play: Play) -> RunResult:
    """Return the shortest failing run that was found; faults are tried first, as they tell the cause."""
    broken = {violation.invariant for violation in failed.violations}
    best, runs = failed, 0
    progress = True
    while progress and runs < MAX_RUNS:
        progress = False
        for index in _order(best.story):
            if runs >= MAX_RUNS:
                break
            runs += 1
            shorter = play(best.story.without(frozenset({index})))
            if broken & {violation.invariant for violation in shorter.violations}:
                best, progress = shorter, True
                break
    return best


def _order(story: Story) -> list[int]:
    """Name the events to leave out, faults first and the latest before the earliest."""
    faults = [index for index, event in enumerate(story.events) if isinstance(event.what, Fault)]
    others = [index for index, event in enumerate(story.events) if not isinstance(event.what, Fault)]
    return [*reversed(faults), *reversed(others)]
