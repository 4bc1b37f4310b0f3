"""The uplink: keeps one session with the server alive, and gives the use cases `ask` and `wake`.

Two classes of traffic: everything live goes before the one backlog frame. All queues are bounded; when the link is
gone every question is answered with None at once, and the records wait in the journal.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

import structlog

from cardcore.clock import to_millis
from cardcore.wire import signing
from cardcore.wire.codec import encode
from cardcore.wire.messages import (
    AuditCheckpoint,
    AuditWitness,
    Command,
    CommandDone,
    Health,
    Ping,
    RecordStatus,
    Tap,
    TapDecision,
    ToServer,
    Upload,
    UploadAck,
    Welcome,
)
from reader_daemon.blocking import RunBlocking
from reader_daemon.recorder import Written
from reader_daemon.store.journal_db import JournalStore
from reader_daemon.store.sqlite_file import StoreFault
from reader_daemon.uplink import effects
from reader_daemon.uplink.asks import Asks
from reader_daemon.uplink.backlog import UnderWay, fitting, gathering_ms, next_span
from reader_daemon.uplink.backoff import Backoff
from reader_daemon.uplink.card_talk import CardTalk
from reader_daemon.uplink.connection import Connection, Connector, LinkClosedError
from reader_daemon.uplink.effects import Effect, Ended, PolicyEffect
from reader_daemon.uplink.installing import PolicyInstaller
from reader_daemon.uplink.returning import returned
from reader_daemon.uplink.session import LinkSession, Phase, Surroundings
from reader_daemon.uplink.settling import Settled, settle_conflict, settle_welcome
from reader_daemon.uplink.spell import Spell

HEALTH_SECONDS = 5.0
SILENCE_MS = 15_000
"""Three missed pongs: the link is dead although nobody says so (F18)."""
HANDSHAKE_SECONDS = 10.0
ACK_MS = 30_000
STALLED_SECONDS = 1.0
"""Pause before an upload that brought the mark no further is tried again."""
MAX_LIVE_FRAMES = 512
READ_AHEAD_BYTES = 64 * 1024

_log = structlog.get_logger(__name__)


class UplinkOwner(Protocol):
    """What the daemon does for the link."""

    def health(self) -> Health:
        """Return how the daemon feels now."""
        ...

    async def run_command(self, command: Command, deadline_ms: int) -> CommandDone:
        """Run a fresh command before `deadline_ms` (monotonic) or not at all."""
        ...

    async def late_decision(self, decision: TapDecision) -> None:
        """Record that the server answered a tap after it was decided here."""
        ...

    async def witness(self, offered: AuditCheckpoint | None) -> AuditWitness:
        """Judge where the server's audit log stands; None asks only what was seen so far."""
        ...

    async def link_event(self, event: str, detail: str, *, alarm: bool) -> None:
        """Record a change of the link's state."""
        ...


class SessionEndedError(Exception):
    """Carries the end of a session out of its task group."""

    def __init__(self, ended: Ended) -> None:
        super().__init__(ended.why)
        self.ended = ended


