"""Takes one safeguard away at a time and looks for the first seed that notices, and how many do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tests.simulation.campaign import in_memory
from tests.simulation.defect import Defect
from tests.simulation.defects import DEFECTS
from tests.simulation.rule_defects import RULE_DEFECTS
from tests.simulation.silence import silence
from tests.simulation.story import draw_story
from tests.simulation.world import run_story

ALL_DEFECTS = (*DEFECTS, *RULE_DEFECTS)
SEEDS = 200
"""A defect that so many seeds do not notice means that the simulator is blind."""


@dataclass(frozen=True, slots=True)
class Caught:
    """Which of the seeds noticed a defect, and by which invariants the first did."""

    name: str
    removed: str
    seeds: tuple[int, ...]
    tried: int
    invariants: frozenset[str]


def hunt(defect: Defect, seeds: Iterable[int], *, to_the_first: bool) -> Caught:
    """Play seeds with the safeguard taken away."""
    silence()
    found: list[int] = []
    first: frozenset[str] = frozenset()
    tried = 0
    for seed in seeds:
        tried += 1
        with defect.broken():
            result = run_story(draw_story(seed), in_memory)
        shown = frozenset(violation.invariant for violation in result.violations) & defect.shown_by
        if shown:
            first = first or shown
            found.append(seed)
            if to_the_first:
                break
    return Caught(defect.name, defect.removed, tuple(found), tried, first)


def hunt_all(name: str, seeds: int) -> Caught:
    """Play that many seeds with the defect of that name."""
    defect = next(defect for defect in ALL_DEFECTS if defect.name == name)
    return hunt(defect, range(seeds), to_the_first=False)


def table(caught: Iterable[Caught]) -> str:
    """Return the table of `docs/reliability.md`."""
    found = list(caught)
    tried = max((one.tried for one in found), default=0)
    rows = [f"| taken away | noticed by | first seed | seeds of {tried} |", "|---|---|---|---|"]
    rows += [
        f"| {one.removed} (`{one.name}`) | {', '.join(sorted(one.invariants)) or '-'} |"
        f" {one.seeds[0] if one.seeds else 'never'} | {len(one.seeds)} |"
        for one in found
    ]
    return "\n".join(rows)
