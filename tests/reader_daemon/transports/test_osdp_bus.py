"""The bus's thread on real pseudo terminals, with the wheel's reader and with nobody at the other end."""

from __future__ import annotations

import asyncio
import os
import pty
import threading
import tty
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TypeVar

import pytest

from cardcore.wire.messages import Command, CommandKind
from reader_daemon.blocking import run_here
from reader_daemon.messages import (
    Beep,
    CardRead,
    CommandFinished,
    CommandResult,
    PortEvent,
    PortLost,
    PortReopened,
    Pulse,
    ReaderStatus,
)
from reader_daemon.protocols.osdp.health import InstallModeClosed, KeyEvent, KeyRolled
from reader_daemon.protocols.osdp.keys import WeakKeyError
from reader_daemon.protocols.osdp.settings import ReaderSettings
from reader_daemon.reader_keys import ReaderKeys
from reader_daemon.store.reader_keys import ReaderKeyFile
from reader_daemon.system import SystemClock, SystemIds
from reader_daemon.transports.osdp_bus import MAX_INBOX, BusSettings, OsdpBus
from tests.reader_daemon.protocols.osdp.virtual_bus import KEYS
from tests.reader_daemon.protocols.osdp.wheel_reader import PtyLine, WheelReader, card

LIMIT_SECONDS = 20.0
REFRESH_SECONDS = 0.005
TRIES = 5
CLOCK = SystemClock()

EventType = TypeVar("EventType")


class Outlet:
    """A serial adapter that can be unplugged and plugged in again: a stable path to a changing pty."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "usb-adapter"
        self.master = -1
        self.plug()

    def plug(self) -> None:
        self.master, slave = pty.openpty()
        tty.setraw(slave)
        self.path.symlink_to(os.ttyname(slave))
        os.close(slave)

    def unplug(self) -> None:
        os.close(self.master)
        self.path.unlink()
        self.master = -1


class WheelThread:
    """Refreshes a wheel reader until stopped."""

    def __init__(self, reader: WheelReader) -> None:
        self.reader = reader
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(REFRESH_SECONDS):
            with self._lock:
                self.reader.refresh()

    def tap(self, number: bytes) -> None:
        with self._lock:
            self.reader.emit(card(number))

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()


class Watcher:
    """Collects a bus's events and waits for some with a deadline."""

    def __init__(self) -> None:
        self.queue: SimpleQueue[PortEvent | KeyEvent] = SimpleQueue()
        self.seen: list[PortEvent | KeyEvent] = []

    def wait_for(self, kind: type[EventType], fits: Callable[[EventType], bool] = lambda _: True) -> EventType:
        """Return the first event from now on that fits; earlier ones are kept in `seen`."""
        deadline_ms = CLOCK.monotonic_ms() + LIMIT_SECONDS * 1_000
        while True:
            try:
                event = self.queue.get(timeout=max(0.0, (deadline_ms - CLOCK.monotonic_ms()) / 1_000))
            except Empty:
                pytest.fail(f"no such {kind.__name__} in time; seen: {self.seen[-10:]}")
            self.seen.append(event)
            if isinstance(event, kind) and fits(event):
                return event

    def wait_usable(self) -> None:
        self.wait_for(ReaderStatus, lambda status: status.online and status.secure)

    def results(self) -> dict[int, list[CommandResult]]:
        while not self.queue.empty():
            self.seen.append(self.queue.get())
        results: dict[int, list[CommandResult]] = {}
        for event in self.seen:
            if isinstance(event, CommandFinished):
                results.setdefault(event.command_id, []).append(event.result)
        return results


def bus_on(outlet: Outlet, watcher: Watcher, scbk: bytes | None = KEYS[0]) -> OsdpBus:
    settings = BusSettings("north", str(outlet.path), (ReaderSettings("gate", 5, scbk),), 115_200)
    return OsdpBus(settings, watcher.queue.put, CLOCK, SystemIds(CLOCK), watcher.queue.put)


@pytest.fixture
def outlet(tmp_path: Path) -> Iterator[Outlet]:
    outlet = Outlet(tmp_path)
    yield outlet
    if outlet.master >= 0:
        outlet.unplug()


@pytest.fixture
def watcher() -> Watcher:
    return Watcher()


@pytest.fixture
def wheel(outlet: Outlet) -> Iterator[WheelThread]:
    thread = WheelThread(WheelReader(5, PtyLine(outlet.master), KEYS[0]))
    yield thread
    thread.stop()


