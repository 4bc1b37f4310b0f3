"""Theory of operation of the mock lane, after the manuals of pulse-mode turnstile controllers.

A rising edge on an unlock contact frees the arm in that direction for `open_window_ms`, or until somebody goes
through, whichever is first; the pulse's length does not matter. PASS contacts are closed (active) while powered and
idle; a passage opens the contact for `passage_ms`, then it closes again. A power loss opens every contact at once,
which is why a panel must not take a PASS edge without Ready for a passage. The fire input frees both directions.

No clock, no I/O: the owner calls `unlock` on contact edges and `advance` with the time, and reads `contacts`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from firmware_mocks.happenings import Detail, Happening, Kind, Observer, ignore
from firmware_mocks.turnstile.timing import TRIPOD, LaneTiming


class Direction(StrEnum):
    """A is in, B is out."""

    A = "a"
    B = "b"


@dataclass(frozen=True, slots=True)
class Contacts:
    """The lane's dry contacts; True = closed = active."""

    pass_a: bool
    pass_b: bool
    ready: bool
    fire: bool


@dataclass(slots=True)
class LaneCounters:
    """What happened since the start, for tests; never reset."""

    pulses: int = 0
    passages: int = 0
    forced: int = 0
    windows_unused: int = 0
    pulses_refused: int = 0
    """Pulses while unpowered or not ready: a real lane ignores them."""


