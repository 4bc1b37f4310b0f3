"""The network between daemons and server: connections that carry whole frames in order, until they do not.

A connection behaves as TCP does: what is lost on the way comes later, never twice and never out of order, and a cut
takes with it whatever is still under way, which no end can tell from having arrived. So repeats reach the server only
as the daemon's own resending over a new connection, which may overtake the rest of the old one (whose old end may live
on, half open). Each direction can be held up by itself, as in a one-way partition.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Protocol

from tests.simulation.hosts import MILLISECONDS
from tests.simulation.loop import VirtualLoop

CONNECT_SECONDS = 5.0
"""How long a daemon's socket tries (`reader_daemon.uplink.websocket.OPEN_SECONDS`)."""
WINDOW_FRAMES = 24
"""Frames under way after which `send` waits, as a full socket buffer makes it."""
RETRANSMISSION_MS = 220
SOUND_LATENCY_MS = 20.0
ARRIVING = 0.5
"""Chance that what is under way at a cut still arrives."""
Frame = bytes


class BrokenError(Exception):
    """The connection is gone; the ends turn this into their own error."""


class FrameTap(Protocol):
    """Sees the frames that arrive."""

    def arrived(self, daemon: str, direction: str, frame: Frame) -> None:
        """Take note of a frame that an end is about to receive."""
        ...


@dataclass(slots=True)
class Direction:
    """One way between a daemon and the server."""

    blocked: bool = False
    latency_ms: tuple[float, float] = (0.3, 4.0)
    loss: float = 0.0


@dataclass(slots=True)
class Path:
    """Everything between one daemon and the server. `disturbed_seconds` is when it last was out of order."""

    name: str
    up: Direction = field(default_factory=Direction)
    down: Direction = field(default_factory=Direction)
    connections: list[Connection] = field(default_factory=list)
    disturbed_seconds: float = 0.0
    tries: list[float] = field(default_factory=list)
    """When connections were tried."""

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong with the path now."""
        ways = (self.up, self.down)
        return not any(way.blocked or way.loss or way.latency_ms[1] > SOUND_LATENCY_MS for way in ways)


class Pipe:
    """One direction of one connection: frames in order, each after its own latency but never before the one ahead."""

    def __init__(self, network: Network, path: Path, direction: str) -> None:
        self._network = network
        self._path = path
        self._direction = direction
        self._way: Direction = path.up if direction == "up" else path.down
        self._under_way: deque[Frame | None] = deque()
        self._due_seconds = 0.0
        self._room = asyncio.Event()
        self._room.set()
        self._lost = False
        """Nothing arrives any more, and the sender does not know."""
        self.closed = False
        """The sender knows that nothing arrives any more."""
        self.inbox: asyncio.Queue[Frame | None] = asyncio.Queue()

    async def send(self, frame: Frame) -> None:
        """Hand a frame over; waits while the buffer is full."""
        await self._room.wait()
        if self.closed:
            raise BrokenError
        self._put(frame)

    def finish(self) -> None:
        """Say that no more frames come: the sending end closed in an orderly way."""
        if not self.closed:
            self._put(None)
            self.closed = True

    def _put(self, frame: Frame | None) -> None:
        network, way = self._network, self._way
        self._under_way.append(frame)
        if len(self._under_way) >= WINDOW_FRAMES:
            self._room.clear()
        late_ms = network.stream.uniform(*way.latency_ms)
        while way.loss and network.stream.random() < way.loss:
            late_ms += RETRANSMISSION_MS
        self._due_seconds = max(self._due_seconds, network.loop.time() + late_ms / MILLISECONDS)
        network.loop.call_at(self._due_seconds, self.deliver, context=network.world)

    def deliver(self) -> None:
        """Let the next frame arrive, unless the way is blocked."""
        if self._way.blocked or not self._under_way or self._lost:
            return
        frame = self._under_way.popleft()
        if frame is not None:
            self._network.watch.arrived(self._path.name, self._direction, frame)
        self.inbox.put_nowait(frame)
        if len(self._under_way) < WINDOW_FRAMES:
            self._room.set()

    def unblocked(self) -> None:
        """Let what was held up arrive now, in order."""
        for _ in range(len(self._under_way)):
            self.deliver()

    def cut(self, *, arrives: bool, noticed: bool) -> None:
        """Lose what is under way, or let it all come out; `noticed`: the sender learns that nothing arrives now."""
        if arrives:
            self.unblocked()
        self._lost = True
        self.closed = self.closed or noticed
        if noticed:
            self._room.set()

    def disturb(self) -> None:
        """Note that the path is not to be relied on just now."""
        self._path.disturbed_seconds = self._network.loop.time()

    def hang_up(self) -> None:
        """Tell the receiving end that the connection is gone."""
        self.inbox.put_nowait(None)


class Connection:
    """A daemon's connection: two pipes."""

    def __init__(self, network: Network, path: Path) -> None:
        self._path = path
        self.up = Pipe(network, path, "up")
        self.down = Pipe(network, path, "down")

    def cut(self, stream: random.Random, *, unaware: str = "") -> None:
        """Break it now. `unaware` names the end that does not notice: `server`, `daemon`, or none."""
        self.up.cut(arrives=stream.random() < ARRIVING, noticed=unaware != "daemon")
        self.down.cut(arrives=stream.random() < ARRIVING, noticed=unaware != "server")
        if unaware != "daemon":
            self.down.hang_up()
        if unaware != "server":
            self.up.hang_up()
        self._forget()

    def close(self, side: str) -> None:
        """Close in an orderly way from one side: what it sent arrives, what the other end sends does not."""
        ours, theirs = (self.up, self.down) if side == "daemon" else (self.down, self.up)
        ours.finish()
        theirs.cut(arrives=False, noticed=False)
        theirs.hang_up()
        self._forget()

    def disturb(self) -> None:
        """Note that an end gave the connection up."""
        self.up.disturb()

    def _forget(self) -> None:
        if self in self._path.connections:
            self._path.connections.remove(self)


