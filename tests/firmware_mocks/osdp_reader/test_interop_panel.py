"""Our control panel and our mock readers on one line, in virtual time: they share a codec, not a state machine.

What the panel must survive is switched on at the readers; no test here waits.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from firmware_mocks.osdp_reader import Fault, MultiDropBus, OsdpReader, ReaderSettings
from firmware_mocks.turnstile.lane import TurnstileLane
from firmware_mocks.turnstile.mechanism import Turnstile
from reader_daemon.messages import CardRead, CommandFinished, CommandResult, InputChanged, Pulse
from reader_daemon.protocols.osdp.health import PanelEvent
from reader_daemon.protocols.osdp.panel import Panel
from reader_daemon.protocols.osdp.settings import ReaderSettings as PanelReader
from reader_daemon.protocols.osdp.timing import Moment

KEYS = {name: random.Random(name).randbytes(16) for name in ("g01", "g02")}
STARTED = datetime(2026, 11, 2, 8, tzinfo=UTC)
STEP_MS = 5


class Line:
    """A panel and two lanes, stepped 5 ms at a time."""

    def __init__(self) -> None:
        self.now_ms = 1_000
        self.events: list[PanelEvent] = []
        self.readers = {
            name: OsdpReader(name, ReaderSettings(address, scbk=key), random.Random(address).randbytes)
            for address, (name, key) in enumerate(KEYS.items())
        }
        self.lanes = {name: TurnstileLane(reader, Turnstile(name)) for name, reader in self.readers.items()}
        self.bus = MultiDropBus(list(self.lanes.values()), random.Random(99).randbytes)
        settings = [PanelReader(name, address, key) for address, (name, key) in enumerate(KEYS.items())]
        self.panel = Panel(settings, 38_400, random.Random(7).randbytes, self.moment())

    def moment(self) -> Moment:
        return Moment(self.now_ms, STARTED + timedelta(milliseconds=self.now_ms))

    def run(self, duration_ms: int) -> None:
        """Let time pass."""
        for _ in range(duration_ms // STEP_MS):
            self.now_ms += STEP_MS
            heard = self.bus.advance(self.now_ms)
            self.panel.feed(heard, self.moment())
            for _ in range(4):
                sent = self.panel.tick(self.moment())
                if not sent:
                    break
                self.panel.feed(self.bus.feed(sent, self.now_ms), self.moment())
            self.events += self.panel.take_events()

    def secure(self) -> list[bool]:
        return [health.secure for health in self.panel.health(self.now_ms)]

    def cards(self) -> list[tuple[str, str]]:
        return [(event.reader, event.credential) for event in self.events if isinstance(event, CardRead)]

    def results(self) -> list[CommandResult]:
        return [event.result for event in self.events if isinstance(event, CommandFinished)]

    def tap(self, name: str, number: int) -> tuple[str, str]:
        """Present a card; returns what the panel must report."""
        bits = (number << 6).to_bytes(5, "big")
        assert self.readers[name].body.present_card(34, bits, self.now_ms)
        return name, f"wiegand:34-{bits.hex()[:9]}"


@pytest.fixture
def line() -> Line:
    """Return a line on which both readers are secure."""
    line = Line()
    line.run(2_000)
    assert line.secure() == [True, True]
    line.events.clear()
    return line


def test_tap_pulse_passage(line: Line) -> None:
    card = line.tap("g02", 4_711)
    line.run(100)
    assert line.cards() == [card]
    line.panel.submit("g02", 1, Pulse(0, 300), line.now_ms + 1_000, line.moment())
    line.run(2_000)
    assert line.results() == [CommandResult.DONE]
    edges = [(event.input_number, event.active) for event in line.events if isinstance(event, InputChanged)]
    assert edges == [(0, False), (0, True)]
    assert line.lanes["g02"].turnstile.counters.passages == 1
    assert line.lanes["g01"].turnstile.counters.pulses == 0


HEALED = [
    Fault.DROP,
    Fault.CORRUPT,
    Fault.DUPLICATE,
    Fault.TRUNCATE,
    Fault.ECHO,
    Fault.BABBLE,
    Fault.OVERSIZE,
    Fault.WRONG_SQN,
    Fault.WRONG_ADDRESS,
    Fault.DEAF,
    Fault.BUSY,
    Fault.CLEAR_REPLY,
    Fault.NAK_1,
    Fault.NAK_POLL,
    Fault.FMT,
    Fault.UNKNOWN_REPLY,
    Fault.CLEAR_CARD,
    Fault.MAC_ONLY_CARD,
    Fault.BAD_MAC,
    Fault.NAK_4,
    Fault.NAK_5,
    Fault.NAK_6,
]


@pytest.mark.parametrize("fault", HEALED)
def test_one_fault_costs_no_reader_and_no_tap_after_it(line: Line, fault: Fault) -> None:
    line.readers["g01"].faults.arm(fault)
    line.run(3_000)
    assert line.readers["g01"].faults.armed() == {}
    assert line.secure() == [True, True]
    line.events.clear()
    line.run(1_000)
    cards = [line.tap("g01", 1), line.tap("g02", 2)]
    line.run(500)
    assert sorted(line.cards()) == sorted(cards)


@pytest.mark.parametrize("fault", [Fault.CLEAR_CARD, Fault.MAC_ONLY_CARD, Fault.FMT])
def test_no_card_without_encryption_is_believed(line: Line, fault: Fault) -> None:
    line.readers["g01"].faults.arm(fault)
    line.run(3_000)
    assert [card for card in line.cards() if "1badcafe" in card[1]] == []


@pytest.mark.parametrize("outage_ms", [1_000, 10_000, 60_000])
def test_a_mended_line_is_usable_within_3_s_and_brings_the_kept_taps(line: Line, outage_ms: int) -> None:
    line.bus.cut(line.now_ms + outage_ms)
    line.run(outage_ms // 2)
    card = line.tap("g01", 77)
    line.run(outage_ms // 2)
    line.run(3_000)
    assert line.secure() == [True, True]
    assert line.cards() == [card]


def test_a_noisy_line_loses_and_doubles_nothing(line: Line) -> None:
    line.bus.set_noise(0.05)
    expected = []
    for number in range(150):
        expected.append(line.tap("g01" if number % 2 else "g02", number))
        line.run(500)
    line.run(3_000)
    for name in KEYS:  # each lane in its own order
        assert [card for card in line.cards() if card[0] == name] == [card for card in expected if card[0] == name]


def test_a_pulse_whose_ack_is_lost_runs_once(line: Line) -> None:
    line.readers["g01"].faults.arm(Fault.DROP, 2)
    line.panel.submit("g01", 1, Pulse(0, 300), line.now_ms + 1_000, line.moment())
    line.run(3_000)
    assert line.lanes["g01"].turnstile.counters.pulses <= 1
    assert line.results() in ([CommandResult.DONE], [CommandResult.UNKNOWN])
    assert line.readers["g01"].counters.repeats >= 1


def test_one_readers_power_cycle_leaves_its_neighbour_alone(line: Line) -> None:
    polls = line.readers["g02"].body.counters.polls
    line.readers["g01"].power_cycle(line.now_ms, 5_000)
    line.run(5_000)
    assert line.secure()[1]
    assert line.readers["g02"].body.counters.polls > polls + 40
    line.run(4_000)
    assert line.secure() == [True, True]


@pytest.mark.parametrize("fault", [Fault.DEFAULT_KEY, Fault.LYING_CAP, Fault.CHANGED_ID])
def test_a_lying_reader_is_never_talked_to_under_a_weaker_rule(line: Line, fault: Fault) -> None:
    reader = line.readers["g01"]
    reader.faults.arm(fault, 3)
    reader.power_cycle(line.now_ms, 100)
    line.run(2_000)
    assert reader.counters.keysets == 0
    assert reader.counters.refused_in_clear == 0  # the panel tried nothing in clear text but ID, CAP, handshake


def test_an_exchanged_key_keeps_the_reader_out_until_it_is_back(line: Line) -> None:
    reader = line.readers["g01"]
    key = reader.channel.scbk
    reader.swap_key(bytes(range(100, 116)), line.now_ms)
    line.tap("g01", 5)
    line.run(10_000)
    assert line.secure() == [False, True]
    assert line.cards() == []
    reader.swap_key(key, line.now_ms)
    line.run(3_000)
    assert line.secure() == [True, True]
