"""Reader and turnstile wired together: a relay pulse frees the arm, a passage shows on the inputs, edge by edge."""

from __future__ import annotations

from firmware_mocks.turnstile.lane import TurnstileLane
from firmware_mocks.turnstile.mechanism import Direction, Turnstile
from reader_daemon.protocols.osdp import commands, replies
from reader_daemon.protocols.osdp.codes import OutputControl
from tests.firmware_mocks.osdp_reader.asking import Asker, a_reader

IDLE = replies.Inputs(b"\1\1\1\0")
PASSING = replies.Inputs(b"\0\1\1\0")


class Lane(Asker):
    """A conversation with the reader of a lane."""

    def __init__(self) -> None:
        reader = a_reader(scbk=None)
        self.lane = TurnstileLane(reader, Turnstile("g01"))
        super().__init__(reader)
        self.lane.advance(0)
        self.ask(commands.RequestIdentity())

    def poll(self, now_ms: int) -> replies.Reply:
        """Let time pass and POLL."""
        self.now_ms = now_ms
        self.lane.advance(now_ms)
        return self.ask(commands.Poll())


def pulse(output: int) -> commands.SetOutputs:
    return commands.SetOutputs((commands.OutputRecord(output, OutputControl.ON_FOR_TIME, 3),))


def test_one_pulse_one_passage_two_edges() -> None:
    lane = Lane()
    assert lane.poll(0) == IDLE
    assert lane.ask(pulse(0)) == replies.Ack()
    assert lane.poll(799) == replies.Ack()
    assert lane.poll(800) == PASSING
    assert lane.poll(1_200) == IDLE
    assert lane.poll(1_250) == replies.Ack()


def test_edges_between_two_polls_are_not_lost() -> None:
    lane = Lane()
    lane.poll(0)
    lane.ask(pulse(0))
    assert [lane.poll(7_000) for _ in range(3)] == [PASSING, IDLE, replies.Ack()]


def test_a_resent_pulse_frees_the_arm_once() -> None:
    lane = Lane()
    lane.send(lane.frame(pulse(0)))
    lane.resend()
    assert lane.lane.turnstile.counters.pulses == 1


def test_the_second_relay_frees_the_other_direction() -> None:
    lane = Lane()
    lane.ask(pulse(1))
    assert lane.lane.turnstile.is_open(Direction.B)
    assert not lane.lane.turnstile.is_open(Direction.A)


def test_a_power_loss_of_the_lane_looks_like_a_passage_but_for_ready() -> None:
    lane = Lane()
    lane.poll(0)
    lane.lane.turnstile.set_power(100, on=False)
    assert lane.poll(100) == replies.Inputs(bytes(4))


def test_the_pulse_ends_though_the_panel_is_dead() -> None:
    lane = Lane()
    lane.ask(pulse(0))
    assert lane.reader.body.relays.states() == b"\1\0"
    lane.lane.advance(300)
    assert lane.reader.body.relays.states() == b"\0\0"
