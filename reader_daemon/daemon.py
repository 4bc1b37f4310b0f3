"""The assembly: stores, policy, link, desks and ports of one daemon in one event loop, from start to stop.

Everything that touches the world comes in through `Parts`, so that a simulator can run daemons of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from cardcore.clock import to_millis
from cardcore.ids import TillId
from cardcore.issuer import IssuerKey
from cardcore.wire.messages import AuditCheckpoint, AuditWitness, Command, CommandDone, CommandKind, Health, TapDecision
from reader_daemon.blocking import RunBlocking, run_in_threads
from reader_daemon.clock_watch import ClockWatch
from reader_daemon.desk import Desk
from reader_daemon.device_watch import DeviceWatch, Happened
from reader_daemon.encoder.desk import Encoders
from reader_daemon.identity import Identity
from reader_daemon.intake import Intake, Router
from reader_daemon.key_sources import KeyRelay
from reader_daemon.lane_memory import LaneMemory
from reader_daemon.messages import ReaderAction, ReaderPort
from reader_daemon.notify import Notifier
from reader_daemon.policy import Policy
from reader_daemon.ports import MakePorts
from reader_daemon.positions import Positions
from reader_daemon.reader_keys import KEY_ORDERS, ReaderKeys
from reader_daemon.recorder import Recorder
from reader_daemon.signals import SIGNAL_LIFE_MS, encoder_signals, identify_signals
from reader_daemon.store.ballast import BALLAST_BYTES
from reader_daemon.store.host import host_fingerprint
from reader_daemon.store.inspection import check_steps
from reader_daemon.store.journal_db import JournalSettings, JournalStore, StartReport
from reader_daemon.store.journal_schema import JournalDamagedError, JournalKeys
from reader_daemon.store.snapshot_db import SnapshotStore
from reader_daemon.store.sqlite_file import Connect, connect
from reader_daemon.store.witness_db import WitnessStore
from reader_daemon.surroundings import Deadlines, Surroundings, Wiring
from reader_daemon.system import System, monotonic_us, resident_bytes
from reader_daemon.till_totals import TillTotals
from reader_daemon.uplink.connection import Connector
from reader_daemon.uplink.driver import Uplink
from reader_daemon.uplink.installing import PolicyInstaller
from reader_daemon.uplink.session import Surroundings as LinkSurroundings
from reader_daemon.uplink.session import remembered_commands
from reader_daemon.witness import Witness

TICK_SECONDS = 2.0
FIRST_CHECK_SECONDS = 3_600.0
CHECK_EVERY_SECONDS = 86_400.0
CHECK_PAUSE_SECONDS = 0.1
"""Between two steps of the daily check: taps come first."""
FILL_ALARMS_PERCENT = (50, 80, 95)
BOOT_ID_BYTES = 8

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Parts:
    """What the world gives a daemon."""

    system: System
    connector: Connector
    make_ports: MakePorts
    run_journal: RunBlocking
    run_policy: RunBlocking
    notifier: Notifier
    software: str
    microseconds: Callable[[], int] = monotonic_us
    run_beside: RunBlocking = run_in_threads
    connecting: Connect = connect
    """How the store's files are opened."""
    ballast_bytes: int = BALLAST_BYTES
    key_relay: KeyRelay = field(default_factory=KeyRelay)
    """The way of card dialogues' questions to the server; the daemon binds it before the ports are made."""
    encoders: Encoders = field(default_factory=Encoders)
    """The readers that make cards, bound likewise."""
    reader_keys: ReaderKeys | None = None
    """Who gives OSDP readers their keys, bound likewise; None where a daemon has no such readers."""


@dataclass(frozen=True, slots=True)
class Site:
    """What the settings give a daemon. `beside` says at which reader a scanner's codes count as shown."""

    data_dir: Path
    deadlines: Deadlines
    wirings: dict[str, Wiring]
    beside: dict[str, str]
    officers: dict[str, bytes] = field(default_factory=dict)
    """Public keys by name that may sign for a restore of the server's audit log."""
    issuers: tuple[IssuerKey, ...] = ()
    """Whose signatures on QR passes are believed."""


