"""The story of a run, drawn from its seed: who taps where and how, what administrators do, and what breaks when.

A story is a list of plain events; taking some out leaves a story, which is how a failing one is made short.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum

from tests.simulation import site_plan as plan
from tests.simulation.chance import Chance

SAFETY_SECONDS = 40.0
"""Length of the phase in which anything may fail."""
VISITS = (8, 22)
DEEDS = (0, 5)
FAULTS = (1, 5)
CLOSING = 0.35
"""Chance that somebody closes the day."""
DAY_HAS_ENDED = (36.5, SAFETY_SECONDS)
"""Seconds after which the business day has ended where a run begins shortly before."""
HOSTILE = 0.3
"""Chance that a hostile box comes on the line."""
HELD_COMMAND = 0.3
"""Chance that the line holds an operator's command back."""


class Manner(StrEnum):
    """How a holder behaves at a reader."""

    PLAIN = "plain"
    DOUBLE = "double"
    """Holds the card twice within 200 ms."""
    WALK_AWAY = "walk_away"
    """Does not go through, or does not wait for the answer."""
    PASS_BACK = "pass_back"
    """Goes through and hands the card to the next person."""
    AGAIN = "again"
    """Comes back for more after a few seconds."""
    UNDO = "undo"
    """Has the meal taken back that was just charged."""
    BOTH = "both"
    """Two cards of one person, it seems: shown at two readers of a kind at the same instant."""


EVERYBODYS = tuple(manner for manner in Manner if manner is not Manner.UNDO)
"""What any visit may be; a meal is taken back in visits of their own."""


class Deed(StrEnum):
    """What an administrator does."""

    LOST = "lost"
    FOUND = "found"
    TOP_UP = "top_up"
    PRICE = "price"
    FREEZE = "freeze"
    OPEN = "open"
    CLOSE = "close"
    OPEN_LANE = "open_lane"
    CLOSE_DAY = "close_day"
    """Closes the business day that ended last."""


OFFICE = tuple(deed for deed in Deed if deed is not Deed.CLOSE_DAY)


class Fault(StrEnum):
    """What breaks. Where it says so, it mends itself after the event's length."""

    KILL_BOX = "kill_box"
    POWER_CUT_BOX = "power_cut_box"
    BOX_OFF_FOR_DAYS = "box_off_for_days"
    """Off, and on again with a wall clock four days later, before its line works."""
    TRAP_BOX = "trap_box"
    WIPE_BOX = "wipe_box"
    IMAGE_BOX = "image_box"
    """The disk is put back to an older image of itself."""
    COPY_BOX = "copy_box"
    DISK_FULL = "disk_full"
    DISK_FAILS = "disk_fails"
    DISK_SLOW = "disk_slow"
    KILL_SERVER = "kill_server"
    POWER_CUT_SERVER = "power_cut_server"
    TRAP_SERVER = "trap_server"
    RESTORE_SERVER = "restore_server"
    DATABASE_DOWN = "database_down"
    DATABASE_SLOW = "database_slow"
    DATABASE_RACES = "database_races"
    COMMIT_UNKNOWN = "commit_unknown"
    CUT = "cut"
    HALF_OPEN = "half_open"
    PARTITION = "partition"
    ONE_WAY_UP = "one_way_up"
    ONE_WAY_DOWN = "one_way_down"
    FLAPPING = "flapping"
    LOSSY = "lossy"
    SLOW_NET = "slow_net"
    CLOCK_STEP = "clock_step"
    CLOCK_DEAD = "clock_dead"
    """The wall clock says 1970."""
    SLOW_READER = "slow_reader"
    ROGUE_BOX = "rogue_box"
    """A box with its own keys and bad intentions comes on the line."""


