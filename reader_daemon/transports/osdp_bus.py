"""One RS-485 bus of OSDP readers as a `ReaderPort`: the thread that owns the serial port and the panel engine.

The thread sleeps until bytes come, somebody submits, or the panel's next deadline; there is no fixed beat. Other
threads only leave frozen requests in a bounded inbox. It decides nothing about OSDP; that is `protocols.osdp.panel`.
"""

from __future__ import annotations

import os
import selectors
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from cardcore.clock import Clock
from cardcore.ids import IdSource
from reader_daemon.messages import (
    CommandFinished,
    CommandResult,
    EventSink,
    PortLost,
    PortReopened,
    ReaderAction,
    ReaderStatus,
    SecurityAlarm,
)
from reader_daemon.protocols.osdp.health import (
    InstallModeClosed,
    KeyEvent,
    KeyRolled,
    PanelEvent,
    ReaderHealth,
    ReaderIdentified,
)
from reader_daemon.protocols.osdp.keys import require_strong_key
from reader_daemon.protocols.osdp.panel import Panel
from reader_daemon.protocols.osdp.settings import ReaderSettings, check_readers
from reader_daemon.protocols.osdp.timing import Moment
from reader_daemon.transports.serial_port import PortGoneError, SerialPort

BAUD_RATES = (9_600, 19_200, 38_400, 57_600, 115_200, 230_400)
MAX_INBOX = 1_024
"""Requests not yet seen by the thread. It looks within milliseconds, so a full inbox means that it is stuck."""
REOPEN_FIRST_MS = 100
REOPEN_LONGEST_MS = 2_000
STOP_SECONDS = 2.0
HEALTH_INTERVAL_MS = 1_000
_WAKE_BYTES = 512

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class BusSettings:
    """One bus: a name for people, the port's path (by-id for real adapters), its speed and its readers."""

    name: str
    path: str
    readers: tuple[ReaderSettings, ...]
    baud: int = 38_400

    def __post_init__(self) -> None:
        if self.baud not in BAUD_RATES:
            msg = f"bus {self.name}: baud {self.baud} is none of {BAUD_RATES}"
            raise ValueError(msg)
        check_readers(self.readers)


@dataclass(frozen=True, slots=True)
class _Submission:
    command_id: int
    reader: str
    action: ReaderAction
    deadline_ms: int


@dataclass(frozen=True, slots=True)
class _KeyRoll:
    reader: str
    new_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Installation:
    reader: str
    new_key: bytes = field(repr=False)
    duration_ms: int


@dataclass(frozen=True, slots=True)
class _Confirmation:
    reader: str


_Request = _Submission | _KeyRoll | _Installation | _Confirmation


def _ignore_key_event(event: KeyEvent) -> None:
    """Stand in for a key service that is not there."""


