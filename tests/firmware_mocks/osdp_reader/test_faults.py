"""Every fault of the mock reader does what its name says, for as many replies as it was armed for, and then heals."""

from __future__ import annotations

import pytest

from firmware_mocks.osdp_reader import FOREVER, Fault
from reader_daemon.protocols.osdp import commands, replies
from reader_daemon.protocols.osdp.codes import Capability, OutputControl, ReplyCode, SecurityBlock
from reader_daemon.protocols.osdp.crypto import DEFAULT_KEY, SecurityFaultError, client_cryptogram, derive_session_keys
from reader_daemon.protocols.osdp.frames import BrokenFrame, Defect, FrameSplitter, encode
from tests.firmware_mocks.osdp_reader.asking import ADDRESS, RND_A, Asker, a_reader, a_session, frames_in

PULSE = commands.SetOutputs((commands.OutputRecord(0, OutputControl.ON_FOR_TIME, 5),))
POLL = commands.Poll()


def armed(fault: Fault, count: int = 1, delay_ms: int = 0) -> Asker:
    asker = a_session()
    asker.reader.faults.arm(fault, count, delay_ms)
    return asker


def assert_healed(asker: Asker) -> None:
    """Check that the same bytes sent again get a sound reply, and that the session goes on."""
    assert asker.read(asker.resend()) == replies.Ack()
    assert asker.ask(POLL) == replies.Ack()
    assert asker.reader.body.counters.outputs_executed == 1


def test_drop_loses_the_reply_after_executing() -> None:
    asker = armed(Fault.DROP)
    assert asker.send(asker.frame(PULSE)) == b""
    assert_healed(asker)


def test_deaf_executes_nothing() -> None:
    asker = armed(Fault.DEAF)
    assert asker.send(asker.frame(PULSE)) == b""
    assert asker.reader.body.counters.outputs_executed == 0
    assert_healed(asker)


@pytest.mark.parametrize("seed", range(20))
def test_corrupt_never_passes_the_crc(seed: int) -> None:
    asker = a_session(a_reader(seed=seed))
    asker.reader.faults.arm(Fault.CORRUPT)
    assert frames_in(asker.send(asker.frame(PULSE))) == []
    assert_healed(asker)


def test_truncate_leaves_half_a_frame() -> None:
    asker = armed(Fault.TRUNCATE)
    received = asker.send(asker.frame(PULSE))
    assert received
    assert frames_in(received) == []
    assert_healed(asker)


