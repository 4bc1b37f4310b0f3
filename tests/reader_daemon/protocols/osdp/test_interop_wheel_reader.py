"""Our panel against the reader of the independent `libosdp` wheel, over an in-memory line and the host's clock."""

from __future__ import annotations

import os
from collections.abc import Callable

import osdp
import pytest

from reader_daemon.messages import (
    Beep,
    CardRead,
    CommandFinished,
    CommandResult,
    KeysPressed,
    Lamp,
    LedColour,
    Pulse,
    ReaderAction,
    ReaderStatus,
    SecurityAlarm,
    Show,
)
from reader_daemon.protocols.osdp.codes import CommandCode
from reader_daemon.protocols.osdp.frames import Frame, FrameSplitter
from reader_daemon.protocols.osdp.health import KeyRolled, PanelEvent
from reader_daemon.protocols.osdp.panel import Panel
from reader_daemon.protocols.osdp.settings import ReaderSettings
from reader_daemon.protocols.osdp.timing import Moment
from reader_daemon.system import SystemClock
from tests.reader_daemon.protocols.osdp.virtual_bus import KEYS
from tests.reader_daemon.protocols.osdp.wheel_reader import MemoryLine, WheelReader, card

LIMIT_MS = 20_000
CLOCK = SystemClock()


def moment() -> Moment:
    return Moment(CLOCK.monotonic_ms(), CLOCK.now())


class WheelBus:
    """The panel and one wheel reader, driven in turn by this thread."""

    def __init__(self, key_of_panel: bytes | None, key_of_reader: bytes | None, flags: list[int] | None = None) -> None:
        self.line = MemoryLine()
        self.reader = WheelReader(5, self.line, key_of_reader, flags)
        self.panel = Panel([ReaderSettings("gate", 5, key_of_panel)], 115_200, os.urandom, moment())
        self.events: list[PanelEvent] = []
        self.sent: list[Frame] = []
        self.replies_to_lose = 0

    def run_until(self, true: Callable[[], bool]) -> None:
        began = moment().ms
        while not true():
            now = moment()
            assert now.ms - began < LIMIT_MS, "not so in time"
            received = bytes(self.line.from_reader)
            self.line.from_reader.clear()
            if received and self.replies_to_lose:
                self.replies_to_lose -= 1
            else:
                self.panel.feed(received, now)
            message = self.panel.tick(now)
            self.sent += [frame for frame in FrameSplitter().feed(message) if isinstance(frame, Frame)]
            self.line.to_reader += message
            self.reader.refresh()
            self.events += self.panel.take_events()

    def run_for(self, duration_ms: int) -> None:
        until = moment().ms + duration_ms
        self.run_until(lambda: moment().ms >= until)

    def is_usable(self) -> bool:
        [health] = self.panel.health(moment().ms)
        return health.online and health.secure


@pytest.fixture
def bus() -> WheelBus:
    bus = WheelBus(KEYS[0], KEYS[0])
    bus.run_until(bus.is_usable)
    return bus


def test_session_taps_keys_and_every_action(bus: WheelBus) -> None:
    bus.run_for(600)
    for number in range(5):
        bus.reader.emit(card(bytes((1, 2, 3, number))))
    bus.reader.emit({"event": osdp.Event.KeyPress, "reader_no": 0, "data": b"12"})
    bus.run_until(lambda: any(isinstance(event, KeysPressed) for event in bus.events))
    cards = [event for event in bus.events if isinstance(event, CardRead)]
    assert [event.credential for event in cards] == [f"wiegand:32-0102030{number}" for number in range(5)]
    assert not any(event.possibly_stale for event in cards)
    now = moment()
    actions: list[ReaderAction] = [Pulse(1, 700), Lamp(LedColour.GREEN, 1_500), Beep(200, 100, 2), Show("Hello")]
    for number, action in enumerate(actions):
        bus.panel.submit("gate", number, action, now.ms + 3_000, now)
    bus.run_until(lambda: sum(isinstance(event, CommandFinished) for event in bus.events) == 4)
    results = [event.result for event in bus.events if isinstance(event, CommandFinished)]
    assert results == [CommandResult.DONE] * 4
    [relay] = bus.reader.executed(osdp.Command.Output)
    assert (relay["control_code"], relay["output_no"], relay["timer_count"]) == (5, 1, 7)
    lamp = bus.reader.executed(osdp.Command.LED)[-1]
    assert (lamp["temporary"], lamp["on_color"], lamp["timer_count"]) == (True, osdp.CommandLEDColor.Green, 15)
    assert bus.reader.executed(osdp.Command.Buzzer)[0]["rep_count"] == 2
    assert bus.reader.executed(osdp.Command.Text)[0]["data"] == "Hello"


def test_a_lost_reply_costs_a_handshake_and_not_the_reader(bus: WheelBus) -> None:
    """This reader does not cache its reply: the repeat breaks its session (L9)."""
    bus.run_for(100)
    bus.replies_to_lose = 1
    bus.run_until(lambda: not bus.panel.health(moment().ms)[0].secure)
    bus.run_until(bus.is_usable)
    statuses = [event for event in bus.events if isinstance(event, ReaderStatus)]
    assert [status.online for status in statuses] == [False, True, True, True]


def test_another_key_stays_offline_and_in_the_dark() -> None:
    bus = WheelBus(KEYS[0], KEYS[1])
    bus.run_for(2_500)
    assert [event.online for event in bus.events if isinstance(event, ReaderStatus)] == [False]
    assert [event.kind for event in bus.events if isinstance(event, SecurityAlarm)]
    assert {frame.code for frame in bus.sent} <= {CommandCode.ID, CommandCode.CAP, CommandCode.CHLNG}


def test_a_reader_without_key_in_install_mode_gets_no_key_by_itself() -> None:
    bus = WheelBus(KEYS[0], None, [osdp.LibFlag.InstallMode])
    bus.run_for(2_500)
    assert not bus.is_usable()
    assert not bus.reader.executed(osdp.Command.Keyset)
    assert all(frame.block_data != b"\0" for frame in bus.sent if frame.code == CommandCode.CHLNG)
    assert all(frame.code != CommandCode.KEYSET for frame in bus.sent)


def test_install_mode_gives_the_reader_its_first_key() -> None:
    bus = WheelBus(None, None, [osdp.LibFlag.InstallMode])
    bus.panel.open_install_mode("gate", KEYS[2], 60_000, moment())
    bus.run_until(bus.is_usable)
    assert bus.reader.executed(osdp.Command.Keyset)
    assert KeyRolled("gate", promoted=True) in bus.events


def test_a_key_roll_inside_the_session(bus: WheelBus) -> None:
    bus.panel.roll_key("gate", KEYS[3])
    bus.run_until(lambda: KeyRolled("gate", promoted=True) in bus.events)
    bus.run_until(bus.is_usable)
    assert bus.reader.executed(osdp.Command.Keyset)[0]["data"] == KEYS[3]