class OsdpBus:
    """A `ReaderPort`. Events go to `sink`, the fate of new keys to `key_sink`, both called in the bus's thread."""

    def __init__(
        self,
        settings: BusSettings,
        sink: EventSink,
        clock: Clock,
        ids: IdSource,
        key_sink: Callable[[KeyEvent], None] = _ignore_key_event,
    ) -> None:
        """Take no resource but a wake-up pipe; `start` opens the port."""
        self._settings = settings
        self._sink = sink
        self._key_sink = key_sink
        self._clock = clock
        self._panel = Panel(settings.readers, settings.baud, ids.random_bytes, self._now())
        self._names = tuple(reader.name for reader in settings.readers)
        self._inbox: deque[_Request] = deque()
        self._lock = threading.Lock()
        self._last_id = 0
        self._closed = False
        self._stopping = threading.Event()
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._thread: threading.Thread | None = None
        self._is_lost = False
        self._reopen_ms = REOPEN_FIRST_MS
        self._loop_ms = clock.monotonic_ms()
        self._health: tuple[ReaderHealth, ...] = self._panel.health(self._loop_ms)
        self._health_ms = self._loop_ms

    # --- any thread --------------------------------------------------------------------------------------

    @property
    def readers(self) -> tuple[str, ...]:
        """Names of the readers on this bus."""
        return self._names

    @property
    def loop_age_ms(self) -> int:
        """How long ago the thread last went round; over a second means that it is stuck (for the watchdog)."""
        return self._clock.monotonic_ms() - self._loop_ms

    def health(self) -> tuple[ReaderHealth, ...]:
        """Return the readers' condition, at most HEALTH_INTERVAL_MS old."""
        return self._health

    def submit(self, reader: str, action: ReaderAction, deadline_ms: int) -> int:
        """Queue an action; returns its command id. Never sent after `deadline_ms` (the injected clock's monotonic ms).

        Raises KeyError for a reader of another bus, RuntimeError if the thread is stuck. After `stop` it completes as
        expired at once, in the caller's thread.
        """
        self._require_reader(reader)
        with self._lock:
            self._last_id += 1
            command_id = self._last_id
            queued = not self._closed
            if queued:
                self._enqueue(_Submission(command_id, reader, action, deadline_ms))
        if not queued:
            self._sink(CommandFinished(reader, command_id, CommandResult.EXPIRED))
        return command_id

    def roll_key(self, reader: str, new_key: bytes) -> None:
        """Replace a reader's key inside its session; KeyRolled follows. Store the key as pending before this call.

        Raises WeakKeyError. A reader that cannot be given a key now reports KeyRolled(promoted=False).
        """
        self._ask(_KeyRoll(reader, require_strong_key(new_key)))

    def open_install_mode(self, reader: str, new_key: bytes, duration_ms: int) -> None:
        """Let a reader on the public default key have its first key: two people decided it, and it is audited.

        Store the key as pending before this call. At most 600,000 ms; InstallModeClosed follows, then KeyRolled once
        the reader proved the key. Raises WeakKeyError.
        """
        self._ask(_Installation(reader, require_strong_key(new_key), duration_ms))

    def confirm_identity(self, reader: str) -> None:
        """Accept the device that answers in this reader's place: a person looked."""
        self._ask(_Confirmation(reader))

    def start(self) -> None:
        """Start the owning thread. It opens the port, and goes on trying if that fails."""
        assert self._thread is None, "a bus is started once"
        self._thread = threading.Thread(target=self._run, name=f"osdp {self._settings.name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread and close the port; pending commands complete as expired. Bounded to 2 s."""
        self._stopping.set()
        with self._lock:
            if self._closed:
                return
            self._wake()
        if self._thread is None:
            self._close()
        else:
            self._thread.join(STOP_SECONDS)
            if self._thread.is_alive():
                _log.error("port_thread_stuck", port=self._settings.name)

    def _require_reader(self, reader: str) -> None:
        if reader not in self._names:
            msg = f"no reader {reader} on bus {self._settings.name}"
            raise KeyError(msg)

    def _ask(self, request: _KeyRoll | _Installation | _Confirmation) -> None:
        self._require_reader(request.reader)
        with self._lock:
            if not self._closed:
                self._enqueue(request)

    def _enqueue(self, request: _Request) -> None:
        if len(self._inbox) >= MAX_INBOX:
            msg = f"the thread of bus {self._settings.name} takes no more requests"
            raise RuntimeError(msg)
        self._inbox.append(request)
        self._wake()

    def _wake(self) -> None:
        """Wake the thread; the caller holds the lock and has seen that the pipe is still open."""
        with suppress(BlockingIOError):  # full of earlier wake-ups: it will wake
            os.write(self._wake_write, b"\0")

    # --- the bus's own thread ----------------------------------------------------------------------------

    def _now(self) -> Moment:
        return Moment(self._clock.monotonic_ms(), self._clock.now())

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._serve(SerialPort(self._settings.path, self._settings.baud))
            except PortGoneError as gone:
                self._lose(str(gone))
            except Exception as fault:  # noqa: BLE001 - whatever it is, the other lanes of this bus must come back
                _log.exception("port_thread_failed", port=self._settings.name)
                self._lose(repr(fault))
            self._wait_to_reopen()
        self._close()

    def _serve(self, port: SerialPort) -> None:
        """Run the bus until the port is gone or `stop` is called."""
        with selectors.DefaultSelector() as selector:
            try:
                selector.register(port, selectors.EVENT_READ)
                selector.register(self._wake_read, selectors.EVENT_READ)
                self._panel.line_restored(self._now())
                if self._is_lost:
                    self._is_lost = False
                    _log.info("port_reopened", port=self._settings.name)
                    self._sink(PortReopened(self._settings.name))
                while not self._stopping.is_set():
                    self._turn(port, selector)
            finally:
                port.close()

    def _turn(self, port: SerialPort, selector: selectors.BaseSelector) -> None:
        now = self._now()
        self._take_requests(now)
        message = self._panel.tick(now)
        if message and not port.write(message):
            _log.debug("message_not_written", port=self._settings.name)
        self._report(now)
        wait_ms = self._panel.next_deadline_ms(now.ms) - now.ms
        for key, _ in selector.select(max(wait_ms, 1) / 1000):
            if key.fileobj is port:
                self._reopen_ms = REOPEN_FIRST_MS
                self._panel.feed(port.read(), self._now())
            else:
                self._drain_wake_ups()

    def _wait_to_reopen(self) -> None:
        """Let requests complete (as expired) until it is time to try the port again."""
        until_ms = self._clock.monotonic_ms() + self._reopen_ms
        self._reopen_ms = min(2 * self._reopen_ms, REOPEN_LONGEST_MS)
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake_read, selectors.EVENT_READ)
            while not self._stopping.is_set() and (now := self._now()).ms < until_ms:
                self._take_requests(now)
                self._panel.tick(now)
                self._report(now)
                if selector.select((until_ms - now.ms) / 1000):
                    self._drain_wake_ups()

    def _lose(self, detail: str) -> None:
        now = self._now()
        self._panel.line_lost(now)
        if not self._is_lost:
            self._is_lost = True
            _log.warning("port_lost", port=self._settings.name, path=self._settings.path, detail=detail)
            self._sink(PortLost(self._settings.name, detail))
        self._report(now)

    def _drain_wake_ups(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._wake_read, _WAKE_BYTES)

    def _take_requests(self, now: Moment) -> None:
        self._loop_ms = now.ms
        while self._inbox:
            request = self._inbox.popleft()
            match request:
                case _Submission(command_id, reader, action, deadline_ms):
                    self._panel.submit(reader, command_id, action, deadline_ms, now)
                case _KeyRoll(reader, new_key):
                    try:
                        self._panel.roll_key(reader, new_key)
                    except ValueError as refusal:
                        _log.warning("key_refused", reader=reader, detail=str(refusal))
                        self._key_sink(KeyRolled(reader, promoted=False))
                case _Installation(reader, new_key, duration_ms):
                    try:
                        self._panel.open_install_mode(reader, new_key, duration_ms, now)
                    except ValueError as refusal:
                        _log.warning("install_mode_refused", reader=reader, detail=str(refusal))
                        self._key_sink(InstallModeClosed(reader, key_sent=False))
                case _Confirmation(reader):
                    self._panel.confirm_identity(reader, now)

    def _report(self, now: Moment) -> None:
        events = self._panel.take_events()
        for event in events:
            self._deliver(event)
        if events or now.ms - self._health_ms >= HEALTH_INTERVAL_MS:
            self._health_ms = now.ms
            self._health = self._panel.health(now.ms)

    def _deliver(self, event: PanelEvent) -> None:
        match event:
            case KeyRolled(reader, promoted):
                _log.info("key_rolled", reader=reader, promoted=promoted)
                self._key_sink(event)
                return
            case InstallModeClosed(reader, key_sent):
                _log.warning("install_mode_closed", reader=reader, key_sent=key_sent)
                self._key_sink(event)
                return
            case ReaderIdentified():
                self._key_sink(event)
                return
            case ReaderStatus(reader, online, secure):
                _log.info("reader_status", reader=reader, online=online, secure=secure, detail=event.detail)
            case SecurityAlarm(reader, kind, detail):
                _log.warning("reader_alarm", reader=reader, kind=kind, detail=detail)
            case _:
                pass
        self._sink(event)

    def _close(self) -> None:
        with self._lock:
            self._closed = True
        now = self._now()
        self._panel.line_lost(now)
        self._take_requests(now)
        self._panel.close()
        self._report(now)
        os.close(self._wake_read)
        os.close(self._wake_write)