@dataclass(slots=True)
class _Arm:
    """One direction of the lane. Instants are monotonic milliseconds; None = not set."""

    open_until_ms: int | None = None
    walk_at_ms: int | None = None
    pass_until_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody in front of the lane: walks `after_ms` from the freed arm, or never (None)."""

    after_ms: int | None

    def __post_init__(self) -> None:
        """Refuse a walk before the arm is free."""
        if self.after_ms is not None and self.after_ms < 0:
            msg = f"a person cannot walk {self.after_ms} ms after the arm is freed"
            raise ValueError(msg)


class Turnstile:
    """One lane's mechanics. Times given to its methods must not go back."""

    def __init__(self, name: str, timing: LaneTiming = TRIPOD, observe: Observer = ignore) -> None:
        """Make a powered, idle, locked lane."""
        self.name = name
        self.timing = timing
        self.counters = LaneCounters()
        self._observe = observe
        self._policy = Person(after_ms=timing.walk_ms)
        self._person: Person | None = None
        self._arms = {Direction.A: _Arm(), Direction.B: _Arm()}
        self._powered = True
        self._healthy = True
        self._ready_at_ms = 0
        self._fire = False
        self._now_ms = 0

    # --- what people do ---

    def set_policy(self, after_ms: int | None) -> None:
        """Say what everybody does from now on: walk `after_ms` after the arm is freed, or never (None)."""
        self._policy = Person(after_ms)

    def approach(self, person: Person | None) -> None:
        """Put one person in front of the lane; the next pulse is theirs. None: whoever stood there leaves."""
        self._person = person

    def force(self, direction: Direction, now_ms: int) -> None:
        """Somebody goes through without waiting for the arm."""
        self.advance(now_ms)
        if self._powered:
            self._go_through(direction, now_ms)

    # --- what the electrics do ---

    def unlock(self, direction: Direction, now_ms: int) -> None:
        """Take the rising edge of an unlock contact."""
        self.advance(now_ms)
        if not self.ready(now_ms):
            self.counters.pulses_refused += 1
            self._tell(Kind.PULSE, now_ms, direction=direction, taken=False)
            return
        self.counters.pulses += 1
        self._tell(Kind.PULSE, now_ms, direction=direction, taken=True)
        arm = self._arms[direction]
        was_open = arm.open_until_ms is not None
        arm.open_until_ms = now_ms + self.timing.open_window_ms
        if not was_open:
            person, self._person = self._person or self._policy, None
            arm.walk_at_ms = None if person.after_ms is None else now_ms + person.after_ms
            self._tell(Kind.ARM, now_ms, direction=direction, open=True)

    def set_fire(self, now_ms: int, *, on: bool) -> None:
        """Close or open the fire contact; while closed both directions are free."""
        self.advance(now_ms)
        self._fire = on

    def set_healthy(self, now_ms: int, *, on: bool) -> None:
        """Break or mend the lane: a broken one is not Ready and takes no pulse."""
        self.advance(now_ms)
        self._healthy = on

    def set_power(self, now_ms: int, *, on: bool) -> None:
        """Cut or restore power. Without it every contact is open and the lane forgets its window."""
        self.advance(now_ms)
        if on == self._powered:
            return
        self._powered = on
        self._arms = {Direction.A: _Arm(), Direction.B: _Arm()}
        self._ready_at_ms = now_ms + self.timing.ready_after_power_ms
        self._tell(Kind.POWER, now_ms, on=on)

    def ready(self, now_ms: int) -> bool:
        """Say whether the lane takes pulses."""
        return self._powered and self._healthy and now_ms >= self._ready_at_ms

    def is_open(self, direction: Direction) -> bool:
        """Say whether the arm is free in that direction."""
        return self._powered and (self._fire or self._arms[direction].open_until_ms is not None)

    def contacts(self, now_ms: int) -> Contacts:
        """Return the contacts as a panel's inputs see them at `now_ms`."""
        self.advance(now_ms)
        if not self._powered:
            return Contacts(pass_a=False, pass_b=False, ready=False, fire=False)
        return Contacts(
            pass_a=self._arms[Direction.A].pass_until_ms is None,
            pass_b=self._arms[Direction.B].pass_until_ms is None,
            ready=self.ready(now_ms),
            fire=self._fire,
        )

    # --- time ---

    def next_due_ms(self) -> int | None:
        """Return when `advance` next has something to do, or None."""
        instants = [
            instant
            for arm in self._arms.values()
            for instant in (arm.open_until_ms, arm.walk_at_ms, arm.pass_until_ms)
            if instant is not None
        ]
        if self._powered and self._healthy and self._now_ms < self._ready_at_ms:
            instants.append(self._ready_at_ms)
        return min(instants, default=None)

    def advance(self, now_ms: int) -> None:
        """Let everything happen that is due, in order of time."""
        for direction, arm in self._arms.items():
            self._advance_arm(direction, arm, now_ms)
        self._now_ms = max(self._now_ms, now_ms)

    def _advance_arm(self, direction: Direction, arm: _Arm, now_ms: int) -> None:
        if arm.walk_at_ms is not None and arm.walk_at_ms <= now_ms:
            walked_at_ms, arm.walk_at_ms = arm.walk_at_ms, None
            if arm.open_until_ms is not None and walked_at_ms <= arm.open_until_ms:
                self._go_through(direction, walked_at_ms)
        if arm.open_until_ms is not None and arm.open_until_ms <= now_ms:
            self.counters.windows_unused += 1
            self._lock(direction, arm.open_until_ms)
        if arm.pass_until_ms is not None and arm.pass_until_ms <= now_ms:
            arm.pass_until_ms = None

    def _go_through(self, direction: Direction, at_ms: int) -> None:
        arm = self._arms[direction]
        granted = arm.open_until_ms is not None
        arm.pass_until_ms = at_ms + self.timing.passage_ms
        arm.walk_at_ms = None
        self.counters.passages += 1
        if not granted and not self._fire:
            self.counters.forced += 1
        self._tell(Kind.PASSAGE, at_ms, direction=direction, forced=not granted and not self._fire)
        if granted:
            self._lock(direction, at_ms)

    def _lock(self, direction: Direction, at_ms: int) -> None:
        self._arms[direction].open_until_ms = None
        self._tell(Kind.ARM, at_ms, direction=direction, open=False)

    def _tell(self, kind: Kind, at_ms: int, **detail: Detail) -> None:
        self._observe(Happening(kind, self.name, at_ms, detail))
