"""What happens in the demo: a seeded morning rush at the gates and a lunch at the tills, with their mishaps.

The script is drawn from the seed alone; how long people wait for their turn is left to the machines.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

from server.demo.tally import Tally
from server.seed.service import SeededHolder

IN_LANES = ("g01", "g02", "g03", "g04", "g05", "g06")
OUT_LANES = ("g07", "g08", "g09", "g10")
TILLS = ("t01", "t02", "t03", "t04")
TURN_SECONDS = 9.0
"""Longer than an open window: who has no answer by then is the next one's problem."""
STEP_UP_SECONDS = 0.8
"""Until the next person has stepped up: an arm needs its time to close, a tray to be moved."""
OUTAGE_SECONDS = 6.0
LINE_CUT_SECONDS = 4.0
CUT_BUS, CUT_LANES = "gate3", ("g05", "g06")
"""What happens behind a cut line cannot be seen: these lanes are counted apart."""
STRANGERS_FROM = 3_837
"""Card indices from here were never issued."""

Order = Callable[..., Awaitable[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Turn:
    """One person at one reader."""

    index: int
    walks_ms: int | None
    """How long the person takes to walk through; None walks away."""


@dataclass(slots=True)
class Story:
    """Plays the demo on a plant."""

    order: Order
    tally: Tally
    holders: tuple[SeededHolder, ...]
    seed: int
    lose_card: Callable[[SeededHolder], Awaitable[None]]
    server_outage: Callable[[float], Awaitable[None]]
    say: Callable[[str], None]
    charge_by: Callable[[str, str], Awaitable[None]]
    """Set a till to a mode, as a manager would; returns when its daemon knows."""
    done: int = 0
    total: int = 0

    async def morning(self, taps: int) -> None:
        """Let people in: refusals, a card lost on the way, a lane cut off, somebody who does not walk, a forced arm."""
        chance = random.Random(f"morning/{self.seed}")
        may_enter = [holder for holder in self.holders if holder.product != "canteen_only"]
        people = iter(chance.sample(may_enter, min(taps, len(may_enter))))
        eaters = [holder for holder in self.holders if holder.product == "canteen_only"]
        turns = [Turn(person.index, chance.randint(400, 900)) for person in people]
        lost = chance.choice(may_enter)
        for at, turn in (
            (taps // 5, Turn(STRANGERS_FROM + chance.randrange(100), None)),
            (taps // 4, Turn(chance.choice(eaters).index, None)),
            (taps // 3, Turn(turns[0].index, None)),
            (taps // 2, Turn(lost.index, None)),
        ):
            turns.insert(at, turn)
        self.total += len(turns)
        self.say(f"{lost.product} card no. {lost.index} is reported lost")
        await self.lose_card(lost)
        queue = iter(turns)
        await asyncio.gather(
            *(self._lane(lane, queue) for lane in IN_LANES),
            self._after(taps // 4, self._cut_line(CUT_BUS)),
            self._after(taps // 2, self._force("g08")),
        )

    async def lunch(self, taps: int) -> None:
        """Serve lunch: gate-only and unknown cards, double taps, and a server that is gone for some seconds."""
        chance = random.Random(f"lunch/{self.seed}")
        may_eat = [holder for holder in self.holders if holder.account is not None]
        turns = [Turn(chance.choice(may_eat).index, None) for _ in range(taps)]
        others = [holder for holder in self.holders if holder.account is None]
        turns.insert(taps // 4, Turn(chance.choice(others).index, None))
        turns.insert(taps // 3, Turn(STRANGERS_FROM + chance.randrange(100), None))
        turns.insert(taps // 2, turns[taps // 2])
        self.total += len(turns)
        queue = iter(turns)
        before = self.done
        await asyncio.gather(
            *(self._till(till, queue) for till in TILLS), self._after(before + taps // 3, self._outage())
        )

    async def snack(self) -> None:
        """Key an amount at a till, let two people pay theirs, and take the second back: it was keyed wrong."""
        till = TILLS[-1]
        chance = random.Random(f"snack/{self.seed}")
        first, second = chance.sample([holder for holder in self.holders if holder.account is not None], 2)
        await self.charge_by(till, "keyed")
        self.total += 3
        for person, keys in ((first, "3*5#"), (second, "18#"), (second, "*0#")):
            await self.order("keys", reader=till, keys=keys)
            await self.turn(till, Turn(person.index, None))
        await self.charge_by(till, "period")
        self.say(f"{till} took keyed amounts; 18.00 was keyed wrong and taken back")

    async def ever_after(self) -> None:
        """Go on at the pace of a quiet day until cancelled."""
        chance = random.Random(f"after/{self.seed}")
        while True:
            person = chance.choice(self.holders)
            if chance.random() < 0.5 and person.account is not None:  # noqa: PLR2004 - a coin
                await self.turn(chance.choice(TILLS), Turn(person.index, None))
            else:
                await self.turn(chance.choice((*IN_LANES, *OUT_LANES)), Turn(person.index, chance.randint(500, 1_500)))
            await asyncio.sleep(chance.uniform(0.5, 2.0))

    async def _lane(self, lane: str, queue: Iterator[Turn]) -> None:
        for turn in queue:
            await self.turn(lane, turn)

    async def _till(self, till: str, queue: Iterator[Turn]) -> None:
        for turn in queue:
            await self.turn(till, turn)

    async def turn(self, reader: str, turn: Turn) -> None:
        """Present a card and stay until the lamp answered and, at a lane, the person is through or gave up."""
        fields: dict[str, object] = {"reader": reader, "index": turn.index}
        if turn.walks_ms is not None:
            fields["walk_ms"] = turn.walks_ms
        green, passed = self.tally.green[reader], self.tally.passages[reader]
        await self.order("tap", **fields)
        is_lane = reader not in TILLS
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + TURN_SECONDS
        while await self.tally.next_answer(reader, max(0.0, ends_at - loop.time())):
            if not is_lane or self.tally.green[reader] == green or self.tally.passages[reader] > passed:
                break
        self.done += 1
        await asyncio.sleep(STEP_UP_SECONDS)

    async def _after(self, done: int, deed: Awaitable[None]) -> None:
        """Do something once so many people had their turn."""
        while self.done < min(done, self.total):  # noqa: ASYNC110 - a count that many turns move, looked at twice a turn
            await asyncio.sleep(0.1)
        await deed

    async def _cut_line(self, bus: str) -> None:
        self.say(f"the line of {bus} is cut for {LINE_CUT_SECONDS:.0f} s")
        await self.order("cut", bus=bus, seconds=LINE_CUT_SECONDS)

    async def _force(self, lane: str) -> None:
        self.say(f"somebody forces the arm of {lane}")
        await self.order("force", reader=lane)

    async def _outage(self) -> None:
        self.say(f"the server is killed and stays away for {OUTAGE_SECONDS:.0f} s; the tills go on")
        await self.server_outage(OUTAGE_SECONDS)
        self.say("the server is back")
