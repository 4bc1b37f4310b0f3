"""The mock reader's relays, lamp, buzzer, display and inputs follow the standard, in virtual time."""

from __future__ import annotations

import pytest

from firmware_mocks.happenings import Happening
from firmware_mocks.osdp_reader.outputs import Relays
from reader_daemon.protocols.osdp import commands, replies
from reader_daemon.protocols.osdp.codes import NakReason, OutputControl
from reader_daemon.protocols.osdp.lamps import LedPermanent, LedRecord, LedTemporary
from tests.firmware_mocks.osdp_reader.asking import Asker, a_reader, told

Edge = tuple[int, bool, int]


class Bench:
    """Relays with a record of their edges."""

    def __init__(self) -> None:
        self.edges: list[Edge] = []
        self.relays = Relays(2, lambda output, on, at_ms: self.edges.append((output, on, at_ms)))

    def out(self, control: int, timer_100ms: int = 0, *, at_ms: int = 0) -> None:
        self.relays.apply(commands.OutputRecord(0, control, timer_100ms), at_ms)


def test_a_timed_output_ends_by_itself_at_its_time() -> None:
    bench = Bench()
    bench.out(OutputControl.ON_FOR_TIME, 5)
    assert bench.relays.next_due_ms() == 500
    bench.relays.advance(499)
    assert bench.relays.states() == b"\1\0"
    bench.relays.advance(9_000)
    assert bench.edges == [(0, True, 0), (0, False, 500)]


def test_off_for_a_time_comes_back_on() -> None:
    bench = Bench()
    bench.out(OutputControl.ON)
    bench.out(OutputControl.OFF_FOR_TIME, 3, at_ms=100)
    bench.relays.advance(400)
    assert bench.edges == [(0, True, 0), (0, False, 100), (0, True, 400)]


def test_off_aborts_the_timer() -> None:
    bench = Bench()
    bench.out(OutputControl.ON_FOR_TIME, 5)
    bench.out(OutputControl.OFF, at_ms=100)
    assert bench.relays.next_due_ms() is None
    assert bench.edges[-1] == (0, False, 100)


def test_on_after_the_timer_lets_it_finish_and_stays_on() -> None:
    bench = Bench()
    bench.out(OutputControl.ON_FOR_TIME, 5)
    bench.out(OutputControl.ON_AFTER_TIMER, at_ms=100)
    bench.relays.advance(1_000)
    assert bench.relays.states() == b"\1\0"


def test_an_output_that_does_not_exist_is_refused_whole() -> None:
    asker = Asker(a_reader(scbk=None))
    both = (commands.OutputRecord(0, OutputControl.ON), commands.OutputRecord(7, OutputControl.ON))
    assert asker.ask(commands.SetOutputs(both)) == replies.Nak(NakReason.RECORD)
    assert asker.reader.body.relays.states() == b"\0\0"


def test_a_temporary_lamp_falls_back_to_the_resting_one() -> None:
    asker = Asker(a_reader(scbk=None))
    resting = LedPermanent(control=1, on_100ms=1, off_100ms=0, on_colour=1)
    temporary = LedTemporary(control=2, on_100ms=2, off_100ms=2, on_colour=2, off_colour=0, timer_100ms=10)
    assert asker.ask(commands.SetLeds((LedRecord(0, 0, temporary, resting),))) == replies.Ack()
    lamp = asker.reader.body.lamp
    assert lamp.light(999) == ("green", True)
    assert lamp.light(1_000) == ("red", False)


def test_a_temporary_text_gives_way_to_the_permanent_one() -> None:
    asker = Asker(a_reader(scbk=None))
    asker.ask(commands.ShowText(0, 1, 0, 1, 1, "TAP CARD"))
    asker.ask(commands.ShowText(0, 3, 2, 1, 1, "BALANCE 12.00"))
    display = asker.reader.body.display
    assert display.rows(1_999) == ["BALANCE 12.00", ""]
    assert display.rows(2_000) == ["TAP CARD", ""]
    assert [text.text for text in display.record] == ["TAP CARD", "BALANCE 12.00"]


