"""Our panel against our mock reader with each of its faults: nothing false comes of any. Virtual time."""

from __future__ import annotations

from random import Random

import pytest

from firmware_mocks.happenings import Happening
from firmware_mocks.osdp_reader import FOREVER, Fault, OsdpReader
from firmware_mocks.osdp_reader import ReaderSettings as MockSettings
from reader_daemon.messages import CardRead, CommandResult, Pulse, ReaderStatus
from tests.reader_daemon.protocols.osdp.scripted_reader import ScriptedReader
from tests.reader_daemon.protocols.osdp.virtual_bus import KEYS, VirtualBus, assert_said_nothing_in_clear

TURN_MS = 5

KEEPS_ONLINE = [fault for fault in Fault if fault is not Fault.CHANGED_ID]
"""A changed device is to stay unused; everything else is to be survived."""
LOSES_NO_TAP = {
    Fault.DROP,
    Fault.CORRUPT,
    Fault.DELAY,
    Fault.DUPLICATE,
    Fault.TRUNCATE,
    Fault.ECHO,
    Fault.BABBLE,
    Fault.OVERSIZE,
    Fault.WRONG_SQN,
    Fault.WRONG_ADDRESS,
    Fault.DEAF,
    Fault.BUSY,
    Fault.NAK_1,
    Fault.LYING_CAP,
}
"""The reply is spoilt on the wire or not given yet: the repeat brings it."""


class MockOnTheLine(ScriptedReader):
    """Stands the mock where the virtual bus expects a scripted reader."""

    def __init__(self) -> None:
        super().__init__(5, KEYS[0])
        self.happenings: list[Happening] = []
        self.mock = OsdpReader("gate", MockSettings(5, KEYS[0]), Random(3).randbytes, self.happenings.append)

    def receive(self, received: bytes, ms: int) -> bytes:
        return self.mock.feed(received, ms)


class MockBus(VirtualBus):
    """Lets the mock's own timers run, too."""

    def __init__(self) -> None:
        self.gate = MockOnTheLine()
        super().__init__([self.gate])

    def run(self, duration_ms: int) -> None:
        until = self.ms + duration_ms
        while self.ms < until:
            super().run(min(TURN_MS, until - self.ms))
            late = self.gate.mock.advance(self.ms)
            if late:
                self._arriving.append((self.ms, late))

    def tap(self, number: int) -> None:
        assert self.gate.mock.body.present_card(32, number.to_bytes(4, "big"), self.ms)


@pytest.fixture
def bus() -> MockBus:
    bus = MockBus()
    bus.run_until(bus.is_usable, 1_000)
    bus.run(1_000)
    return bus


@pytest.mark.parametrize("fault", KEEPS_ONLINE)
def test_a_passing_fault_does_not_take_the_reader_offline(bus: MockBus, fault: Fault) -> None:
    for number in range(20):
        bus.gate.mock.faults.arm(fault, 1, delay_ms=150)
        bus.tap(number)
        bus.run(900)
    bus.gate.mock.faults.clear()
    bus.run_until(bus.is_usable, 3_000)
    assert all(status.online for status in bus.all(ReaderStatus)[1:])
    cards = [card.credential for card in bus.all(CardRead)]
    assert len(set(cards)) == len(cards)
    assert set(cards) <= {f"wiegand:32-{number:08x}" for number in range(20)}
    if fault in LOSES_NO_TAP:
        assert cards == [f"wiegand:32-{number:08x}" for number in range(20)]
    assert_said_nothing_in_clear(bus)


@pytest.mark.parametrize("fault", Fault)
def test_a_lasting_fault_opens_nothing_and_heals_within_3_s(bus: MockBus, fault: Fault) -> None:
    mock = bus.gate.mock
    mock.faults.arm(fault, FOREVER, delay_ms=3_000)
    numbers = []
    for _ in range(15):
        numbers.append(bus.submit("r0", Pulse(0, 500)))
        bus.run(1_500)
    mock.faults.clear()
    bus.run(1_000)
    if fault is Fault.CHANGED_ID:
        bus.panel.confirm_identity("r0", bus.now)
    bus.run_until(bus.is_usable, 3_000)
    assert all(len(bus.results(number)) == 1 for number in numbers)
    done = sum(bus.results(number) == [CommandResult.DONE] for number in numbers)
    unknown = sum(bus.results(number) == [CommandResult.UNKNOWN] for number in numbers)
    assert done <= mock.body.counters.outputs_executed <= done + unknown
    assert bus.all(CardRead) == []
    assert_said_nothing_in_clear(bus)


def test_a_changed_device_stays_unused(bus: MockBus) -> None:
    bus.gate.mock.faults.arm(Fault.CHANGED_ID, FOREVER)
    bus.gate.mock.power_cycle(bus.ms, 1_000)
    bus.run(15_000)
    assert "identity_changed" in bus.alarms()
    assert not bus.is_usable()


def test_a_power_cycle_is_over_within_3_s(bus: MockBus) -> None:
    for off_ms in (500, 3_000, 20_000):
        bus.gate.mock.power_cycle(bus.ms, off_ms)
        bus.run(off_ms)
        bus.run_until(bus.is_usable, 3_000)


def test_another_key_in_the_mock_is_offline_and_back_with_its_own(bus: MockBus) -> None:
    bus.gate.mock.swap_key(KEYS[1], bus.ms)
    bus.run(10_000)
    assert not bus.status().online
    bus.gate.mock.swap_key(KEYS[0], bus.ms)
    bus.run_until(bus.is_usable, 3_000)