class Daemon:
    """See the module. `run` once; it returns when `stop` is set."""

    def __init__(self, site: Site, identity: Identity, parts: Parts) -> None:
        """Touch nothing yet."""
        self._site = site
        self._identity = identity
        self._parts = parts
        self._clock = parts.system.clock
        self._begun_ms = self._clock.monotonic_ms()
        self._ports: dict[str, ReaderPort] = {}
        self._desks: dict[str, Desk] = {}
        self._filled_percent = 0
        self._keys = keys = JournalKeys(identity.device_id, identity.record_key)
        host = host_fingerprint(site.data_dir)
        self.journal = JournalStore(
            JournalSettings(site.data_dir / "journal.db", keys, host, ballast_bytes=parts.ballast_bytes),
            parts.system.ids,
            microseconds=parts.microseconds,
            connecting=parts.connecting,
        )
        self._snapshots = SnapshotStore(site.data_dir / "snapshot.db", parts.connecting)
        self._witnessed = WitnessStore(site.data_dir, parts.connecting)
        self._boot = parts.system.ids.random_bytes(BOOT_ID_BYTES).hex()
        self._clock_watch = ClockWatch(self._clock, self._boot)
        self.recorder = Recorder(self.journal, parts.run_journal, self._clock_watch)
        self._till_totals = TillTotals(self.recorder, self.journal, parts.run_journal, self._clock, self._tills_here)
        self._witness = Witness(
            identity, self._witnessed, parts.run_policy, self._clock, site.officers, self._audit_alarm
        )
        self.policy: Policy
        self.uplink: Uplink
        self._devices: DeviceWatch

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop`. Raises StoreUnusableError or sqlite3.Error when the data directory cannot be used."""
        parts = self._parts
        report = await parts.run_journal(lambda: self.journal.open(self._wall_ms()))
        stored = await parts.run_policy(lambda: self._snapshots.open(self._wall_ms()))
        self.policy = Policy(stored, self._clock)
        self.uplink = self._make_uplink()
        self.recorder.on_append = self.uplink.wake
        await self._record_start(report, stored.problem)
        intake = Intake(asyncio.get_running_loop())
        parts.key_relay.bind(asyncio.get_running_loop(), self.uplink.cards.ask_keys)
        parts.encoders.bind(asyncio.get_running_loop(), self.uplink.cards, self._feedback)
        ports = parts.make_ports(intake.sink)
        await self._make_desks(ports, intake)
        if parts.reader_keys is not None:
            parts.reader_keys.bind(asyncio.get_running_loop(), parts.run_policy, self._devices.tell)
        tasks = [asyncio.create_task(desk.run(), name=f"desk {name}") for name, desk in self._desks.items()]
        tasks.append(asyncio.create_task(self._devices.run(), name="devices"))
        if parts.reader_keys is not None:
            tasks.append(asyncio.create_task(parts.reader_keys.run(), name="reader keys"))
        tasks.append(asyncio.create_task(self.uplink.run(), name="uplink"))
        tasks.append(asyncio.create_task(self._tick(), name="tick"))
        tasks.append(asyncio.create_task(self._check_daily(), name="daily check"))
        try:
            for port in ports:
                port.start()
            parts.notifier.ready(f"{len(self._desks)} readers")
            _log.info("daemon_ready", device=self._identity.name, readers=len(self._desks), epoch=self.journal.epoch)
            await self._until(stop, tasks)
        finally:
            parts.notifier.stopping()
            await self._end(ports, tasks)

    def _make_uplink(self) -> Uplink:
        system = self._parts.system
        around = LinkSurroundings(
            self._identity,
            self.policy,
            self._clock_watch,
            system.clock,
            system.ids,
            self._parts.software,
            remembered_commands(),
        )
        installer = PolicyInstaller(self.policy, self._snapshots, self._parts.run_policy, system.clock)
        return Uplink(around, self._parts.connector, self.journal, self._parts.run_journal, installer, self)

    async def _record_start(self, report: StartReport, policy_problem: str) -> None:
        """Close what the last start left open, then say that this one began, and what was found."""
        recorder = self.recorder
        closed = await recorder.close_open_taps()
        await recorder.event("daemon_started", "", f"{self._parts.software}, {closed} taps not confirmed")
        if report.set_aside:
            await recorder.event("journal_damaged", "", f"{report.set_aside}: {report.damage}", alarm=True)
        if report.copied_from:
            detail = f"new epoch; {report.open_taps_left} taps of the old one stay open"
            await recorder.event("directory_copied", "", detail, alarm=True)
        if policy_problem:
            await recorder.event("policy_damaged", "", policy_problem)

    async def _make_desks(self, ports: tuple[ReaderPort, ...], intake: Intake) -> None:
        self._ports = {reader: port for port in ports for reader in port.readers}
        self._devices = DeviceWatch(tuple(self._ports), self._clock, self.recorder)
        self._devices.on_change = self.uplink.health_changed
        served = await self._parts.run_journal(self.journal.last_served)
        passages = await self._parts.run_journal(self.journal.recent_passages)
        around = Surroundings(
            self._clock,
            self._parts.system.ids,
            self._clock_watch,
            self.policy,
            self.recorder,
            self.uplink.ask,
            self.tell,
            self._site.deadlines,
            Positions(passages),
            LaneMemory(self.policy, self._clock, passages),
        )
        usual = Wiring()
        self._desks = {
            reader: Desk(reader, self._site.wirings.get(reader, usual), around, served) for reader in self._ports
        }
        intake.route = Router(self._desks, self._devices, self._site.beside, self._site.issuers).route

    async def _until(self, stop: asyncio.Event, tasks: list[asyncio.Task[None]]) -> None:
        """Wait for the stop; a task that ends by itself is a fault, and the service manager starts us again."""
        stopping = asyncio.create_task(stop.wait())
        done, _ = await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
        if stopping not in done:
            stopping.cancel()
            for task in done:
                await task

    async def _end(self, ports: tuple[ReaderPort, ...], tasks: list[asyncio.Task[None]]) -> None:
        await asyncio.gather(*(self._parts.run_beside(port.stop) for port in ports))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.recorder.event("daemon_stopped", "", "")
        await self._parts.run_journal(self.journal.close)
        await self._parts.run_policy(self._snapshots.close)
        await self._parts.run_policy(self._witnessed.close)
        _log.info("daemon_stopped")

    async def _tick(self) -> None:
        """Beat for the watchdog, look how full the journal is, and whether a disk that failed is back."""
        watchdog_seconds = self._parts.notifier.watchdog_seconds
        pause_seconds = min(TICK_SECONDS, watchdog_seconds / 2) if watchdog_seconds else TICK_SECONDS
        while True:
            self._parts.notifier.alive()
            passed = [percent for percent in FILL_ALARMS_PERCENT if self.journal.fill_percent >= percent]
            highest = max(passed, default=0)
            if highest > self._filled_percent:
                self._devices.tell(Happened("journal_filling", "", f"{highest} %", alarm=True))
            self._filled_percent = highest
            for desk in self._desks.values():
                desk.keep_open()
            await self._till_totals.look(self.policy)
            await self.recorder.probe()
            await asyncio.sleep(pause_seconds)

    async def _check_daily(self) -> None:
        """Verify the whole journal every day, a little at a time (a start verifies its end); renew the ballast."""
        pause_seconds = FIRST_CHECK_SECONDS
        while True:
            await asyncio.sleep(pause_seconds)
            pause_seconds = CHECK_EVERY_SECONDS
            await self._parts.run_beside(self.journal.ballast.renew)
            steps = check_steps(self._site.data_dir / "journal.db", self._keys)
            try:
                while (checked := await self._parts.run_beside(lambda steps=steps: next(steps, None))) is not None:  # type: ignore[misc]
                    await asyncio.sleep(CHECK_PAUSE_SECONDS)
                    _log.debug("journal_checked", records=checked)
            except JournalDamagedError as error:
                _log.error("journal_check_failed", detail=str(error))
                self._devices.tell(Happened("journal_check_failed", "", str(error), alarm=True))

    # --- for the use cases ---------------------------------------------------------------------------------------

    def tell(self, reader: str, action: ReaderAction, deadline_ms: int) -> int | None:
        """See `Tell`."""
        port = self._ports.get(reader)
        if port is None:
            return None
        try:
            return port.submit(reader, action, deadline_ms)
        except (KeyError, RuntimeError) as error:
            _log.warning("reader_takes_nothing", reader=reader, detail=str(error))
            return None

    def _feedback(self, reader: str, *, well: bool) -> None:
        """Let an encoder say how it went with the card on it."""
        deadline_ms = self._clock.monotonic_ms() + SIGNAL_LIFE_MS
        for action in encoder_signals(well=well):
            self.tell(reader, action, deadline_ms)

    # --- for the uplink --------------------------------------------------------------------------------------------

    def health(self) -> Health:
        """See `UplinkOwner`."""
        position = self.journal.position()
        return Health(
            at_ms=self._wall_ms(),
            uptime_ms=self._clock.monotonic_ms() - self._begun_ms,
            last_seq=position.last_seq,
            pending=position.pending,
            journal_fill_percent=self.journal.fill_percent,
            policy_version=self.policy.snapshot.version,
            deny_version=self.policy.deny_version,
            clock_skew_ms=self._clock_watch.skew_ms,
            memory_bytes=resident_bytes(),
            readers=self._devices.health(self._place_of, self._key_of, self._parts.encoders.names),
            sync_p95_us=self.journal.sync_times.p95_us(),
        )

    def _tills_here(self) -> list[TillId]:
        tills = self.policy.snapshot.till_of_reader
        return [tills[reader].id for reader in self._desks if reader in tills]

    def _place_of(self, reader: str) -> str:
        snapshot = self.policy.snapshot
        place = snapshot.lane_of_reader.get(reader) or snapshot.till_of_reader.get(reader)
        return place.id if place is not None else ""

    def _key_of(self, reader: str) -> str:
        keys = self._parts.reader_keys
        return keys.state(reader) if keys is not None else ""

    async def run_command(self, command: Command, deadline_ms: int) -> CommandDone:
        """See `UplinkOwner`."""
        match command.kind:
            case CommandKind.OPEN_LANE:
                lane = self.policy.snapshot.lane(command.place)
                desk = self._desks.get(lane.reader) if lane is not None else None
                if desk is None:
                    return CommandDone(command.nonce, "unknown", f"no lane {command.place} here")
                return await desk.open_by(command, deadline_ms)
            case CommandKind.IDENTIFY:
                if command.place not in self._desks:
                    return CommandDone(command.nonce, "unknown", f"no reader {command.place} here")
                for action in identify_signals():
                    self.tell(command.place, action, self._clock.monotonic_ms() + SIGNAL_LIFE_MS)
                return CommandDone(command.nonce, "done")
            case _ if self._parts.reader_keys is not None and command.kind in KEY_ORDERS:
                done = await self._parts.reader_keys.order(command)
                self.uplink.health_changed()
                return done
            case _:
                return CommandDone(command.nonce, "unknown", "this box has no OSDP reader")

    async def late_decision(self, decision: TapDecision) -> None:
        """See `UplinkOwner`."""
        detail = f"tap {decision.seq}: {decision.reason}"
        await self.recorder.event("late_decision", "", detail)

    async def witness(self, offered: AuditCheckpoint | None) -> AuditWitness:
        """See `UplinkOwner`."""
        return await self._witness.position() if offered is None else await self._witness.judged(offered)

    async def _audit_alarm(self, event: str, detail: str) -> None:
        await self.recorder.event(event, "link", detail, alarm=True)

    async def link_event(self, event: str, detail: str, *, alarm: bool) -> None:
        """See `UplinkOwner`."""
        await self.recorder.event(event, "link", detail, alarm=alarm)

    def _wall_ms(self) -> int:
        return to_millis(self._clock.now())