def test_duplicate_sends_the_same_bytes_twice() -> None:
    asker = armed(Fault.DUPLICATE)
    received = asker.send(asker.frame(PULSE))
    assert received[: len(received) // 2] == received[len(received) // 2 :]
    assert_healed(asker)


def test_echo_sends_the_command_back_first() -> None:
    asker = armed(Fault.ECHO)
    received = asker.send(asker.frame(PULSE))
    assert received.startswith(asker.last_sent)
    assert [frame.is_reply for frame in frames_in(received)] == [False, True]
    assert_healed(asker)


def test_babble_precedes_the_reply() -> None:
    asker = armed(Fault.BABBLE)
    received = asker.send(asker.frame(PULSE))
    assert received.endswith(asker.resend())
    assert len(received) > len(asker.resend())
    assert_healed(asker)


def test_delay_sends_the_reply_late() -> None:
    asker = armed(Fault.DELAY, delay_ms=300)
    assert asker.send(asker.frame(PULSE)) == b""
    assert asker.reader.next_due_ms() == 300
    assert asker.reader.advance(299) == b""
    assert asker.read(asker.reader.advance(300)) == replies.Ack()
    assert asker.ask(POLL) == replies.Ack()


def test_oversize_lies_about_the_length() -> None:
    asker = armed(Fault.OVERSIZE)
    found = FrameSplitter().feed(asker.send(asker.frame(PULSE)))
    assert BrokenFrame(Defect.LENGTH) in found
    assert_healed(asker)


def test_wrong_sequence_number_has_a_right_mac() -> None:
    asker = armed(Fault.WRONG_SQN)
    frame = asker.frame(PULSE)
    (reply,) = frames_in(asker.send(frame))
    assert reply.sequence != frame.sequence
    assert reply.is_secured
    assert_healed(asker)


def test_wrong_address_is_another_readers() -> None:
    asker = armed(Fault.WRONG_ADDRESS)
    (reply,) = frames_in(asker.send(asker.frame(PULSE)))
    assert reply.address == ADDRESS + 1
    assert_healed(asker)


def test_bad_mac_passes_the_crc_and_fails_the_session() -> None:
    asker = armed(Fault.BAD_MAC)
    received = asker.send(asker.frame(PULSE))
    assert len(frames_in(received)) == 1
    with pytest.raises(SecurityFaultError):
        asker.read(received)
    assert_healed(asker)


def test_clear_reply_answers_without_mac() -> None:
    asker = armed(Fault.CLEAR_REPLY)
    (reply,) = frames_in(asker.send(asker.frame(PULSE)))
    assert (reply.block_type, reply.code) == (None, ReplyCode.ACK)
    assert_healed(asker)


@pytest.mark.parametrize(("fault", "block"), [(Fault.CLEAR_CARD, None), (Fault.MAC_ONLY_CARD, SecurityBlock.SCS_16)])
def test_a_card_comes_unencrypted(fault: Fault, block: int | None) -> None:
    asker = armed(fault)
    (reply,) = frames_in(asker.send(asker.frame(POLL)))
    assert (reply.block_type, reply.code) == (block, ReplyCode.RAW)
    assert isinstance(replies.decode_reply(reply.code, reply.data), replies.RawCard)
    assert asker.read(asker.resend()) == replies.Ack()


@pytest.mark.parametrize("reason", range(1, 10))
def test_each_nak_refuses_without_executing(reason: int) -> None:
    asker = armed(Fault(f"nak_{reason}"))
    assert asker.ask(PULSE) == replies.Nak(reason)
    assert asker.reader.body.counters.outputs_executed == 0
    assert asker.ask(PULSE) == replies.Ack()


@pytest.mark.parametrize(
    ("fault", "code"),
    [(Fault.NAK_POLL, ReplyCode.NAK), (Fault.FMT, ReplyCode.FMT), (Fault.UNKNOWN_REPLY, 0xE7)],
)
def test_only_a_poll_meets_this_fault(fault: Fault, code: int) -> None:
    asker = armed(fault)
    assert asker.ask(PULSE) == replies.Ack()
    assert asker.ask(POLL).code == code
    assert asker.ask(POLL) == replies.Ack()


def test_default_key_answers_under_scbk_d() -> None:
    asker = Asker(a_reader())
    asker.ask(commands.RequestIdentity())
    asker.reader.faults.arm(Fault.DEFAULT_KEY)
    answer = asker.challenge()
    proof = replies.decode_reply(answer.code, answer.data)
    assert isinstance(proof, replies.ClientCryptogram)
    assert answer.block_data == b"\0"
    assert proof.cryptogram == client_cryptogram(derive_session_keys(DEFAULT_KEY, RND_A), RND_A, proof.rnd_b)


def test_lying_cap_hides_aes_and_crc() -> None:
    asker = armed(Fault.LYING_CAP)
    told = asker.ask(commands.RequestCapabilities())
    assert isinstance(told, replies.Capabilities)
    assert told.find(Capability.SECURITY) is None
    assert told.find(Capability.CHECK) is None
    assert told.find(Capability.OUTPUTS) is not None


def test_changed_id_shows_another_serial_number() -> None:
    asker = armed(Fault.CHANGED_ID)
    changed, true = asker.ask(commands.RequestIdentity()), asker.ask(commands.RequestIdentity())
    assert isinstance(changed, replies.Identity)
    assert isinstance(true, replies.Identity)
    assert changed.serial != true.serial


def test_a_swapped_key_fails_the_handshake_until_it_is_swapped_back() -> None:
    asker = a_session()
    key = asker.reader.channel.scbk
    asker.reader.swap_key(bytes(16), 0)
    with pytest.raises(AssertionError):
        asker.open_session()
    asker.reader.swap_key(key, 0)
    asker.open_session()


def test_tamper_and_power_are_reported_on_the_next_poll() -> None:
    asker = a_session()
    asker.reader.body.set_local_status(0, tampered=True)
    asker.reader.body.set_local_status(0, tampered=True, power_fault=True)
    assert asker.ask(POLL) == replies.LocalStatus(tampered=True, power_fault=False)
    assert asker.ask(POLL) == replies.LocalStatus(tampered=True, power_fault=True)
    assert asker.ask(commands.RequestLocalStatus()) == replies.LocalStatus(tampered=True, power_fault=True)


def test_a_fault_lasts_for_its_count() -> None:
    asker = armed(Fault.NAK_POLL, count=3)
    answers = [asker.ask(POLL).code for _ in range(5)]
    assert answers == [ReplyCode.NAK] * 3 + [ReplyCode.ACK] * 2


def test_a_fault_for_ever_lasts_until_cleared() -> None:
    asker = armed(Fault.NAK_POLL, count=FOREVER)
    assert {asker.ask(POLL).code for _ in range(20)} == {ReplyCode.NAK}
    asker.reader.faults.arm(Fault.NAK_POLL, 0)
    assert asker.ask(POLL) == replies.Ack()


@pytest.mark.parametrize(("count", "delay_ms"), [(-2, 1), (1_000_001, 1), (1, 0), (1, 60_001)])
def test_counts_and_delays_out_of_range_are_refused(count: int, delay_ms: int) -> None:
    with pytest.raises(ValueError, match=r"count must be|delay_ms must be"):
        a_reader().faults.arm(Fault.DELAY, count, delay_ms)


def test_a_replayed_command_frame_is_not_executed_again() -> None:
    asker = a_session()
    old = asker.frame(PULSE)
    asker.send(old)
    asker.ask(POLL)
    asker.ask(POLL)
    asker.reader.feed(encode(old), 0)  # right number again after three commands, but its MAC is of the past
    assert asker.reader.body.counters.outputs_executed == 1
