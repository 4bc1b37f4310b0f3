"""What the bench asks of its load process and what it answers: one JSON line each way. Plain values only."""

from __future__ import annotations

from msgspec import Struct

from server.bench.daemon import DevicePlan


class Mix(Struct, frozen=True):
    """Which cards are shown, and how often what goes wrong does."""

    good: tuple[str, ...]
    refused: tuple[str, ...]
    refusals_percent: int = 5
    repeats_percent: int = 1


class Connect(Struct, frozen=True, tag=True):
    """Open the links of these devices, and `connections` HTTP connections to the peer when it has a port.

    Several ports are those of several server processes: the devices are dealt out to them in turn.
    """

    host: str
    ports: tuple[int, ...]
    devices: tuple[DevicePlan, ...] = ()
    peer_port: int = 0
    connections: int = 0


class Charge(Struct, frozen=True, tag=True):
    """Meals by so many tills, one tap in flight each, for so long; over the link, or to the peer over HTTP."""

    tills: int
    seconds: float
    mix: Mix
    seed: int
    to_peer: bool = False
    name: str = "charge"
    taps: int = 0
    """When not 0, each till ends after so many taps."""


class Drain(Struct, frozen=True, tag=True):
    """Upload offline meals: so many frames a daemon, written before the watch starts."""

    frames: int
    mix: Mix
    price_fen: int
    seed: int


class Gate(Struct, frozen=True, tag=True):
    """Gate taps at a steady rate whatever the answers take, for so long."""

    taps_per_s: int
    seconds: float
    mix: Mix
    seed: int


class Pings(Struct, frozen=True, tag=True):
    """No-op frames by so many loops, one in flight each, for so long."""

    loops: int
    seconds: float


class Close(Struct, frozen=True, tag=True):
    """Drop every connection of the last `Connect`."""


Order = Connect | Charge | Drain | Gate | Pings | Close


class Outcome(Struct, frozen=True):
    """What a round gave. Latencies are microseconds; `wrong` counts answers that a rule or a repeat forbids."""

    seconds: float = 0.0
    answered: int = 0
    granted: int = 0
    refused: int = 0
    repeated: int = 0
    records: int = 0
    wrong: int = 0
    p50_us: int = 0
    p95_us: int = 0
    p99_us: int = 0
    problem: str = ""

    @property
    def granted_per_s(self) -> float:
        """New grants (charges) a second."""
        return self.granted / self.seconds if self.seconds else 0.0
