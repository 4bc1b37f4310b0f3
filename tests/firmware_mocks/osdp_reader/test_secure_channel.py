"""The mock reader enforces its secure channel: nothing in clear text but ID, CAP and the handshake."""

from __future__ import annotations

from dataclasses import replace

import pytest

from firmware_mocks.happenings import Happening
from reader_daemon.protocols.osdp import commands, replies
from reader_daemon.protocols.osdp.codes import KEY_DEFAULT, NakReason, OutputControl, ReplyCode
from tests.firmware_mocks.osdp_reader.asking import KEY, Asker, a_reader, a_session, told

NEW_KEY = bytes.fromhex("0f1e2d3c4b5a69788796a5b4c3d2e1f0")
SECURITY = replies.Nak(NakReason.SECURITY_CONDITIONS)
REFUSED_IN_CLEAR = [
    commands.Poll(),
    commands.RequestLocalStatus(),
    commands.RequestInputs(),
    commands.RequestOutputs(),
    commands.SetOutputs((commands.OutputRecord(0, OutputControl.ON),)),
    commands.SetBuzzer(0, 2, 1, 1, 1),
    commands.ShowText(0, 1, 0, 1, 1, "HELLO"),
    commands.SetLine(9, 9_600),
    commands.SetKey(NEW_KEY),
]


@pytest.mark.parametrize("command", REFUSED_IN_CLEAR, ids=lambda command: type(command).__name__)
def test_a_reader_with_a_key_refuses_this_in_clear_text(command: commands.Command) -> None:
    asker = Asker(a_reader())
    asker.ask(commands.RequestIdentity())
    asker.reader.body.present_card(26, bytes(4), 0)
    assert asker.ask(command) == SECURITY
    assert asker.reader.channel.scbk == KEY
    assert asker.reader.body.relays.states() == b"\0\0"


def test_identity_and_abilities_are_told_in_clear_text() -> None:
    asker = Asker(a_reader())
    assert isinstance(asker.ask(commands.RequestIdentity()), replies.Identity)
    assert isinstance(asker.ask(commands.RequestCapabilities()), replies.Capabilities)


def test_commands_work_inside_the_session_with_and_without_data() -> None:
    asker = a_session()
    assert asker.reader.is_secure
    assert asker.ask(commands.Poll()) == replies.Ack()
    assert asker.ask(commands.ShowText(0, 1, 0, 1, 1, "HELLO")) == replies.Ack()
    assert isinstance(asker.ask(commands.RequestIdentity()), replies.Identity)
    assert asker.reader.body.display.rows(0) == ["HELLO", ""]


def test_a_wrong_mac_kills_the_session_and_executes_nothing() -> None:
    asker = a_session()
    frame = asker.frame(commands.SetOutputs((commands.OutputRecord(0, OutputControl.ON),)))
    reply = asker.send(replace(frame, mac=bytes(4)))
    assert asker.read(reply) == SECURITY
    assert not asker.reader.channel.is_active
    assert asker.reader.counters.mac_failures == 1
    assert asker.reader.body.relays.states() == b"\0\0"


def test_a_clear_command_ends_the_session() -> None:
    asker = a_session()
    asker.session = None
    assert asker.ask(commands.Poll()) == SECURITY
    assert not asker.reader.channel.is_active


def test_a_reader_without_a_key_refuses_the_handshake_and_talks_in_clear_text() -> None:
    asker = Asker(a_reader(scbk=None))
    asker.ask(commands.RequestIdentity())
    assert asker.challenge().code == ReplyCode.NAK
    assert asker.ask(commands.Poll()) == replies.Ack()


def test_the_default_key_opens_nothing_outside_install_mode() -> None:
    asker = Asker(a_reader())
    asker.ask(commands.RequestIdentity())
    assert asker.challenge(KEY_DEFAULT).code == ReplyCode.NAK


def test_a_panel_with_another_key_is_refused() -> None:
    asker = Asker(a_reader())
    with pytest.raises(AssertionError):
        asker.open_session(NEW_KEY)
    assert not asker.reader.is_secure


def test_a_cryptogram_that_proves_nothing_is_refused() -> None:
    asker = Asker(a_reader())
    asker.ask(commands.RequestIdentity())
    asker.challenge()
    reply = asker.ask_scrypt(bytes(16))
    assert reply == replies.Nak(NakReason.SECURE_CHANNEL_UNSUPPORTED)
    assert not asker.reader.channel.is_active


def test_install_mode_ends_with_the_first_keyset() -> None:
    happenings: list[Happening] = []
    asker = a_session(a_reader(scbk=None, install_mode=True, observe=happenings.append))
    assert not asker.reader.is_secure  # a session, but under the public key
    assert asker.ask(commands.SetKey(NEW_KEY)) == replies.Ack()
    assert told(happenings, "keyset")
    asker.open_session(NEW_KEY)
    asker.restart()
    asker.ask(commands.RequestIdentity())
    assert asker.challenge(KEY_DEFAULT).code == ReplyCode.NAK


def test_a_rolled_key_works_and_the_old_one_is_dead() -> None:
    asker = a_session()
    assert asker.ask(commands.SetKey(NEW_KEY)) == replies.Ack()
    assert not asker.reader.channel.is_active
    with pytest.raises(AssertionError):
        asker.open_session(KEY)
    asker.open_session(NEW_KEY)


def test_the_answer_to_keyset_can_be_asked_for_again() -> None:
    asker = a_session()
    first = asker.send(asker.frame(commands.SetKey(NEW_KEY)))
    assert asker.resend() == first
    assert asker.reader.counters.keysets == 1


def test_every_session_draws_its_own_nonce() -> None:
    asker = a_session()
    nonces = set()
    for _ in range(5):
        asker.restart()
        asker.ask(commands.RequestIdentity())
        nonces.add(asker.challenge().data[8:16])
    assert len(nonces) == 5
