"""The server's process on a simulated host: the real link, session and tap service over a backend that outlives it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any, TypeVar

from cardcore.wire import codec
from cardcore.wire.messages import (
    Command,
    CommandKind,
    Deny,
    RecordStatus,
    StateInstalled,
    StatePart,
    TapDecision,
    UploadAck,
    Welcome,
)
from server.link.directory import Directory
from server.link.endpoint import Endpoint
from server.link.ports import LinkClosedError
from server.metrics import Metrics
from server.system import System
from server.taps.arrivals import Arrival, Receipt
from server.taps.batcher import Batcher, Processor
from tests.simulation import site_plan as plan
from tests.simulation.backend import Backend
from tests.simulation.chance import DrawnIds
from tests.simulation.history import History
from tests.simulation.hosts import Host, InOrder
from tests.simulation.network import BrokenError, Connection, Network

Result = TypeVar("Result")
INSTALLED, PONG = b"state_installed", b"pong"
"""Words by which a frame is looked at, or not, before it is decoded."""
REFUSED = b'"state":"lost"'


@cache
def metrics() -> Metrics:
    """Return one set of metrics for all runs of this process: nobody reads it."""
    return Metrics()


class ServerEnd:
    """The server's end of a connection; implements `server.link.ports.Channel`."""

    def __init__(self, host: Host, connection: Connection) -> None:
        self._host = host
        self._connection = connection
        self._closed = False

    async def send(self, frame: bytes) -> None:
        if self._host.traps:
            await self._host.passing("before_reply")
        if self._closed:
            raise LinkClosedError
        try:
            await self._connection.down.send(frame)
        except BrokenError as error:
            raise LinkClosedError from error

    async def receive(self) -> bytes:
        frame = None if self._closed else await self._connection.up.inbox.get()
        if frame is None:
            self._closed = True
            raise LinkClosedError
        return frame

    async def close(self, reason: str) -> None:
        if not self._closed:
            self._closed = True
            self._connection.disturb()
            self._connection.close("server")


class LoggedProcessor:
    """Keeps every committed batch in the backend's log, in the order of the commits."""

    def __init__(self, processor: Processor, backend: Backend, system: System) -> None:
        self._processor = processor
        self._backend = backend
        self._system = system

    def process(self, arrivals: Sequence[Arrival]) -> list[Receipt]:
        trouble, now = self._backend.trouble, self._system.clock.now()
        trouble.committed = False
        try:
            receipts = self._processor.process(arrivals)
        except BaseException:
            if trouble.committed:
                self._backend.log_batch(now, arrivals, [None] * len(arrivals))
            raise
        self._backend.log_batch(now, arrivals, receipts)
        return receipts