class Network:
    """Paths between the daemons and the one server."""

    def __init__(self, loop: VirtualLoop, stream: random.Random, watch: FrameTap) -> None:
        self.loop = loop
        self.stream = stream
        self.watch = watch
        self.world = copy_context()
        """What is under way belongs to nobody: it arrives although its sender was killed."""
        self.paths: dict[str, Path] = {}
        self.accept: Callable[[Connection], bool] = lambda _connection: False
        """Gives a new connection to the server's process; False = nobody listens."""

    def path(self, daemon: str) -> Path:
        """Return a daemon's path."""
        return self.paths.setdefault(daemon, Path(daemon))

    async def connect(self, daemon: str) -> Connection:
        """Open a connection, as a daemon does. Raises BrokenError when refused or when nobody answers."""
        path = self.path(daemon)
        path.tries.append(self.loop.time())
        begun = self.loop.time()
        await asyncio.sleep(self.stream.uniform(*path.up.latency_ms) / MILLISECONDS)
        while path.up.blocked or path.down.blocked:
            if self.loop.time() - begun >= CONNECT_SECONDS:
                raise BrokenError
            await asyncio.sleep(0.25)
        connection = Connection(self, path)
        if not self.accept(connection):
            raise BrokenError
        path.connections.append(connection)
        return connection

    def block(self, daemon: str, *, up: bool, down: bool) -> None:
        """Hold up one or both directions."""
        path = self.path(daemon)
        path.up.blocked, path.down.blocked = up, down
        self.disturb(daemon)
        for connection in path.connections:
            if not up:
                connection.up.unblocked()
            if not down:
                connection.down.unblocked()

    def cut(self, daemon: str, *, unaware: str = "") -> None:
        """Break every connection of a daemon; see `Connection.cut`."""
        self.disturb(daemon)
        for connection in list(self.path(daemon).connections):
            connection.cut(self.stream, unaware=unaware)

    def disturb(self, daemon: str) -> None:
        """Note that the path is, or was until now, out of order."""
        self.path(daemon).disturbed_seconds = self.loop.time()

    def heal(self) -> None:
        """End every fault of every path."""
        for name, path in self.paths.items():
            path.up.loss = path.down.loss = 0.0
            path.up.latency_ms = path.down.latency_ms = Direction().latency_ms
            self.block(name, up=False, down=False)
