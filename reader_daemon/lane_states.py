"""The states of a lane. Pure: no clock, no I/O; says who is served, never who may pass.

    idle -> granted(tap, until) -> passed | not used | failed;   idle -> forced

While a grant is open, the same person's tap is a repeat and anybody else's finds the lane busy. A PASS that began
within the window ends the grant even if it is only understood afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from cardcore.ids import CredentialKey
from cardcore.journal import Verdict
from reader_daemon.passage import HeldOpen, HeldOver, Passage, PassageSensor, SensorStuck
from reader_daemon.store.tap_state import TapNumber


@dataclass(frozen=True, slots=True)
class Grant:
    """An open grant. `tap` and `credential` are None for an operator's opening."""

    tap: TapNumber | None
    credential: CredentialKey | None
    verdict: Verdict
    until_ms: int
    has_pass_sensor: bool = True


class TapTurn(Enum):
    """Whether a tap is to be decided."""

    FRESH = auto()
    REPEAT = auto()
    BUSY = auto()


@dataclass(frozen=True, slots=True)
class Passed:
    """The holder of the grant went through (or is assumed to have, where there is no sensor)."""

    grant: Grant
    assumed: bool = False


@dataclass(frozen=True, slots=True)
class NotUsed:
    """The window closed, or the relay never moved."""

    grant: Grant


@dataclass(frozen=True, slots=True)
class PassedWithoutGrant:
    """Somebody went through and nobody was granted."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class SensorFault:
    """The PASS contact stays open."""

    at_ms: int


LaneHappening = Passed | NotUsed | PassedWithoutGrant | SensorFault | HeldOpen | HeldOver


class LaneStates:
    """One lane. Times are monotonic milliseconds."""

    def __init__(self) -> None:
        """Begin idle, with contacts unknown."""
        self.sensor = PassageSensor()
        self.grant: Grant | None = None

    def turn(self, credential: CredentialKey) -> TapTurn:
        """Say what a tap at this moment is."""
        if self.grant is None:
            return TapTurn.FRESH
        return TapTurn.REPEAT if self.grant.credential == credential else TapTurn.BUSY

    def granted(self, grant: Grant) -> None:
        """Open a grant. The lane must be idle."""
        assert self.grant is None, "a lane serves one grant at a time"
        self.grant = grant

    def relay_failed(self) -> LaneHappening | None:
        """Note that the pulse never reached the lane; returns what became of the grant."""
        grant, self.grant = self.grant, None
        return None if grant is None else NotUsed(grant)

    def advance(self, now_ms: int) -> list[LaneHappening]:
        """Let everything happen that is due, in order."""
        happened: list[LaneHappening] = []
        for meant in self.sensor.advance(now_ms):
            match meant:
                case Passage(at_ms):
                    happened.append(self._passage(at_ms))
                case SensorStuck(at_ms):
                    happened.append(SensorFault(at_ms))
                case HeldOpen() | HeldOver():
                    happened.append(meant)
        grant = self.grant
        if grant is not None and now_ms >= grant.until_ms and not self._passing(grant):
            self.grant = None
            happened.append(NotUsed(grant) if grant.has_pass_sensor else Passed(grant, assumed=True))
        return happened

    def next_due_ms(self) -> int | None:
        """Return when `advance` next has something to do, or None."""
        due = [self.sensor.next_due_ms()]
        if self.grant is not None and not self._passing(self.grant):
            due.append(self.grant.until_ms)
        return min((each for each in due if each is not None), default=None)

    def _passage(self, at_ms: int) -> LaneHappening:
        grant = self.grant
        if grant is None or at_ms > grant.until_ms:
            return PassedWithoutGrant(at_ms)
        self.grant = None
        return Passed(grant)

    def _passing(self, grant: Grant) -> bool:
        pending_ms = self.sensor.pending_ms
        return pending_ms is not None and pending_ms <= grant.until_ms