@pytest.mark.parametrize(("row", "column", "mode"), [(0, 1, 1), (3, 1, 1), (1, 0, 1), (1, 17, 1), (1, 1, 0), (1, 1, 5)])
def test_a_text_beside_the_display_is_refused(row: int, column: int, mode: int) -> None:
    asker = Asker(a_reader(scbk=None))
    assert asker.ask(commands.ShowText(0, mode, 1, row, column, "X")) == replies.Nak(NakReason.RECORD)


def test_buzzer_counts_tones_and_remembers_an_endless_one() -> None:
    asker = Asker(a_reader(scbk=None))
    buzzer = asker.reader.body.buzzer
    asker.ask(commands.SetBuzzer(0, 2, 1, 1, 3))
    assert (buzzer.tones, buzzer.sounds_for_ever) == (3, False)
    asker.ask(commands.SetBuzzer(0, 2, 1, 1, 0))
    assert buzzer.sounds_for_ever
    asker.ask(commands.SetBuzzer(0, 1, 0, 0, 0))
    assert not buzzer.sounds_for_ever


def test_input_edges_come_one_a_poll_in_order() -> None:
    asker = Asker(a_reader(scbk=None))
    asker.ask(commands.RequestIdentity())
    for states in (b"\1\0\1\0", b"\0\0\1\0", b"\1\0\1\0"):
        asker.reader.body.set_inputs(states, 0)
    received = [asker.ask(commands.Poll()) for _ in range(4)]
    assert received == [
        replies.Inputs(b"\1\0\1\0"),
        replies.Inputs(b"\0\0\1\0"),
        replies.Inputs(b"\1\0\1\0"),
        replies.Ack(),
    ]


def test_edges_of_a_dead_line_are_forgotten_and_the_state_is_told_at_the_start() -> None:
    asker = Asker(a_reader(scbk=None))
    for states in (b"\1\0\1\0", b"\0\0\1\0", b"\1\0\0\0"):
        asker.reader.body.set_inputs(states, 0)
    asker.ask(commands.RequestIdentity())
    assert [asker.ask(commands.Poll()) for _ in range(2)] == [replies.Inputs(b"\1\0\0\0"), replies.Ack()]


def test_keys_are_coded_as_on_the_wire() -> None:
    asker = Asker(a_reader(scbk=None))
    asker.reader.body.press_keys("12*#", 0)
    asker.ask(commands.RequestIdentity())
    assert asker.ask(commands.Poll()) == replies.Keypad(0, b"12\x7f\x0d")


@pytest.mark.parametrize("keys", ["", "A", "1" * 33])
def test_keys_that_no_keypad_has_are_refused(keys: str) -> None:
    with pytest.raises(ValueError, match="keys are"):
        a_reader().body.press_keys(keys, 0)


def test_what_happens_is_told() -> None:
    happenings: list[Happening] = []
    asker = Asker(a_reader(scbk=None, observe=happenings.append))
    asker.reader.body.present_card(26, bytes.fromhex("00012345"), 0)
    asker.now_ms = 40
    asker.ask(commands.RequestIdentity())
    asker.ask(commands.Poll())
    (delivered,) = told(happenings, "delivered")
    assert delivered.detail == {"what": "card", "waited_ms": 40}
    assert [each.detail["online"] for each in told(happenings, "online")] == [True]


def test_status_requests_are_answered() -> None:
    asker = Asker(a_reader(scbk=None))
    assert asker.ask(commands.RequestInputs()) == replies.Inputs(bytes(4))
    assert asker.ask(commands.RequestOutputs()) == replies.Outputs(bytes(2))
    assert asker.ask(commands.RequestReaders()) == replies.Readers(b"\0")
    assert asker.ask(commands.OtherCommand(0xA1, b"\1")) == replies.Nak(NakReason.UNKNOWN_COMMAND)
    assert asker.ask(commands.OtherCommand(commands.SetOutputs.code, b"\1")) == replies.Nak(NakReason.COMMAND_LENGTH)
