"""What was seen from outside while a run went on: the raw material of the invariants, and the trace that must repeat.

Only what a person at the lane, on the wire or at the disk could see stands here: the product is not asked.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

from tests.simulation.loop import VirtualLoop

MAX_VIOLATIONS = 20
"""More of one run say nothing new."""


class Violation(NamedTuple):
    """A broken invariant: its name, when, and what was seen."""

    invariant: str
    at_seconds: float
    what: str


class Meal(NamedTuple):
    """A meal that a green lamp gave away: by which durable tap, and for how much."""

    box: str
    epoch: int
    seq: int
    amount: int


@dataclass(frozen=True, slots=True)
class CardChange:
    """A card's state as committed at the server."""

    at_seconds: float
    credential: str
    active: bool


class History:
    """Of one run."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._trace = hashlib.sha256()
        self.lines: list[str] = []
        self.violations: list[Violation] = []
        self.reached: Counter[str] = Counter()
        """The rare states that were reached ("sometimes")."""
        self.meals: list[Meal] = []
        self.undone: list[Meal] = []
        """Meals that a till said it took back."""
        self.card_changes: list[CardChange] = []
        self.acked: dict[tuple[str, int], int] = {}
        """The highest mark that a daemon was told, by box and epoch."""
        self.taps = 0

    def note(self, *words: object) -> None:
        """Add a line to the trace."""
        line = f"{self._loop.time():10.3f} " + " ".join(map(str, words))
        self._trace.update(line.encode())
        self.lines.append(line)

    def violate(self, invariant: str, what: str) -> None:
        """Note a broken invariant."""
        if len(self.violations) < MAX_VIOLATIONS:
            self.violations.append(Violation(invariant, self._loop.time(), what))

    def reach(self, state: str) -> None:
        """Note that a rare state was reached."""
        self.reached[state] += 1

    @property
    def digest(self) -> str:
        """Return the trace's hash: equal for two runs of one story."""
        return self._trace.hexdigest()