class ServerSite:
    """See the module. Also listens to the wire for what was promised (`arrived`)."""

    def __init__(self, host: Host, network: Network, backend: Backend, history: History, salt: bytes) -> None:
        self.host = host
        self._salt = salt
        self.backend = backend
        self.history = history
        self.directory: Directory | None = None
        self.opened: list[float] = []
        """When operators asked for lanes to be opened."""
        self.welcomed: dict[str, float] = {}
        """When each box's last session began, by box."""
        self.installed: dict[str, tuple[int, int]] = {}
        """The policy and deny versions a box last said it decides by."""
        self._denied: dict[str, int] = {}
        """The newest deny list that came over a box's connection."""
        self.restored_seconds: float | None = None
        self._network = network
        self._endpoint: Endpoint | None = None
        host.on_trapped = self.trapped
        network.accept = self._accept

    def start(self) -> None:
        """Start the process."""
        if self.host.up:
            return
        life = self.host.boot()
        host, backend = self.host, self.backend
        system = System(host, DrawnIds(host, random.Random(host.stream.random()), self._salt))
        host.stream = random.Random(host.stream.random())
        processor = LoggedProcessor(backend.processor(system), backend, system)
        batcher = Batcher(processor, InOrder(host, "batch"), metrics())
        devices, policy = backend.devices(system), backend.policy()
        self.directory = Directory(policy, devices, self._run)
        self._endpoint = Endpoint(self.directory, batcher, devices, policy, self._run, system, backend.key)
        host.loop.start(life, batcher.serve(), "batcher")
        host.loop.start(life, self.directory.watch(), "watch")

    async def _run(self, call: Callable[..., Result], /, *args: Any) -> Result:  # noqa: ANN401 - passes on what it gets
        return await self.host.work(partial(call, *args), "call")

    def _accept(self, connection: Connection) -> bool:
        if not self.host.up or self._endpoint is None:
            return False
        self.host.loop.start(self.host.life, self._endpoint.serve(ServerEnd(self.host, connection)), "link")
        return True

    def kill(self, *, power: bool) -> None:
        """End the process at once; `power`: the daemons hear nothing of it."""
        if not self.host.up:
            return
        self.history.note("server", "power_cut" if power else "killed")
        self.host.kill()
        self.directory = self._endpoint = None
        self.backend.process_died()
        for name in self._network.paths:
            self._network.cut(name, unaware="daemon" if power else "")

    def forget_policy(self, box: str) -> None:
        """Let a box that lost its disk begin with an older policy."""
        self.installed.pop(box, None)

    def restored(self) -> None:
        """Take note that the database was put back to an older copy."""
        self.history.note("server", "restored")
        self.history.reach("server restored")
        self.restored_seconds = self.host.loop.time()

    def trapped(self, point: str) -> None:
        """Die at a named point of the work."""
        self.history.note("server", "at", point)
        if point == "after_batch":
            self.history.reach("ack lost after commit")
        self.kill(power=False)
        self.host.loop.call_later(1.0, self.start, context=self._network.world)

    async def open_lane(self, box: str, lane: str, nonce: str) -> None:
        """Let an operator open a lane, as the server's page would."""
        if self.directory is None:
            return
        self.opened.append(self.host.loop.time())
        now_ms = int(self.host.now().timestamp() * 1000)
        command = Command(nonce, CommandKind.OPEN_LANE, lane, now_ms, "guard", "delivery")
        await self.directory.command(self.backend.identities[box].device_id, command)

    # --- the wire -----------------------------------------------------------------------------------------------

    def arrived(self, daemon: str, direction: str, frame: bytes) -> None:
        """See `tests.simulation.network.FrameTap`."""
        if direction == "up":
            said = codec.decode_for_server(frame) if INSTALLED in frame else None
            if isinstance(said, StateInstalled):
                self._installed(daemon, said)
            return
        if PONG in frame:
            return
        message = codec.decode_for_daemon(frame)
        match message:
            case TapDecision(status=RecordStatus.CONFLICT) if daemon != plan.ROGUE.name:
                self.history.violate("I11", f"{daemon} used a number again over a link that was open")
            case UploadAck(epoch, acked_through) | TapDecision(epoch=epoch, acked_through=acked_through):
                key = (daemon, epoch)
                self.history.acked[key] = max(self.history.acked.get(key, 0), acked_through)
            case Welcome():
                self.welcomed[daemon] = self.host.loop.time()
                self._denied[daemon] = 0
            case Deny(version):
                self._denied[daemon] = version
            case StatePart(version, _, items) if version > self._denied.get(daemon, 0):
                if any(key.startswith("card/") and REFUSED in body for key, body in items):
                    self.history.violate("I6", f"{daemon} heard of a refused card before its deny list")
            case _:
                pass

    def _installed(self, daemon: str, said: StateInstalled) -> None:
        before = self.installed.get(daemon, (0, 0))
        now = (said.version, max(said.version, said.deny_version))  # a whole policy overtakes the deny list before it
        if now[0] < before[0] or now[1] < before[1]:
            self.history.violate("I14", f"{daemon} went from policy {before} back to {now}")
        self.installed[daemon] = now
