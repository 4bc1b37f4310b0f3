"""A box at the readers: the real daemon on a simulated host, with its disk; started again whenever it ends."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from cardcore.ids import CredentialKey
from cardcore.journal import Body, Decided, DeviceEvent, Intent, Outcome, OutcomeKind
from cardcore.reasons import Reason
from cardcore.texts import REASON_TEXTS
from reader_daemon.daemon import Daemon, Parts, Site
from reader_daemon.identity import Identity
from reader_daemon.messages import EventSink, LedColour
from reader_daemon.notify import Notifier
from reader_daemon.store.sqlite_file import StoreBrokenError, StoreUnusableError
from reader_daemon.surroundings import Deadlines
from reader_daemon.system import System
from reader_daemon.uplink.connection import LinkClosedError
from tests.simulation.chance import DrawnIds
from tests.simulation.disk import DiskImage, SimulatedDisk
from tests.simulation.history import History, Meal
from tests.simulation.hosts import MILLISECONDS, Host, InOrder
from tests.simulation.network import BrokenError, Connection, Network
from tests.simulation.readers import SimulatedPort

RESTART_SECONDS = 2.0
"""After which the service manager starts a daemon that ended."""
LOOKED_BACK = 60
"""Records of the journal among which a lamp's reason must stand."""
RELAY_LIMIT_MS = 1_000
FRESH_MS = 2_000
"""A yes stands on a record no older than this, however slow the disk is."""
JOURNAL = "journal.db"
REFUSAL_TEXTS = frozenset(REASON_TEXTS[reason].display for reason in Reason if not reason.grants)

_body: msgspec.json.Decoder[Body] = msgspec.json.Decoder(Body)


@dataclass(frozen=True, slots=True)
class BoxPlan:
    """What a box is for; every reader is named as its lane or till."""

    name: str
    lanes: tuple[str, ...] = ()
    tills: tuple[str, ...] = ()

    @property
    def readers(self) -> tuple[str, ...]:
        return self.lanes + self.tills


class DaemonEnd:
    """The daemon's end of a connection; implements `reader_daemon.uplink.connection.Connection`."""

    def __init__(self, host: Host, connection: Connection) -> None:
        self._host = host
        self._connection = connection
        self._closed = False

    async def send(self, frame: bytes) -> None:
        if self._host.traps:
            await self._host.passing("before_send")
        try:
            await self._connection.up.send(frame)
        except BrokenError as error:
            raise LinkClosedError from error

    async def receive(self) -> bytes:
        frame = None if self._closed else await self._connection.down.inbox.get()
        if frame is None:
            self._closed = True
            raise LinkClosedError
        if self._host.traps:
            await self._host.passing("after_receive")
        return frame

    async def close(self) -> None:
        self._closed = True
        self._connection.disturb()
        self._connection.close("daemon")


