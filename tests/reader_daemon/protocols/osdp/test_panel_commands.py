"""What use cases ask of a reader: units, limits, deadlines, one completion each. Virtual time throughout."""

from __future__ import annotations

import pytest

from reader_daemon.messages import (
    Beep,
    CommandResult,
    Lamp,
    LedColour,
    Pulse,
    ReaderStatus,
    Show,
)
from reader_daemon.protocols.osdp import commands, replies
from reader_daemon.protocols.osdp.codes import CommandCode, NakReason, TextMode
from tests.reader_daemon.protocols.osdp.virtual_bus import one_reader

CARD = replies.RawCard(0, 1, 26, bytes.fromhex("01234580"))


def test_every_action_reaches_the_reader_in_its_units() -> None:
    bus, reader = one_reader()
    ids = [
        bus.submit("r0", action)
        for action in (Pulse(1, 450), Lamp(LedColour.GREEN, 1_500), Beep(200, 100, 2), Show("Balance ¥12.50", 2, 3))
    ]
    bus.run(200)
    assert [bus.results(number) for number in ids] == [[CommandResult.DONE]] * 4
    assert reader.executed(commands.SetOutputs)[0].command == commands.SetOutputs((commands.OutputRecord(1, 5, 5),))
    lamp = reader.executed(commands.SetLeds)[-1].command
    assert isinstance(lamp, commands.SetLeds)
    assert (lamp.records[0].temporary.on_colour, lamp.records[0].temporary.timer_100ms) == (2, 15)
    assert (lamp.records[0].permanent.control, lamp.records[0].permanent.on_colour) == (1, 1)
    assert reader.executed(commands.SetBuzzer)[0].command == commands.SetBuzzer(0, 2, 2, 1, 2)
    shown = commands.ShowText(0, TextMode.TEMPORARY, 3, 2, 1, "Balance ?12.50")
    assert reader.executed(commands.ShowText)[0].command == shown


def test_a_command_does_not_wait_for_the_next_poll() -> None:
    bus, reader = one_reader()
    bus.run_until(lambda: reader.heard[-1].ms > bus.ms - 5, 100)
    bus.run(5)
    submitted = bus.ms
    bus.submit("r0", Pulse(0, 500))
    bus.run(30)
    assert reader.executed(commands.SetOutputs)[0].ms - submitted <= 10


@pytest.mark.parametrize(
    "action", [Beep(100, 100, 0), Beep(100, 100, 11), Pulse(0, 0), Pulse(-1, 500), Lamp(LedColour.RED, 0), Show("x", 0)]
)
def test_actions_beyond_a_limit_are_refused_and_never_sent(action: Beep | Pulse | Lamp | Show) -> None:
    bus, reader = one_reader()
    heard = len(reader.heard)
    number = bus.submit("r0", action)
    bus.run(200)
    assert bus.results(number) == [CommandResult.REFUSED]
    assert {type(entry.command) for entry in reader.heard[heard:]} == {commands.Poll}


@pytest.mark.parametrize("reason", [NakReason.COMMAND_LENGTH, NakReason.UNKNOWN_COMMAND, NakReason.RECORD])
def test_an_authenticated_nak_refuses_the_command_and_the_reader_stays(reason: NakReason) -> None:
    bus, reader = one_reader()
    reader.answer = lambda command, _: replies.Nak(reason) if isinstance(command, commands.SetBuzzer) else None
    number = bus.submit("r0", Beep(100))
    bus.run(200)
    assert bus.results(number) == [CommandResult.REFUSED]
    assert bus.health().counters[f"nak_{reason}"] == 1
    assert len(bus.all(ReaderStatus)) == 2


@pytest.mark.parametrize(
    ("reply", "result"),
    [
        (replies.Busy(), CommandResult.REFUSED),
        (replies.Outputs(b"\1"), CommandResult.DONE),
        (replies.OtherReply(0x50, b"\0"), CommandResult.UNKNOWN),
    ],
)
def test_other_authenticated_answers_to_a_pulse(reply: replies.Reply, result: CommandResult) -> None:
    bus, reader = one_reader()
    reader.answer = lambda command, _: reply if isinstance(command, commands.SetOutputs) else None
    number = bus.submit("r0", Pulse(0, 500))
    bus.run(300)
    assert bus.results(number) == [result]
    assert bus.is_usable()


def test_a_command_with_a_distant_deadline_is_given_up_after_3_s() -> None:
    bus, _ = one_reader()
    bus.line_up = False
    number = bus.submit("r0", Show("hello"), within_ms=60_000)
    bus.run(3_300)
    assert bus.results(number) == [CommandResult.UNKNOWN]


def test_a_full_queue_refuses() -> None:
    bus, _ = one_reader()
    bus.line_up = False
    ids = [bus.submit("r0", Beep(100)) for _ in range(17)]
    bus.run(1)
    assert [bus.results(number) for number in ids] == [[]] * 16 + [[CommandResult.REFUSED]]


def test_a_lost_ack_of_out_executes_once() -> None:
    bus, reader = one_reader()
    bus.to_panel = lambda message: b"" if reader.executed(commands.SetOutputs) and len(bus.sent) < limit else message
    limit = len(bus.sent) + 4
    number = bus.submit("r0", Pulse(0, 500))
    bus.run(1_000)
    assert sum(frame.code == CommandCode.OUT for _, frame in bus.sent) > 1
    assert len(reader.executed(commands.SetOutputs)) == 1
    assert bus.results(number) == [CommandResult.DONE]


def test_a_pulse_is_not_resent_past_its_deadline_and_ends_unknown() -> None:
    bus, reader = one_reader()
    bus.line_up = False
    submitted = bus.ms
    number = bus.submit("r0", Pulse(0, 500), within_ms=60_000)
    bus.run(5_000)
    outs = [ms for ms, frame in bus.sent if frame.code == CommandCode.OUT]
    assert len(outs) == 5
    assert max(outs) - submitted < 1_000
    assert bus.results(number) == [CommandResult.UNKNOWN]
    bus.line_up = True
    bus.run(5_000)
    assert bus.is_usable()
    assert reader.executed(commands.SetOutputs) == []


def test_a_queued_pulse_expires_and_is_never_sent() -> None:
    bus, reader = one_reader()
    bus.line_up = False
    bus.run(100)  # a poll is unanswered: the pulse has to wait for it
    number = bus.submit("r0", Pulse(0, 500))
    bus.run(1_100)
    assert bus.results(number) == [CommandResult.EXPIRED]
    bus.line_up = True
    bus.run(3_000)
    assert reader.executed(commands.SetOutputs) == []
    assert not any(frame.code == CommandCode.OUT for _, frame in bus.sent)