class Uplink:
    """See the module. `run` it as a task for as long as the daemon lives."""

    def __init__(
        self,
        around: Surroundings,
        connector: Connector,
        journal: JournalStore,
        run_journal: RunBlocking,
        installer: PolicyInstaller,
        owner: UplinkOwner,
    ) -> None:
        """Take an open journal; nothing is connected yet."""
        self._around = around
        self._connector = connector
        self._journal = journal
        self._run = run_journal
        self._installer = installer
        self._owner = owner
        self._asks = Asks()
        self.cards = CardTalk(self._offer)
        self._backoff = Backoff(around.ids)
        self._live: deque[ToServer] = deque()
        self._upload: Upload | None = None
        self._to_send = asyncio.Event()
        self._to_upload = asyncio.Event()
        self._health_wanted = asyncio.Event()
        self._under_way: UnderWay | None = None
        self._uploaded_ms: int | None = None
        self._gathering: asyncio.TimerHandle | None = None
        self._credit = 0
        self._held: set[int] = set()
        """Taps beyond the mark that the server said, in this session, it has stored: decided live, not sent again."""
        self._heard_ms = 0
        self._pings = 0
        self._complained = ""
        self._spell = Spell()
        self._epoch = 0
        """The epoch this session is about: a closed one is sent first, in a session of its own."""
        self.open = False

    # --- for the use cases -----------------------------------------------------------------------------------

    async def ask(self, tap: Written, deadline_ms: int, pin: str = "") -> TapDecision | None:
        """Ask the server to decide a tap that is durable here; None when no answer comes within `deadline_ms`."""
        number = tap.number
        if not self.open or self._epoch != number.epoch or len(self._live) >= MAX_LIVE_FRAMES:
            return None
        future = self._asks.begin(number)
        if future is None:
            return None
        self._say(Tap(number.epoch, tap.record, pin))
        try:
            async with asyncio.timeout(deadline_ms / 1000):
                return await future
        except TimeoutError:
            return None
        finally:
            self._asks.give_up(number)
            self._to_upload.set()

    def wake(self) -> None:
        """There is a new record to upload."""
        self._to_upload.set()

    def health_changed(self) -> None:
        """Send the health now rather than at the next beat."""
        self._health_wanted.set()

    # --- keeping a session -------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Connect, hold the session, wait, again; for ever."""
        while True:
            try:
                ended = await self._session()
            except Exception:  # noqa: BLE001 - see the next line
                _log.exception("link_failed")  # a fault of ours here must not stop the lanes
                ended = Ended("fault in the link", alarm=True)
            if self._tell_end(ended) and ended.alarm:
                await self._owner.link_event("link_refused", ended.why, alarm=True)
            await asyncio.sleep(self._backoff.next_ms(ended.advised_ms) / 1000)

    def _tell_end(self, ended: Ended) -> bool:
        """Log an end once; returns whether it is another one than before."""
        if ended.why == self._complained:
            return False
        self._complained = ended.why
        _log.warning("link_down", why=ended.why)
        return True

    async def _session(self) -> Ended:
        try:
            connection = await self._connector.connect()
        except LinkClosedError as error:
            return Ended(str(error))
        ended = Ended("the session ended")
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._receive(connection, tasks))
        except* SessionEndedError as group:
            ended = _first_end(group)
        except* LinkClosedError as group:
            ended = Ended(str(group.exceptions[0]))
        finally:
            await self._link_lost(connection)
        return ended

    async def _link_lost(self, connection: Connection) -> None:
        was_open, self.open = self.open, False
        self._live.clear()
        self._upload = self._under_way = self._uploaded_ms = None
        self._held.clear()
        self._asks.link_lost()
        self.cards.link_lost()
        await connection.close()
        if was_open and self._spell.begins(self._around.clock.monotonic_ms()):
            await self._owner.link_event("link_down", "", alarm=False)

    async def _receive(self, connection: Connection, tasks: asyncio.TaskGroup) -> None:
        position = self._journal.next_position()
        self._epoch = position.epoch
        generation = await self._run(lambda: self._journal.generation)
        session = LinkSession(self._around, position, generation)
        self._heard_ms = self._around.clock.monotonic_ms()
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                while session.phase is not Phase.OPEN:
                    for effect in session.receive(await connection.receive()):
                        await self._do(effect, connection, session, tasks)
        except TimeoutError:
            raise SessionEndedError(Ended("no welcome came in time")) from None
        tasks.create_task(self._send_all(connection))
        tasks.create_task(self._upload_all())
        tasks.create_task(self._beat())
        while True:
            frame = await connection.receive()
            self._heard_ms = self._around.clock.monotonic_ms()
            self._around.policy.heard()
            for effect in session.receive(frame):
                await self._do(effect, connection, session, tasks)

    async def _do(self, effect: Effect, connection: Connection, session: LinkSession, tasks: asyncio.TaskGroup) -> None:
        match effect:
            case effects.Send(message):
                if self.open:
                    self._say(message)
                else:
                    await connection.send(encode(message))
            case effects.Opened(welcome):
                self._opened(
                    await self._run(lambda: settle_welcome(self._journal, welcome, self._epoch, self._wall_ms())),
                    welcome,
                )
                tasks.create_task(self._witness(None))
            case effects.ClockMeasured(sent_ms, server_ms, answered_ms):
                self._around.watch.measured(sent_ms, server_ms, answered_ms)
            case effects.CheckpointOffered(checkpoint):
                tasks.create_task(self._witness(checkpoint))
            case effects.Decided(decision):
                await self._decided(decision)
            case effects.CardTold(message):
                self.cards.told(message)
            case effects.Acked(ack):
                await self._acked(ack)
            case effects.RunCommand(command, deadline_ms):
                tasks.create_task(self._command(command, deadline_ms))
            case Ended():
                raise SessionEndedError(effect)
            case _:
                await self._do_policy(effect, session, tasks)

    async def _do_policy(self, effect: PolicyEffect, session: LinkSession, tasks: asyncio.TaskGroup) -> None:
        match effect:
            case effects.InstallDeny(deny):
                self._say(await self._installer.deny(deny))
            case effects.InstallState():
                tasks.create_task(self._install(effect, session))
            case effects.StateRefused(problem):
                self._say(self._installer.in_force(problem))
            case effects.Confirmed():
                await self._installer.confirmed()

    @staticmethod
    def _go_on(settled: Settled) -> None:
        if settled.problem:
            raise SessionEndedError(Ended(f"the journal failed: {settled.problem}"))
        if settled.closed:
            raise SessionEndedError(Ended(f"epoch closed: {settled.closed}", alarm=True))

    def _opened(self, settled: Settled, welcome: Welcome) -> None:
        self._go_on(settled)
        self._backoff.reset()
        self._complained = ""
        self._spell.opened(self._around.clock.monotonic_ms())
        self._credit = welcome.credit
        self.open = True
        self._to_upload.set()
        self._health_wanted.set()
        if welcome.state_wanted:
            for part in returned(self._around.policy):
                self._say(part)
        _log.info("link_up", rewound_to=settled.rewound_to, pending=self._journal.pending)

    # --- live traffic ------------------------------------------------------------------------------------------

    def _say(self, message: ToServer) -> None:
        if len(self._live) >= MAX_LIVE_FRAMES:
            raise SessionEndedError(Ended("the server takes nothing any more"))
        self._live.append(message)
        self._to_send.set()

    def _offer(self, message: ToServer) -> bool:
        if not self.open or len(self._live) >= MAX_LIVE_FRAMES:
            return False
        self._say(message)
        return True

    async def _send_all(self, connection: Connection) -> None:
        while True:
            await self._to_send.wait()
            self._to_send.clear()
            while self._live or self._upload is not None:
                if self._live:
                    message: ToServer = self._live.popleft()
                else:
                    assert self._upload is not None
                    message, self._upload = self._upload, None
                await connection.send(encode(message))

    async def _decided(self, decision: TapDecision) -> None:
        self._journal.note_acked(decision.epoch, decision.acked_through)
        if decision.status in {RecordStatus.STORED, RecordStatus.DUPLICATE} and decision.seq > decision.acked_through:
            self._held.add(decision.seq)
        if self._asks.settle(decision):
            _log.info("late_decision", seq=decision.seq, reason=decision.reason)
            await self._owner.late_decision(decision)

    async def _command(self, command: Command, deadline_ms: int) -> None:
        self._say(await self._owner.run_command(command, deadline_ms))

    async def _witness(self, offered: AuditCheckpoint | None) -> None:
        """Answer beside the traffic: what the disk takes for it delays no tap."""
        self._say(await self._owner.witness(offered))

    async def _install(self, effect: effects.InstallState, session: LinkSession) -> None:
        """Install beside the traffic; the installer takes one transfer after the other."""
        self._say(await self._installer.install(effect))
        session.transfer_ended()
        self._health_wanted.set()

    async def _beat(self) -> None:
        while True:
            if self._around.clock.monotonic_ms() - self._heard_ms > SILENCE_MS:
                raise SessionEndedError(Ended("the server is silent"))
            if self._under_way is not None and self._under_way.sent_at_ms < self._around.clock.monotonic_ms() - ACK_MS:
                raise SessionEndedError(Ended("an upload was not acknowledged in time"))
            self._pings += 1
            self._say(Ping(self._pings, self._around.clock.monotonic_ms()))
            self._say(self._owner.health())
            await self._installer.save_ages()
            self._health_wanted.clear()
            try:
                async with asyncio.timeout(HEALTH_SECONDS):
                    await self._health_wanted.wait()
            except TimeoutError:
                continue

    # --- backlog -----------------------------------------------------------------------------------------------

    async def _upload_all(self) -> None:
        while True:
            await self._to_upload.wait()
            self._to_upload.clear()
            if self._under_way is None:
                await self._upload_next()

    async def _upload_next(self) -> None:
        journal, epoch = self._journal, self._epoch
        span = next_span(
            epoch, journal.acked_through(epoch), journal.last_seq(epoch), self._asks.lowest(epoch), self._credit
        )
        if span is None:
            if any(other != epoch for other, _, _ in journal.pending_epochs()):
                raise SessionEndedError(Ended("another epoch has records to send"))
            return
        wait_ms = gathering_ms(span, self._uploaded_ms, self._around.clock.monotonic_ms())
        if wait_ms:
            self._gather(wait_ms)
            return
        read = await self._run(
            lambda: journal.records_after(span.epoch, span.after, span.max_records, READ_AHEAD_BYTES)
        )
        if isinstance(read, StoreFault) or not read:
            return
        records = tuple(record for record in fitting(read) if record.seq not in self._held)
        if not records:
            return
        last = records[-1]
        signed = signing.upload_bytes(span.epoch, last.seq, last.hash)
        signature = signing.sign(self._around.identity.signing_key(), signed)
        self._uploaded_ms = self._around.clock.monotonic_ms()
        self._under_way = UnderWay(span.epoch, last.seq, self._uploaded_ms)
        self._upload = Upload(span.epoch, records, signature)
        self._to_send.set()

    def _gather(self, wait_ms: int) -> None:
        """Look again after `wait_ms`; one timer runs at a time."""
        if self._gathering is None:
            self._gathering = asyncio.get_running_loop().call_later(wait_ms / 1000, self._gathered)

    def _gathered(self) -> None:
        self._gathering = None
        self._to_upload.set()

    async def _acked(self, ack: UploadAck) -> None:
        under_way, self._under_way = self._under_way, None
        self._spell.proved()
        self._credit = ack.credit
        odd = [(seq, status.value) for seq, status in ack.statuses if status is not RecordStatus.STORED]
        if any(status in {RecordStatus.CONFLICT, RecordStatus.QUARANTINED} for _, status in ack.statuses):
            _log.error("records_quarantined", epoch=ack.epoch, records=odd[:10], count=len(odd))
            self._go_on(await self._run(lambda: settle_conflict(self._journal, ack)))
        before = self._journal.acked_through(ack.epoch)
        self._held = {seq for seq in self._held if seq > ack.acked_through}
        if ack.acked_through < before:
            self._held.clear()
            await self._run(
                lambda: self._journal.rewind(ack.epoch, ack.acked_through, others=False, at_ms=self._wall_ms())
            )
        else:
            mark = ack.acked_through
            if ack.epoch != self._journal.epoch and under_way is not None:
                mark = min(mark, under_way.last_seq)  # the server's run of a closed epoch may not be this one
            await self._run(lambda: self._journal.mark_acked(ack.epoch, mark, self._wall_ms()))
        if under_way is not None and ack.acked_through <= before:
            asyncio.get_running_loop().call_later(STALLED_SECONDS, self._to_upload.set)
        else:
            self._to_upload.set()

    def _wall_ms(self) -> int:
        return to_millis(self._around.clock.now())


def _first_end(group: BaseExceptionGroup[SessionEndedError]) -> Ended:
    for error in group.exceptions:
        if isinstance(error, SessionEndedError):
            return error.ended
    return Ended("the session ended")
