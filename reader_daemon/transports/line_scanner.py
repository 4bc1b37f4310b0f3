"""A scanner that sends lines over a serial port (QR codes, 125 kHz numbers), and the thread that owns the port.

Reports `CodeScanned`; has no lamp, buzzer or relay. Survives unplugging. It does not know what a code is good for.
"""

from __future__ import annotations

import itertools
import termios
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, Thread
from typing import Protocol

import serial
import structlog

from cardcore.clock import Clock
from reader_daemon.messages import (
    CodeScanned,
    CommandFinished,
    CommandResult,
    EventSink,
    PortLost,
    PortReopened,
    ReaderAction,
    ReaderStatus,
)
from reader_daemon.protocols.scan_lines import ScanFault, ScanLines

DEFAULT_BAUD = 9_600
SILENCE_SECONDS = 0.5
"""A scanner sends a line in one go; a gap of this length inside one means the rest will not come."""
READ_BYTES = 4_096
FIRST_RETRY_SECONDS = 0.2
LONGEST_RETRY_SECONDS = 5.0
STOP_SECONDS = 2.0
WAKE_EVERY_SECONDS = 0.05

_log = structlog.get_logger(__name__)


class ScannerPort(Protocol):
    """The part of `serial.Serial` that is used."""

    @property
    def in_waiting(self) -> int:
        """Bytes that can be read without waiting."""
        ...

    def read(self, size: int, /) -> bytes:
        """Read up to `size` bytes; fewer when nothing comes for `SILENCE_SECONDS`."""
        ...

    def cancel_read(self) -> None:
        """Make a waiting `read` return; legal from another thread."""
        ...

    def close(self) -> None:
        """Close."""
        ...


@dataclass(frozen=True, slots=True)
class LineScannerSettings:
    """One scanner. `device` is a path that follows the device, such as /dev/serial/by-id/..."""

    name: str
    device: str
    baud: int = DEFAULT_BAUD


def open_serial(settings: LineScannerSettings) -> ScannerPort:
    """Open the port 8N1 for this process alone; raises OSError."""
    return serial.Serial(settings.device, settings.baud, timeout=SILENCE_SECONDS, exclusive=True)


class LineScanner:
    """A `ReaderPort` with one reader, which cannot be told anything."""

    def __init__(
        self,
        settings: LineScannerSettings,
        *,
        clock: Clock,
        sink: EventSink,
        open_port: Callable[[LineScannerSettings], ScannerPort] = open_serial,
    ) -> None:
        """Touch nothing before `start`."""
        self._settings = settings
        self._clock = clock
        self._sink = sink
        self._open_port = open_port
        self._port: ScannerPort | None = None
        self._stopping = Event()
        self._thread = Thread(target=self._run, name=f"scanner-{settings.name}", daemon=True)
        self._command_ids = itertools.count(1)
        self._online: bool | None = None
        self.faults: Counter[ScanFault] = Counter()
        """How often bytes gave no text, since the start."""

    @property
    def readers(self) -> tuple[str, ...]:
        """The scanner's own name."""
        return (self._settings.name,)

    def submit(self, reader: str, action: ReaderAction, deadline_ms: int) -> int:
        """Refuse: there is nothing to act on. Raises KeyError for another name than the scanner's."""
        if reader != self._settings.name:
            raise KeyError(reader)
        command_id = next(self._command_ids)
        self._sink(CommandFinished(reader, command_id, CommandResult.REFUSED))
        return command_id

    def start(self) -> None:
        """Start the owning thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop within 2 s and close the port."""
        self._stopping.set()
        for _ in range(round(STOP_SECONDS / WAKE_EVERY_SECONDS)):
            port = self._port
            if port is not None:
                port.cancel_read()
            if self._thread.ident is None:
                return
            self._thread.join(WAKE_EVERY_SECONDS)
            if not self._thread.is_alive():
                return

    def _run(self) -> None:
        pause_seconds = FIRST_RETRY_SECONDS
        while not self._stopping.is_set():
            try:
                port = self._open_port(self._settings)
                try:
                    self._port = port
                    self._opened()
                    pause_seconds = FIRST_RETRY_SECONDS
                    self._listen(port)
                finally:
                    self._port = None
                    port.close()
            except (OSError, ValueError, termios.error) as error:  # ValueError: a speed the port does not have
                self._lost(str(error))
                self._stopping.wait(pause_seconds)
                pause_seconds = min(LONGEST_RETRY_SECONDS, pause_seconds * 2)

    def _listen(self, port: ScannerPort) -> None:
        """Read until stopped; raises OSError when the port goes."""
        lines = ScanLines()
        while not self._stopping.is_set():
            data = port.read(1)
            if not data:
                self._report(lines.fall_silent())
                continue
            self._report(lines.feed(data + port.read(min(port.in_waiting, READ_BYTES))))

    def _report(self, scans: list[str | ScanFault]) -> None:
        for scan in scans:
            if isinstance(scan, ScanFault):
                self.faults[scan] += 1
                if self.faults[scan] == 1:  # noise repeats itself; `faults` has the count
                    _log.warning("scanner_line_refused", reader=self._settings.name, fault=str(scan))
                continue
            self._sink(CodeScanned(self._settings.name, scan, self._clock.now(), self._clock.monotonic_ms()))

    def _opened(self) -> None:
        if self._online is False:
            self._sink(PortReopened(self._settings.name))
            _log.info("port_reopened", port=self._settings.name)
        self._online = True
        self._sink(ReaderStatus(self._settings.name, online=True, secure=False))

    def _lost(self, detail: str) -> None:
        if self._online is False:
            return
        self._online = False
        _log.warning("port_lost", port=self._settings.name, detail=detail)
        self._sink(PortLost(self._settings.name, detail))
        self._sink(ReaderStatus(self._settings.name, online=False, secure=False, detail=detail))
