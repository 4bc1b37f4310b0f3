"""The tap of an SM4 CPU card against the virtual one: read, and every way to be wrong by its reason."""

from __future__ import annotations

import pytest

from cardcore.card_keys.custody import KeyCipher
from cardcore.card_keys.roles import CardApplication, KeyRole
from cardcore.reasons import Reason
from firmware_mocks.virtual_card.desfire.card import DesfireCard
from firmware_mocks.virtual_card.misbehaving import TornCard
from firmware_mocks.virtual_card.sm4_card import Sm4Card, sm4
from firmware_mocks.virtual_card.uid_card import UidCard
from reader_daemon.protocols.card.cpu_card import NAMES, cpu_dialogue
from reader_daemon.protocols.card.dialogue import NO_KEYS
from reader_daemon.protocols.card.outcome import Assertion, Assurance, CardFailure, NotThisScheme, SchemeOutcome
from tests.reader_daemon.protocols.card.site_cards import (
    CREDENTIAL_IDS,
    READ_ROLES,
    UID,
    CardField,
    card_key,
    credential_file,
    flipping,
    reader,
)


def cpu_card(application: CardApplication = CardApplication.GATE, uid: bytes = UID, epoch: int = 1) -> Sm4Card:
    name = NAMES[application]
    key = card_key(READ_ROLES[application], uid, min(epoch, 2), cipher=KeyCipher.SM4)
    return Sm4Card(name, uid, key, credential_file(application, uid, aid=name), epoch=epoch)


def tap(field: CardField, application: CardApplication = CardApplication.GATE) -> SchemeOutcome:
    return field.run(cpu_dialogue(reader(application)))


def reason(outcome: SchemeOutcome) -> Reason:
    assert isinstance(outcome, CardFailure), outcome
    return outcome.reason


@pytest.mark.parametrize("application", [CardApplication.GATE, CardApplication.CANTEEN])
def test_a_cpu_card_is_read(application: CardApplication) -> None:
    outcome = tap(CardField(cpu_card(application)), application)
    assert isinstance(outcome, Assertion), outcome
    assert outcome.credential == f"cpu:{CREDENTIAL_IDS[application].hex()}"
    assert (outcome.assurance, outcome.timings.exchanges) == (Assurance.HIGH, 5)


def test_other_cards_are_not_this_scheme() -> None:
    for card in (UidCard(UID), DesfireCard(UID), cpu_card(CardApplication.CANTEEN)):
        assert isinstance(tap(CardField(card)), NotThisScheme)


def test_a_clone_with_the_right_file_and_the_wrong_key_is_not_genuine() -> None:
    clone = cpu_card()
    clone.key = card_key(KeyRole.GATE_READ, UID, 2, cipher=KeyCipher.SM4)
    field = CardField(clone)
    assert reason(tap(field)) is Reason.CARD_NOT_GENUINE


def test_a_card_that_accepts_any_reader_must_still_prove_itself() -> None:
    class Credulous(Sm4Card):
        def answer(self, command: bytes) -> bytes:
            if command[1] == 0x82:
                self._proven = True
                return b"\x90\x00"
            if command[1] == 0x88:
                # it sends back what an honest reader would have sent: the keys of the two directions differ
                return sm4(sm4(self.key, b"\x01" * 16), command[5:21]) + b"\x90\x00"
            return super().answer(command)

    good = cpu_card()
    card = Credulous(good.name, good.uid, good.key, good.file)
    assert reason(tap(CardField(card))) is Reason.CARD_NOT_GENUINE


def test_epochs_files_and_keys_that_are_not_there() -> None:
    assert reason(tap(CardField(cpu_card(epoch=9)))) is Reason.CARD_KEY_EPOCH
    assert reason(tap(CardField(cpu_card(epoch=0)))) is Reason.CARD_INCOMPLETE
    short = cpu_card()
    short.file = short.file[:50]
    assert reason(tap(CardField(short))) is Reason.CARD_UNREADABLE
    copied = cpu_card()
    copied.file = cpu_card(uid=bytes.fromhex("04000000000099")).file
    assert reason(tap(CardField(copied))) is Reason.CARD_NOT_GENUINE
    alone = CardField(cpu_card())
    alone.keys = NO_KEYS
    assert reason(tap(alone)) is Reason.KEYS_UNAVAILABLE


def test_every_flipped_bit_ends_in_a_reason() -> None:
    good = CardField(cpu_card())
    assert isinstance(tap(good), Assertion)
    for number, answer in enumerate(good.answers):
        for at in range(len(answer)):
            for bit in range(8):
                outcome = tap(CardField(cpu_card(), flipping(number, at, 1 << bit)))
                where = f"answer {number}, byte {at}, bit {bit}: {outcome}"
                if number == 0 and 2 <= at < 13:
                    continue  # the name in the template is for people
                assert isinstance(outcome, CardFailure | NotThisScheme), where
                assert not isinstance(outcome, NotThisScheme) or number == 0, where


def test_torn_after_every_byte() -> None:
    whole = CardField(cpu_card())
    tap(whole)
    for after in range(sum(len(command) for command in whole.commands)):
        assert reason(tap(CardField(TornCard(cpu_card(), after)))) is Reason.CARD_MOVED, after
