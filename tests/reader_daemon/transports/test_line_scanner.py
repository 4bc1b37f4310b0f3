"""The line scanner over a pseudo terminal: texts, noise, unplugging, and no action it could take."""

from __future__ import annotations

import os
import pty
import tty
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from unittest.mock import patch

import pytest

from reader_daemon.messages import (
    Beep,
    CodeScanned,
    CommandFinished,
    CommandResult,
    PortLost,
    PortReopened,
    ReaderStatus,
)
from reader_daemon.protocols.scan_lines import ScanFault
from reader_daemon.transports import line_scanner
from reader_daemon.transports.line_scanner import LineScanner, LineScannerSettings, ScannerPort, open_serial
from tests.reader_daemon.transports.port_events import EventLog, StandingClock

LOOKS = 400
LOOK_SECONDS = 0.05
PAUSE = Event()
"""Never set: the scanner reports a torn line in its counts only."""


class Line:
    """A serial line at a path that stays while the line is unplugged and plugged again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._master = -1

    def plug(self) -> None:
        self._master, slave = pty.openpty()
        tty.setraw(slave)
        self.path.symlink_to(os.ttyname(slave))
        self._slave = slave

    def unplug(self) -> None:
        self.path.unlink()
        os.close(self._slave)
        os.close(self._master)
        self._master = -1

    def send(self, data: bytes) -> None:
        os.write(self._master, data)

    def close(self) -> None:
        if self._master >= 0:
            self.unplug()


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    made = Line(tmp_path / "scanner")
    yield made
    made.close()


@pytest.fixture
def log() -> EventLog:
    return EventLog()


@pytest.fixture
def scanner(line: Line, log: EventLog) -> Iterator[LineScanner]:
    made = LineScanner(LineScannerSettings("qr-1", str(line.path)), clock=StandingClock(), sink=log)
    yield made
    made.stop()


def test_lines_arrive_as_texts(line: Line, log: EventLog, scanner: LineScanner) -> None:
    line.plug()
    scanner.start()
    log.wait(ReaderStatus, 1, lambda status: status.online)
    line.send("V1.訪客.42\r\nnext\n".encode())
    assert log.wait(CodeScanned).text == "V1.訪客.42"
    second = log.wait(CodeScanned, 2)
    assert (second.reader, second.text, second.monotonic_ms) == ("qr-1", "next", 1_000)


def test_noise_is_counted_and_the_next_line_is_read(line: Line, log: EventLog, scanner: LineScanner) -> None:
    line.plug()
    scanner.start()
    log.wait(ReaderStatus)
    line.send(b"\xff\xfe\n" * 3 + b"x" * 600 + b"\ngood\n")
    assert log.wait(CodeScanned).text == "good"
    assert scanner.faults == {ScanFault.NOT_TEXT: 3, ScanFault.OVERSIZED: 1}


def test_unplugged_scanner_comes_back(line: Line, log: EventLog, scanner: LineScanner) -> None:
    line.plug()
    scanner.start()
    log.wait(ReaderStatus, 1, lambda status: status.online)
    line.unplug()
    log.wait(PortLost)
    log.wait(ReaderStatus, 1, lambda status: not status.online)
    line.plug()
    log.wait(PortReopened)
    log.wait(ReaderStatus, 2, lambda status: status.online)
    line.send(b"again\r")
    assert log.wait(CodeScanned).text == "again"
    assert len(log.of(PortLost)) == 1


def test_scanner_that_was_never_there_is_reported_once_and_awaited(
    line: Line, log: EventLog, scanner: LineScanner
) -> None:
    tries = []

    def open_port(settings: LineScannerSettings) -> ScannerPort:
        tries.append(settings)
        if len(tries) == 4:
            line.plug()
        return open_serial(settings)

    scanner._open_port = open_port
    with patch.object(line_scanner, "FIRST_RETRY_SECONDS", 0.001):
        scanner.start()
        log.wait(PortReopened)
    assert len(tries) == 4
    assert len(log.of(PortLost)) == 1


def test_half_a_line_is_dropped_in_silence(line: Line, log: EventLog, scanner: LineScanner) -> None:
    line.plug()
    scanner.start()
    log.wait(ReaderStatus)
    line.send(b"half")
    for _ in range(LOOKS):
        if scanner.faults[ScanFault.TORN]:
            break
        PAUSE.wait(LOOK_SECONDS)
    line.send(b"whole\n")
    assert log.wait(CodeScanned).text == "whole"


def test_speed_the_port_does_not_have_is_reported(line: Line, log: EventLog) -> None:
    line.plug()
    scanner = LineScanner(LineScannerSettings("qr-1", str(line.path), baud=-1), clock=StandingClock(), sink=log)
    scanner.start()
    assert "baud" in log.wait(PortLost).detail.lower()
    scanner.stop()


def test_it_takes_no_command(log: EventLog, scanner: LineScanner) -> None:
    command_id = scanner.submit("qr-1", Beep(100), 10**9)
    assert log.wait(CommandFinished) == CommandFinished("qr-1", command_id, CommandResult.REFUSED)
    with pytest.raises(KeyError):
        scanner.submit("other", Beep(100), 10**9)


def test_stop_ends_the_thread(line: Line, log: EventLog, scanner: LineScanner) -> None:
    line.plug()
    scanner.start()
    log.wait(ReaderStatus)
    scanner.stop()
    assert not scanner._thread.is_alive()