WEIGHTS: dict[Fault, int] = {
    Fault.KILL_BOX: 4,
    Fault.POWER_CUT_BOX: 5,
    Fault.BOX_OFF_FOR_DAYS: 3,
    Fault.TRAP_BOX: 8,
    Fault.WIPE_BOX: 2,
    Fault.IMAGE_BOX: 3,
    Fault.COPY_BOX: 1,
    Fault.DISK_FULL: 2,
    Fault.DISK_FAILS: 2,
    Fault.DISK_SLOW: 1,
    Fault.KILL_SERVER: 4,
    Fault.POWER_CUT_SERVER: 2,
    Fault.TRAP_SERVER: 8,
    Fault.RESTORE_SERVER: 3,
    Fault.DATABASE_DOWN: 4,
    Fault.DATABASE_SLOW: 4,
    Fault.DATABASE_RACES: 2,
    Fault.COMMIT_UNKNOWN: 3,
    Fault.CUT: 6,
    Fault.HALF_OPEN: 3,
    Fault.PARTITION: 8,
    Fault.ONE_WAY_UP: 3,
    Fault.ONE_WAY_DOWN: 3,
    Fault.FLAPPING: 3,
    Fault.LOSSY: 3,
    Fault.SLOW_NET: 4,
    Fault.CLOCK_STEP: 3,
    Fault.CLOCK_DEAD: 1,
    Fault.SLOW_READER: 3,
}
BOX_POINTS = ("before_commit", "after_commit", "before_send", "after_receive", "before_policy", "after_policy")
SERVER_POINTS = ("before_batch", "after_batch", "after_batch", "before_reply", "before_call", "after_call")


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happens at `at` seconds: `what` to `where`, for `length` seconds; `draw` feeds its details."""

    at: float
    what: Manner | Deed | Fault
    where: str
    who: str = ""
    length: float = 0.0
    draw: int = 0

    def __str__(self) -> str:
        lasts = f" for {self.length:.1f} s" if self.length else ""
        return f"{self.at:6.2f} {self.what.value} {self.where} {self.who}{lasts}".rstrip()


@dataclass(frozen=True, slots=True)
class Story:
    """A seed, and what happens."""

    seed: int
    events: tuple[Event, ...]

    def without(self, gone: frozenset[int]) -> Story:
        """Return the story without the events at these places."""
        return Story(self.seed, tuple(event for index, event in enumerate(self.events) if index not in gone))


def draw_story(seed: int) -> Story:
    """Draw the story of a seed."""
    chance = Chance(seed)
    events = [
        *_visits(chance.stream("visits")),
        *_deeds(chance.stream("deeds")),
        *_faults(chance.stream("faults")),
        *_undone(chance.stream("undone")),
        *_closes(chance.stream("closes")),
        *_rogues(chance.stream("rogues")),
    ]
    return Story(seed, tuple(sorted(events, key=lambda event: (event.at, event.what.value, event.where))))


def _visits(stream: random.Random) -> list[Event]:
    names = [holder.name for holder in plan.HOLDERS]
    manners = [*[Manner.PLAIN] * 8, *EVERYBODYS]
    found = []
    for _ in range(stream.randint(*VISITS)):
        reader = stream.choice([*plan.LANES, *plan.TILLS, *plan.TILLS])
        who = "stranger" if stream.random() < 0.04 else stream.choice(names)
        at = stream.uniform(4.0, SAFETY_SECONDS)
        found.append(Event(at, stream.choice(manners), reader, who, draw=stream.randrange(2**32)))
    return found


def _undone(stream: random.Random) -> list[Event]:
    names = [holder.name for holder in plan.HOLDERS]
    return [
        Event(
            stream.uniform(4.0, SAFETY_SECONDS), Manner.UNDO, stream.choice(plan.TILLS), stream.choice(names),
            draw=stream.randrange(2**32),
        )
        for _ in range(stream.choice((0, 0, 1, 2)))
    ]  # fmt: skip


def _closes(stream: random.Random) -> list[Event]:
    """Somebody closes the day in some stories, in half of them right after one ended where one ends in this story."""
    if stream.random() >= CLOSING:
        return []
    return [Event(stream.uniform(*stream.choice(((4.0, SAFETY_SECONDS), DAY_HAS_ENDED))), Deed.CLOSE_DAY, "")]


def _rogues(stream: random.Random) -> list[Event]:
    if stream.random() >= HOSTILE:
        return []
    at = stream.uniform(2.0, SAFETY_SECONDS - 5)
    return [Event(at, Fault.ROGUE_BOX, plan.ROGUE.name, draw=stream.randrange(2**32))]


def _deeds(stream: random.Random) -> list[Event]:
    found = []
    for _ in range(stream.randint(*DEEDS)):
        deed = stream.choice([Deed.LOST, Deed.LOST, Deed.LOST, Deed.OPEN_LANE, Deed.OPEN_LANE, *OFFICE])
        where = stream.choice(plan.LANES) if deed is Deed.OPEN_LANE else ""
        who = "" if where else stream.choice(plan.HOLDERS).name
        at = stream.uniform(3.0, SAFETY_SECONDS)
        found.append(Event(at, deed, where, who, draw=stream.randrange(2**32)))
        if deed is Deed.OPEN_LANE and stream.random() < HELD_COMMAND:
            found.append(Event(at - 0.5, Fault.ONE_WAY_DOWN, plan.BOXES[0].name, length=stream.uniform(2.0, 6.0)))
        if deed is Deed.LOST and stream.random() < 0.3:
            found.append(Event(min(at + stream.uniform(2, 20), SAFETY_SECONDS), Deed.FOUND, "", who))
    return found


def _faults(stream: random.Random) -> list[Event]:
    kinds, weights = list(WEIGHTS), list(WEIGHTS.values())
    found = []
    for _ in range(stream.randint(*FAULTS)):
        kind = stream.choices(kinds, weights)[0]
        at = stream.uniform(2.0, SAFETY_SECONDS - 5)
        where = "server" if "server" in kind.value or "database" in kind.value or "commit" in kind.value else ""
        length = stream.choice([1.0, 3.0, 8.0, 20.0]) * stream.uniform(0.5, 1.5)
        box = stream.choice(plan.BOXES)
        where = where or box.name
        if kind is Fault.BOX_OFF_FOR_DAYS:  # somebody tries it before it has heard the server
            length = max(length, 5.0)
            found.append(
                Event(at + 3.5, Manner.PLAIN, stream.choice(box.readers), "dora", draw=stream.randrange(2**32))
            )
        found.append(Event(at, kind, where, length=min(length, SAFETY_SECONDS - at), draw=stream.randrange(2**32)))
    return found
