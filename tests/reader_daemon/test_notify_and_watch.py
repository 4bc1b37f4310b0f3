"""What systemd is told, and which changes of the hardware become events."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from cardcore.journal import DeviceEvent
from reader_daemon.device_watch import changes
from reader_daemon.messages import PortLost, ReaderStatus, SecurityAlarm
from reader_daemon.notify import Notifier
from tests.reader_daemon.site import ANNA, running
from tests.reader_daemon.virtual_time import NOON, VirtualLoop, run_virtual


def test_systemd_hears_ready_alive_and_stopping(short_tmp: Path) -> None:
    address = str(short_tmp / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(address)
        notifier = Notifier({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "10000000"})
        notifier.ready("2 readers")
        notifier.alive()
        notifier.stopping()
        heard = [systemd.recv(100).decode() for _ in range(3)]
    assert heard == ["READY=1\nSTATUS=2 readers", "WATCHDOG=1", "STOPPING=1"]
    assert notifier.watchdog_seconds == 10


def test_without_systemd_nothing_happens() -> None:
    notifier = Notifier({})
    notifier.ready("x")
    assert notifier.watchdog_seconds is None
    Notifier({"NOTIFY_SOCKET": "/nowhere/at/all"}).alive()


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (ReaderStatus("g01", online=True, secure=True), []),
        (ReaderStatus("g01", online=False, secure=False, detail="silent"), [("reader_offline", True)]),
        (ReaderStatus("g01", online=True, secure=True, tampered=True), [("reader_tampered", True)]),
        (ReaderStatus("g01", online=True, secure=True, power_fault=True), [("reader_power_fault", True)]),
    ],
)
def test_a_change_is_told_once(after: ReaderStatus, expected: list[tuple[str, bool]]) -> None:
    before = ReaderStatus("g01", online=True, secure=True)
    assert [(happened.event, happened.alarm) for happened in changes(before, after)] == expected
    assert changes(after, after) == []


def test_a_babbling_line_fills_no_journal_and_a_flooded_reader_still_serves(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with running(loop, tmp_path) as site:
            before = site.daemon.journal.head.seq
            for _ in range(1_000):
                site.port._sink(SecurityAlarm("g01", "bad_mac", "x", NOON))
            site.port._sink(PortLost("bus1", "unplugged"))
            await asyncio.sleep(1)
            told = [body.event for body in site.bodies()[before:] if isinstance(body, DeviceEvent)]
            assert told == ["security_alarm", "port_lost"]
            for _ in range(5_000):
                site.port.tap(ANNA)
            await asyncio.sleep(1)
            assert len(site.port.pulses()) == 1
            await asyncio.sleep(10)
            site.port.tap(ANNA)
            await asyncio.sleep(1)
            assert len(site.port.pulses()) == 2

    run_virtual(main)