@pytest.fixture
def bus(outlet: Outlet, watcher: Watcher) -> Iterator[OsdpBus]:
    bus = bus_on(outlet, watcher)
    bus.start()
    yield bus
    bus.stop()


def soon() -> int:
    return CLOCK.monotonic_ms() + 3_000


def test_a_tap_and_a_pulse_over_a_pty(wheel: WheelThread, bus: OsdpBus, watcher: Watcher) -> None:
    watcher.wait_usable()
    assert bus.readers == ("gate",)
    wheel.tap(bytes.fromhex("01234580"))
    read = watcher.wait_for(CardRead)
    assert (read.reader, read.credential) == ("gate", "wiegand:32-01234580")
    # On a loaded host the wheel's thread may answer late and lose its session: then the pulse is honestly unknown.
    finished: CommandFinished | None = None
    for _ in range(TRIES):
        number = bus.submit("gate", Pulse(0, 500), soon())
        finished = watcher.wait_for(CommandFinished)
        assert finished.command_id == number
        if finished.result is CommandResult.DONE:
            break
    assert finished is not None
    assert finished.result is CommandResult.DONE
    [health] = bus.health()
    assert health.online
    assert health.identity is not None
    assert health.identity.serial == 0x11223344


def test_submitting_inside_the_event_handler_is_fine(wheel: WheelThread, outlet: Outlet) -> None:
    watcher = Watcher()
    submitted: list[int] = []

    def open_on_tap(event: PortEvent) -> None:
        if isinstance(event, CardRead):
            submitted.append(lane.submit("gate", Pulse(0, 500), soon()))
        watcher.queue.put(event)

    settings = BusSettings("north", str(outlet.path), (ReaderSettings("gate", 5, KEYS[0]),), 115_200)
    lane = OsdpBus(settings, open_on_tap, CLOCK, SystemIds(CLOCK))
    lane.start()
    try:
        watcher.wait_usable()
        wheel.tap(b"\1\2\3\4")
        finished = watcher.wait_for(CommandFinished)
        assert [finished.command_id] == submitted
        assert finished.result in {CommandResult.DONE, CommandResult.UNKNOWN}
    finally:
        lane.stop()


def test_an_unplugged_adapter_is_reported_and_comes_back(
    wheel: WheelThread, bus: OsdpBus, watcher: Watcher, outlet: Outlet
) -> None:
    watcher.wait_usable()
    wheel.stop()
    outlet.unplug()
    assert watcher.wait_for(PortLost).port == "north"
    number = bus.submit("gate", Pulse(0, 500), soon())
    assert watcher.wait_for(CommandFinished) == CommandFinished("gate", number, CommandResult.EXPIRED)
    assert [s.online for s in watcher.seen if isinstance(s, ReaderStatus)][-1:] == [False]
    outlet.plug()
    again = WheelThread(WheelReader(5, PtyLine(outlet.master), KEYS[0]))
    try:
        assert watcher.wait_for(PortReopened) == PortReopened("north")
        watcher.wait_usable()
    finally:
        again.stop()
    assert sum(isinstance(event, PortLost) for event in watcher.seen) == 1


def test_a_port_that_is_not_there_yet_is_tried_until_it_is(watcher: Watcher, outlet: Outlet) -> None:
    outlet.unplug()
    bus = bus_on(outlet, watcher)
    bus.start()
    try:
        assert "usb-adapter" in watcher.wait_for(PortLost).detail
        outlet.plug()
        watcher.wait_for(PortReopened)
    finally:
        bus.stop()


def test_nobody_at_the_other_end_is_offline_but_no_fault(bus: OsdpBus, watcher: Watcher) -> None:
    assert not watcher.wait_for(ReaderStatus).online
    number = bus.submit("gate", Beep(100), soon())
    assert watcher.wait_for(CommandFinished).result is CommandResult.EXPIRED
    assert number == 1
    assert not any(isinstance(event, PortLost) for event in watcher.seen)


def test_every_submission_ends_exactly_once_whatever_happens(
    wheel: WheelThread, bus: OsdpBus, watcher: Watcher, outlet: Outlet
) -> None:
    watcher.wait_usable()
    numbers = [bus.submit("gate", Beep(100), soon()) for _ in range(40)]
    wheel.stop()
    outlet.unplug()
    numbers += [bus.submit("gate", Beep(100), soon()) for _ in range(40)]
    bus.stop()
    numbers += [bus.submit("gate", Beep(100), soon()) for _ in range(3)]
    results = watcher.results()
    assert sorted(results) == numbers
    assert all(len(ends) == 1 for ends in results.values())
    assert [results[number] for number in numbers[-3:]] == [[CommandResult.EXPIRED]] * 3


