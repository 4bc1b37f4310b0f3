"""What the devices were seen to do, counted by the devices themselves: the demo's witness that is not our own code."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from cardcore.reasons import Reason
from cardcore.texts import REASON_TEXTS

MEAL_CONFIRMED = REASON_TEXTS[Reason.CHARGED].display
CHARGE_UNDONE = REASON_TEXTS[Reason.UNDONE].display
STALE_PULSE_MS = 2_000
"""A pulse this long after the last card of its lane answers no card: 1 s of life after a decision (I8), 300 ms to get
one, and some time on the wire."""


@dataclass(slots=True)
class Tally:
    """Counts by reader, and who waits for what comes next."""

    presented: Counter[str] = field(default_factory=Counter)
    delivered: Counter[str] = field(default_factory=Counter)
    meals: Counter[str] = field(default_factory=Counter)
    """Displays that wished a good meal. Lamps do not count meals: a reader tells its lamp anew at every session."""
    undone: Counter[str] = field(default_factory=Counter)
    """Displays that said that the last charge was taken back."""
    green: Counter[str] = field(default_factory=Counter)
    red: Counter[str] = field(default_factory=Counter)
    pulses: Counter[str] = field(default_factory=Counter)
    passages: Counter[str] = field(default_factory=Counter)
    forced: Counter[str] = field(default_factory=Counter)
    stale_pulses: int = 0
    answer_ms: dict[str, list[int]] = field(default_factory=dict)
    """Card to lamp, by reader, as the reader saw it."""
    _card_at: dict[str, int] = field(default_factory=dict)
    _waiting: dict[str, asyncio.Event] = field(default_factory=dict)
    secure: set[str] = field(default_factory=set)

    def happened(self, event: dict[str, Any]) -> None:
        """Take one happening of the plant."""
        device, at_ms = event["device"], event["at_ms"]
        match event["event"]:
            case "online":
                (self.secure.add if event.get("secure") else self.secure.discard)(device)
            case "tap":
                self.presented[device] += 1
            case "delivered" if event.get("what") == "card":
                self.delivered[device] += 1
                self._card_at[device] = at_ms
            case "lamp" if event.get("colour") in {"green", "red"}:
                self._lamp(device, event["colour"], at_ms)
            case "text" if event.get("text") == MEAL_CONFIRMED:
                self.meals[device] += 1
            case "text" if event.get("text") == CHARGE_UNDONE:
                self.undone[device] += 1
                self._wake(device)
            case "pulse":
                self.pulses[device] += 1
                self.stale_pulses += at_ms - self._card_at.get(device, -STALE_PULSE_MS * 2) > STALE_PULSE_MS
            case "passage":
                (self.forced if event.get("forced") else self.passages)[device] += 1
                self._wake(device)

    async def next_answer(self, device: str, timeout_seconds: float) -> bool:
        """Wait for the next lamp or passage at a reader; False when none comes in time."""
        waiting = self._waiting.setdefault(device, asyncio.Event())
        waiting.clear()
        try:
            await asyncio.wait_for(waiting.wait(), timeout_seconds)
        except TimeoutError:
            return False
        return True

    def _lamp(self, device: str, colour: str, at_ms: int) -> None:
        (self.green if colour == "green" else self.red)[device] += 1
        if device in self._card_at:
            self.answer_ms.setdefault(device, []).append(at_ms - self._card_at[device])
        self._wake(device)

    def _wake(self, device: str) -> None:
        waiting = self._waiting.get(device)
        if waiting is not None:
            waiting.set()


def percentile(values: list[int], percent: int) -> int:
    """Return the nearest-rank percentile; 0 of nothing."""
    if not values:
        return 0
    ordered = sorted(values)
    return ordered[max(0, -(-percent * len(ordered) // 100) - 1)]