class Box:
    """See the module; implements `tests.simulation.readers.Onlooker`."""

    def __init__(
        self, plan: BoxPlan, identity: Identity, host: Host, network: Network, directory: Path, history: History
    ) -> None:
        self.plan = plan
        self.identity = identity
        self.host = host
        self.disk = SimulatedDisk(random.Random(host.stream.random()))
        self.history = history
        self.directory = directory
        self.daemon: Daemon | None = None
        self.port: SimulatedPort | None = None
        self.disturbed_seconds = 0.0
        """When the box itself was last started, killed or had trouble with its disk."""
        self.wiped = False
        """Whether records were ever lost with the disk."""
        self.held_back = False
        """Whether the box is to stay off."""
        self._network = network
        self._answers: dict[str, asyncio.Future[LedColour]] = {}
        self._moves = 0
        self._answered: set[tuple[int, int]] = set()
        """Taps that got their yes."""
        self._durable_before = 0
        """Records on the platter when this life began."""
        self.said_yes: Callable[[str, Outcome | Decided, Intent], None] = lambda _reader, _record, _intent: None
        """Called when a lane opens or a meal is given away, with the record that let it and its tap."""
        self.opened_by_operator: Callable[[str], None] = lambda _reader: None
        """Called when a lane opens by a command."""
        self.on_lost: Callable[[], None] = lambda: None
        """Called when the disk lost records."""
        self.tapped_seconds: dict[str, float] = {}
        self._unexplained: set[str] = set()
        """Readers whose red lamp no text has explained yet (I9)."""
        self.off_for_days_seconds: float | None = None
        """When it was switched on again after days."""
        host.on_trapped = self.trapped
        directory.mkdir()

    # --- its process --------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Switch the box on, or start its daemon again."""
        if self.host.up or self.held_back:
            return
        life = self.host.boot()
        self.disturbed_seconds = self.host.loop.time()
        self._durable_before = len(self.durable)
        self.daemon = self.port = None
        self.host.loop.start(life, self._run(), f"daemon {self.plan.name}")

    async def _run(self) -> None:
        host, name = self.host, self.plan.name
        why = "stopped"
        try:
            self.daemon = Daemon(Site(self.directory, Deadlines(), {}, {}), self.identity, self._parts())
            await self.daemon.run(asyncio.Event())
        except (StoreUnusableError, StoreBrokenError, sqlite3.Error) as error:
            why = type(error).__name__
            if not self.disk.failed:
                self.history.violate("unexpected", f"{name} ended: {error!r}")
        except Exception as error:  # noqa: BLE001 - any other end of a daemon is a fault of the product
            why = repr(error)
            self.history.violate("unexpected", f"{name} ended: {error!r}")
        self.history.note(name, "ended", why)
        host.loop.call_later(RESTART_SECONDS, self.start, context=self._network.world)
        host.kill()

    def _parts(self) -> Parts:
        host = self.host
        ids = DrawnIds(host, random.Random(host.stream.random()))
        host.stream = random.Random(host.stream.random())
        return Parts(
            system=System(host, ids),
            connector=self,
            make_ports=self._make_ports,
            run_journal=InOrder(host, "commit"),
            run_policy=InOrder(host, "policy"),
            notifier=Notifier({}),
            software="simulated",
            microseconds=lambda: host.monotonic_ms() * MILLISECONDS,
            run_beside=InOrder(host, "stop"),
            connecting=self.disk.connect,
            ballast_bytes=0,
        )

    def _make_ports(self, sink: EventSink) -> tuple[SimulatedPort, ...]:
        self.port = SimulatedPort(self.plan.readers, sink, self.host, random.Random(self.host.stream.random()), self)
        return (self.port,)

    async def connect(self) -> DaemonEnd:
        """Implement `reader_daemon.uplink.connection.Connector`."""
        try:
            return DaemonEnd(self.host, await self._network.connect(self.plan.name))
        except BrokenError as error:
            raise LinkClosedError from error

    def kill(self, *, power: bool) -> None:
        """End the process at once; `power`: the disk loses what was not synced, and the server hears nothing of it."""
        if not self.host.up:
            return
        self.history.note(self.plan.name, "power_cut" if power else "killed")
        self.host.kill()
        self.disturbed_seconds = self.host.loop.time()
        self._network.cut(self.plan.name, unaware="server" if power else "")
        if power:
            self.disk.power_cut()
        else:
            for file in self.disk.files.values():
                if file.connection.in_transaction:
                    file.connection.execute("ROLLBACK")

    def trapped(self, point: str) -> None:
        """Die at a named point of the work."""
        self.history.note(self.plan.name, "at", point)
        self.kill(power=True)
        self.host.loop.call_later(RESTART_SECONDS, self.start, context=self._network.world)

    # --- its disk -----------------------------------------------------------------------------------------------

    def wipe(self) -> None:
        """Lose the data directory, all but the identity."""
        self.disk.wipe(self.directory)
        self._lost()

    def put_back(self, image: DiskImage) -> None:
        """Put an older image of the whole disk in place of it."""
        self.disk.restore(image)
        self._lost()

    def _lost(self) -> None:
        self.wiped = True
        self._answered.clear()
        self.on_lost()

    def move(self) -> None:
        """Go on in a copy of the directory: another inode, so another host to the daemon."""
        self._moves += 1
        copy = self.directory.with_name(f"{self.plan.name}-{self._moves}")
        copy.mkdir()
        for name in self.disk.files:
            (copy / name).touch(mode=0o600)
        self.directory = copy

    @property
    def durable(self) -> dict[tuple[int, int], bytes]:
        """Bodies of the journal's records on the platter, by epoch and seq."""
        file = self.disk.files.get(JOURNAL)
        return {} if file is None else file.durable

    def journal_rows(self, query: str) -> list[Any]:
        """Return rows of the journal as it stands on the disk; none where the power went before there was one."""
        file = self.disk.files.get(JOURNAL)
        if file is None or not file.connection.execute("PRAGMA user_version").fetchone()[0]:
            return []
        return file.connection.execute(query).fetchall()

    # --- what people see ----------------------------------------------------------------------------------------

    def tap(self, reader: str, credential: CredentialKey) -> asyncio.Future[LedColour]:
        """Hold a card to a reader; returns what the next lamp there will be."""
        self.history.note(self.plan.name, reader, "tap", credential)
        self.history.taps += 1
        self.tapped_seconds[reader] = self.host.loop.time()
        answer = self._answer(reader)
        if self.port is not None and self.host.up and self.port.started:
            self.port.tap(reader, credential)
        return answer

    def _answer(self, reader: str) -> asyncio.Future[LedColour]:
        future = self._answers.get(reader)
        if future is None or future.done():
            future = self._answers[reader] = self.host.loop.create_future()
        return future

    def keys(self, reader: str, keys: str) -> None:
        """Press keys of a till's keypad."""
        self.history.note(self.plan.name, reader, "keys", keys)
        if self.port is not None and self.host.up and self.port.started:
            self.port.keys(reader, keys)

    def shown(self, reader: str, text: str) -> None:
        """A display says why the lamp is red (I9)."""
        if text in REFUSAL_TEXTS:
            self._unexplained.discard(reader)

    def every_refusal_was_explained(self) -> None:
        """A red lamp comes with its reason on the display, in the same step (I9)."""
        for reader in sorted(self._unexplained):
            self.history.violate("I9", f"{reader} refused and did not say why")
        self._unexplained.clear()

    def lamp(self, reader: str, colour: LedColour) -> None:
        self.every_refusal_was_explained()
        if colour is LedColour.RED:
            self._unexplained.add(reader)
        self.history.note(self.plan.name, reader, colour.name.lower())
        future = self._answers.get(reader)
        if future is not None and not future.done():
            future.set_result(colour)

    def charged(self, reader: str) -> None:
        """A meal is given away: it must stand on the platter (I10)."""
        found = self._durable(reader, Outcome, self.host.monotonic_ms())
        if found is None:
            self.history.violate("I10", f"{reader} turned green and no outcome is on the disk")
            return
        epoch, outcome, intent = found
        self.history.meals.append(Meal(self.plan.name, epoch, outcome.tap_seq, outcome.verdict.amount))
        self.history.note(self.plan.name, reader, "charged", outcome.tap_seq, outcome.verdict.amount)
        if outcome.verdict.offline:
            self.history.reach("offline approval")
        self.said_yes(reader, outcome, intent)

    def undone(self, reader: str) -> None:
        """A till says that it took its last charge back: that must stand on the platter (I10)."""
        bodies = {key: _body.decode(content) for key, content in list(self.durable.items())[-LOOKED_BACK:]}
        for (epoch, _), body in reversed(bodies.items()):
            tap = bodies.get((epoch, body.tap_seq)) if isinstance(body, Outcome) else None
            if not isinstance(body, Outcome) or body.outcome is not OutcomeKind.CANCELLED:
                continue
            if isinstance(tap, Intent) and tap.place == reader:
                self.history.undone.append(Meal(self.plan.name, epoch, body.tap_seq, body.verdict.amount))
                self.history.note(self.plan.name, reader, "undone", body.tap_seq, body.verdict.amount)
                self.history.reach("charge undone at the till")
                return
        self.history.violate("I10", f"{reader} said a charge was taken back and no record says so")

    def relay(self, reader: str, asked_ms: int) -> None:
        """A lane opens: its grant must stand on the platter (I10), and be no older than a second (I8)."""
        self.history.note(self.plan.name, reader, "relay")
        found = self._durable(reader, Decided, asked_ms)
        if found is None:
            self.history.violate("I10", f"{reader} opened and no grant is on the disk")
            return
        age_ms = self.host.monotonic_ms() - found[1].stamp.monotonic_ms
        if age_ms > RELAY_LIMIT_MS + 1:
            self.history.violate("I8", f"{reader} opened {age_ms} ms after its decision")
        if found[2] is None:
            self.opened_by_operator(reader)
        else:
            self.said_yes(reader, found[1], found[2])

    def _durable(self, reader: str, kind: type, asked_ms: int) -> tuple[int, Any, Any] | None:
        """Find what on the platter lets `reader` say yes now: a meal served, a grant, or an operator's opening."""
        known = list(self.durable.items())
        newest = known[max(self._durable_before, len(known) - LOOKED_BACK) :]
        bodies = {key: _body.decode(content) for key, content in newest}
        for (epoch, _), body in reversed(bodies.items()):
            if isinstance(body, DeviceEvent):
                if body.event == "opened_by_operator" and body.place == reader:
                    return epoch, body, None
                continue
            intent = bodies.get((epoch, body.tap_seq)) if isinstance(body, Outcome | Decided) else None
            if isinstance(body, kind) and self._is_answer(reader, epoch, body, intent, asked_ms):
                assert isinstance(body, Outcome | Decided)
                self._answered.add((epoch, body.tap_seq))
                return epoch, body, intent
        return None

    def _is_answer(self, reader: str, epoch: int, body: Body, intent: Body | None, asked_ms: int) -> bool:
        """Tell whether a record is the yes to a tap at a reader, fresh, and not used for another yes."""
        if not isinstance(body, Outcome | Decided) or (epoch, body.tap_seq) in self._answered:
            return False
        served = not isinstance(body, Outcome) or body.outcome is OutcomeKind.SERVED
        fresh = asked_ms - FRESH_MS <= body.stamp.monotonic_ms <= asked_ms
        return served and fresh and body.verdict.granted and isinstance(intent, Intent) and intent.place == reader
