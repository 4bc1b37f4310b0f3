"""One PC/SC reader and the thread that owns it: waits for cards, runs the dialogue, reports the outcome.

The thread has its own context, so that a slow card delays no other reader. It survives the loss of the reader and of
the service. It decides nothing about the credential it finds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, Lock, Timer
from typing import Protocol

import structlog

from cardcore.card_keys.asks import KeySource
from cardcore.clock import Clock
from cardcore.ids import IdSource
from cardcore.reasons import Reason
from reader_daemon.messages import CardFailed, CardRead, CommandResult, EventSink, ReaderStatus
from reader_daemon.protocols.card.dialogue import (
    NO_KEYS,
    UNNAMED_POLICY,
    CardPolicy,
    Transmit,
    card_dialogue,
    run_dialogue,
)
from reader_daemon.protocols.card.outcome import Assertion, CardFailure, CardOutcome, TransmitFailed
from reader_daemon.transports.pcsc_commands import CommandQueue, WaitingCommand
from reader_daemon.transports.pcsc_insertions import Insertions
from reader_daemon.transports.pcsc_service import (
    UNSEEN,
    CardChannel,
    CardMoved,
    CardMute,
    EstablishContext,
    Look,
    PcscContext,
    PcscFault,
    ReaderGone,
    ServiceGone,
)
from reader_daemon.transports.pcsc_signals import SignalKind, signal_command

WAIT_MS = 500
"""The longest a wait lasts: a cancel that comes just before the wait begins is lost."""
FIRST_RETRY_SECONDS = 0.1
LONGEST_RETRY_SECONDS = 5.0
STUCK_AFTER_MS = 2_000
"""Beyond the dialogue's budget: then the exchange itself hangs, which no call can interrupt."""

_log = structlog.get_logger(__name__)


ServeCard = Callable[[Transmit], CardFailure | None]
"""Does something else with a card laid down than a tap: an encoder makes it. Runs in the reader's thread."""


@dataclass(frozen=True, slots=True)
class PcscReaderSettings:
    """One reader. `pcsc_name` is its whole PC/SC name or a part only it has, such as its serial number."""

    name: str
    pcsc_name: str
    policy: CardPolicy = UNNAMED_POLICY
    signals: SignalKind = SignalKind.NONE
    keys: KeySource = NO_KEYS
    """Who proves cards with secret keys; asked in this reader's thread only."""
    serve: ServeCard | None = None
    """None = every card is a tap. `policy.budget_ms` then bounds what is done to one card."""


class ServiceHealth(Protocol):
    """Who is told that the service went away or came back, from any reader's thread."""

    def service_lost(self, reader: str, detail: str) -> None:
        """`reader` lost the service; may come many times."""
        ...

    def service_back(self, reader: str) -> None:
        """`reader` has the service again."""
        ...


@dataclass(frozen=True, slots=True)
class PcscSurroundings:
    """What every reader of a port shares."""

    establish: EstablishContext
    clock: Clock
    ids: IdSource
    sink: EventSink
    health: ServiceHealth