def test_stop_without_start_and_twice(outlet: Outlet, watcher: Watcher) -> None:
    bus = bus_on(outlet, watcher)
    number = bus.submit("gate", Pulse(0, 500), soon())
    bus.stop()
    bus.stop()
    assert watcher.results() == {number: [CommandResult.EXPIRED]}


def test_the_inbox_is_bounded(outlet: Outlet, watcher: Watcher) -> None:
    bus = bus_on(outlet, watcher)  # never started: nobody empties it
    for _ in range(MAX_INBOX):
        bus.submit("gate", Pulse(0, 500), soon())
    with pytest.raises(RuntimeError, match="takes no more"):
        bus.submit("gate", Pulse(0, 500), soon())
    bus.stop()
    assert len(watcher.results()) == MAX_INBOX


def test_unknown_readers_weak_keys_and_odd_speeds_are_refused(outlet: Outlet, watcher: Watcher) -> None:
    bus = bus_on(outlet, watcher)
    with pytest.raises(KeyError):
        bus.submit("attic", Pulse(0, 500), soon())
    with pytest.raises(WeakKeyError):
        bus.roll_key("gate", bytes(16))
    with pytest.raises(WeakKeyError):
        bus.open_install_mode("gate", bytes(16), 1_000)
    with pytest.raises(ValueError, match="baud"):
        BusSettings("north", "/dev/null", (ReaderSettings("gate", 5, KEYS[0]),), 12_345)
    bus.stop()


def test_a72_the_box_rolls_the_wheels_key_and_keeps_it_on_its_disk(
    tmp_path: Path, wheel: WheelThread, outlet: Outlet, watcher: Watcher
) -> None:
    assert wheel is not None
    keys, settings = ReaderKeys(ReaderKeyFile(tmp_path), SystemIds(CLOCK)), ReaderSettings("gate", 5, KEYS[0])
    on_the_line = BusSettings("north", str(outlet.path), (settings,), 115_200)
    bus = OsdpBus(on_the_line, watcher.queue.put, CLOCK, SystemIds(CLOCK), keys.sink)
    keys.serve((settings,), {"gate": KEYS[0]}, bus)
    ends: SimpleQueue[str] = SimpleQueue()

    async def story() -> None:
        keys.bind(asyncio.get_running_loop(), run_here, lambda happened: ends.put(happened.event))
        writing = asyncio.create_task(keys.run())
        for _ in range(TRIES):  # on a loaded host the wheel may lose its session before it has answered
            await keys.order(Command("n", CommandKind.ROLL_READER_KEY, "gate", 0, "staff:a", "test"))
            told = ""
            while told not in {"reader_key_proven", "reader_key_kept"}:
                told = await asyncio.to_thread(ends.get, timeout=LIMIT_SECONDS)
            if told == "reader_key_proven":
                break
        writing.cancel()

    bus.start()
    watcher.wait_usable()
    try:
        asyncio.run(story())
    finally:
        bus.stop()
    held = ReaderKeyFile(tmp_path).get("gate")
    assert held is not None
    assert held.current not in {None, KEYS[0]}
    assert held.pending is None


def test_keys_roll_through_the_bus(wheel: WheelThread, bus: OsdpBus, watcher: Watcher) -> None:
    watcher.wait_usable()
    rolled: KeyRolled | None = None
    for _ in range(TRIES):
        bus.roll_key("gate", KEYS[1])
        rolled = watcher.wait_for(KeyRolled)
        watcher.wait_usable()
        if rolled.promoted:
            break
    assert rolled == KeyRolled("gate", promoted=True)
    bus.roll_key("gate", KEYS[1])
    assert watcher.wait_for(KeyRolled) == KeyRolled("gate", promoted=False)
    bus.open_install_mode("gate", KEYS[2], 10_000_000)
    assert watcher.wait_for(InstallModeClosed) == InstallModeClosed("gate", key_sent=False)


def test_a_fault_in_the_thread_is_survived(
    wheel: WheelThread, bus: OsdpBus, watcher: Watcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher.wait_usable()
    healthy = bus._panel.feed

    def broken(received: bytes, now: object) -> None:
        monkeypatch.setattr(bus._panel, "feed", healthy)
        raise ZeroDivisionError

    monkeypatch.setattr(bus._panel, "feed", broken)
    assert "ZeroDivisionError" in watcher.wait_for(PortLost).detail
    watcher.wait_for(PortReopened)
    watcher.wait_usable()