class PcscReader:
    """`run` is the body of the owning thread; `wake` and `stop` may be called from any other."""

    def __init__(self, settings: PcscReaderSettings, surroundings: PcscSurroundings) -> None:
        """Touches nothing before `run`."""
        self._settings = settings
        self._around = surroundings
        self._stopping = Event()
        self._again = Event()
        self._context: PcscContext | None = None
        self._insertions = Insertions()
        self._status: ReaderStatus | None = None
        self._status_lock = Lock()
        self.commands = CommandQueue(settings.name, surroundings.sink)

    def run(self) -> None:
        """Serve until `stop`, establishing the context again after each loss, with a growing pause up to 5 s."""
        pause_seconds = FIRST_RETRY_SECONDS
        while not self._stopping.is_set():
            try:
                self._context = context = self._around.establish()
                try:
                    context.readers()  # an established context may still have no service behind it
                    self._around.health.service_back(self._settings.name)
                    pause_seconds = FIRST_RETRY_SECONDS
                    self._serve(context)
                finally:
                    self._context = None
                    context.release()
            except PcscFault as fault:
                if isinstance(fault, ServiceGone):
                    self._around.health.service_lost(self._settings.name, str(fault))
                self._show(online=False, detail=f"PC/SC: {fault}")
            except Exception as fault:  # noqa: BLE001 - the outermost frame of a thread, and it logs the trace
                # one dialogue's fault must not silence the reader until somebody restarts the daemon; the card that
                # caused it counts as read, so it cannot cause it again before it is lifted
                _log.exception("reader_fault", reader=self._settings.name)
                self._show(online=False, detail=f"fault: {type(fault).__name__}")
            else:
                continue
            self._insertions.recount()
            self.commands.expire_all()
            self._stopping.wait(pause_seconds)
            pause_seconds = min(LONGEST_RETRY_SECONDS, pause_seconds * 2)
        self.commands.close()

    def wake(self) -> None:
        """Make the thread look at its commands now."""
        context = self._context
        if context is not None:
            context.cancel()

    def look_again(self) -> None:
        """Read the card that lies on the reader once more, if one does; from any thread."""
        self._again.set()
        self.wake()

    def stop(self) -> None:
        """Ask the thread to end; returns at once."""
        self._stopping.set()
        self.wake()

    # --- in the owning thread --------------------------------------------------------------------------------

    def _serve(self, context: PcscContext) -> None:
        """Alternate between looking for the reader and looking at it, until stopped; raises when the service goes."""
        look = UNSEEN
        while not self._stopping.is_set():
            name = self._find(context.readers())
            if name is None:
                self._insertions.recount()
                self.commands.expire_all()
                look = context.wait(None, look, WAIT_MS) or look
                continue
            self._show(online=True)
            try:
                self._watch(context, name)
            except ReaderGone as gone:
                self._show(online=False, detail=f"unplugged: {gone}")
            look = UNSEEN

    def _find(self, names: tuple[str, ...]) -> str | None:
        """Return the full name of this reader; bound by name, so two that fit are as wrong as none."""
        wanted = self._settings.pcsc_name
        if wanted in names:
            return wanted
        fitting = [name for name in names if wanted in name]
        if len(fitting) == 1:
            return fitting[0]
        known = ", ".join(fitting or names) or "none"
        detail = f"{len(fitting)} readers fit {wanted!r}; plugged in: {known}"
        self._show(online=False, detail=detail)
        return None

    def _watch(self, context: PcscContext, name: str) -> None:
        """Serve one plugged reader until it is unplugged (`ReaderGone`) or the daemon stops."""
        look = UNSEEN
        while not self._stopping.is_set():
            self._run_commands(context, name, look)
            seen = context.wait(name, look, WAIT_MS)
            if self._again.is_set():
                self._again.clear()
                if (seen or look).present:
                    self._insertions.forget()
                    seen = seen or look
            if seen is None:
                continue
            if seen.gone:
                raise ReaderGone(name)
            look = seen
            if self._insertions.is_new(look):
                self._read(context, name)

    def _read(self, context: PcscContext, name: str) -> None:
        """Run the dialogue with a card just inserted, and report it exactly once, even when an exchange hangs."""
        unreported = Lock()
        limit_ms = self._settings.policy.budget_ms + STUCK_AFTER_MS
        alarm = Timer(limit_ms / 1000, self._give_up, (unreported, limit_ms))
        alarm.daemon = True
        alarm.start()
        try:
            outcome = self._converse(context, name)
        finally:
            alarm.cancel()
            in_time = unreported.acquire(blocking=False)
        if in_time:
            self._report(outcome)
        else:
            self._show(online=True)

    def _give_up(self, unreported: Lock, limit_ms: int) -> None:
        """Report a card whose exchange hangs; runs in the alarm's thread."""
        if unreported.acquire(blocking=False):
            self._fail(Reason.CARD_TIMEOUT, f"an exchange hangs for more than {limit_ms} ms")
            self._show(online=False, detail="a card keeps the reader waiting: take it off, or unplug the reader")

    def _converse(self, context: PcscContext, name: str) -> CardOutcome | None:
        """Open the channel, run the dialogue, let go; only a lost service or reader raises."""
        try:
            channel = context.connect(name)
        except CardMoved as moved:
            return CardFailure(Reason.CARD_MOVED, str(moved))
        except CardMute as mute:
            return CardFailure(Reason.CARD_UNREADABLE, str(mute))
        except (ServiceGone, ReaderGone):
            raise
        except PcscFault as fault:
            return CardFailure(Reason.CARD_UNREADABLE, f"no connection: {fault}")
        policy, serve = self._settings.policy, self._settings.serve
        try:
            if serve is not None:
                return serve(_transmit(channel))
            dialogue = card_dialogue(policy, self._around.ids.random_bytes)
            clock, keys = self._around.clock, self._settings.keys
            return run_dialogue(dialogue, _transmit(channel), clock, policy.budget_ms, keys)
        finally:
            channel.close()

    def _run_commands(self, context: PcscContext, name: str, look: Look) -> None:
        while (command := self.commands.take()) is not None:
            self.commands.finish(command, self._execute(context, name, look, command))

    def _execute(self, context: PcscContext, name: str, look: Look, command: WaitingCommand) -> CommandResult:
        """Send one signal to the reader, through the card's channel when a card holds it, else directly."""
        apdu = signal_command(self._settings.signals, command.action)
        if apdu is None:
            return CommandResult.REFUSED
        if self._around.clock.monotonic_ms() > command.deadline_ms:
            return CommandResult.EXPIRED
        try:
            answer = self._signal(context, name, apdu, with_card=look.present)
        except PcscFault as fault:
            _log.warning("reader_signal_failed", reader=self._settings.name, detail=str(fault))
            return CommandResult.UNKNOWN
        return CommandResult.DONE if answer[-2:-1] == b"\x90" else CommandResult.REFUSED

    def _signal(self, context: PcscContext, name: str, apdu: bytes, *, with_card: bool) -> bytes:
        if with_card:
            try:
                channel = context.connect(name)
            except (CardMoved, CardMute):
                return context.control(name, apdu)
            try:
                return channel.transmit(apdu)
            finally:
                channel.close()
        return context.control(name, apdu)

    # --- reports -----------------------------------------------------------------------------------------------

    def _report(self, outcome: CardOutcome | None) -> None:
        match outcome:
            case None:
                return  # whoever served the card reports it
            case Assertion(credential=credential, timings=timings):
                clock = self._around.clock
                read = CardRead(
                    self._settings.name,
                    credential,
                    clock.now(),
                    clock.monotonic_ms(),
                    authentication_ms=timings.card_ms,
                )
                self._around.sink(read)
            case CardFailure(reason=reason, detail=detail):
                self._fail(reason, detail)

    def _fail(self, reason: Reason, detail: str) -> None:
        clock = self._around.clock
        self._around.sink(CardFailed(self._settings.name, reason, detail, clock.now(), clock.monotonic_ms()))

    def _show(self, *, online: bool, detail: str = "") -> None:
        """Report the status when it changed. There is no secure channel to a PC/SC reader: proofs are end to end."""
        status = ReaderStatus(self._settings.name, online=online, secure=False, detail=detail)
        with self._status_lock:
            changed = self._status is None or self._status.online != online
            self._status = status
        if changed:
            _log.info("reader_online" if online else "reader_offline", reader=self._settings.name, detail=detail)
            self._around.sink(status)


def _transmit(channel: CardChannel) -> Transmit:
    """Return a `transmit` whose failures name what the card did; a lost service or reader passes through."""

    def transmit(command: bytes) -> bytes:
        try:
            return channel.transmit(command)
        except CardMoved as moved:
            raise TransmitFailed(Reason.CARD_MOVED, str(moved)) from moved
        except (ServiceGone, ReaderGone):
            raise
        except PcscFault as fault:
            raise TransmitFailed(Reason.CARD_UNREADABLE, str(fault)) from fault

    return transmit
