"""The tap of a DESFire card against the virtual card: every generation, every way to be wrong, by its reason."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cardcore.card_keys.answering import reading_only
from cardcore.card_keys.asks import BeginAuthentication, FinishAuthentication, KeyName
from cardcore.card_keys.custody import KeyCipher
from cardcore.card_keys.roles import DEFAULT_LAYOUT, CardApplication, KeyRole
from cardcore.reasons import Reason
from firmware_mocks.virtual_card.card import VirtualCard
from firmware_mocks.virtual_card.desfire.card import DesfireCard
from firmware_mocks.virtual_card.misbehaving import TornCard
from firmware_mocks.virtual_card.uid_card import UidCard
from reader_daemon.protocols.card.desfire import DesfireReader, desfire_dialogue
from reader_daemon.protocols.card.dialogue import NO_KEYS
from reader_daemon.protocols.card.outcome import Assertion, Assurance, CardFailure, NotThisScheme, SchemeOutcome
from tests.cardcore.issuers import ED25519_ISSUER
from tests.reader_daemon.protocols.card.site_cards import (
    CREDENTIAL_IDS,
    UID,
    CardField,
    CountingKeys,
    card_key,
    credential_file,
    custody,
    flipping,
    issue,
    issued,
    reader,
)

NAME = KeyName(KeyRole.GATE_READ, UID, 1)
GATE_AID = DEFAULT_LAYOUT.gate_aid[::-1]


def tap(
    field: CardField, application: CardApplication = CardApplication.GATE, at: DesfireReader | None = None
) -> SchemeOutcome:
    return field.run(desfire_dialogue(at or reader(application)))


def reason(outcome: SchemeOutcome) -> Reason:
    assert isinstance(outcome, CardFailure), outcome
    return outcome.reason


@pytest.mark.parametrize("application", [CardApplication.GATE, CardApplication.CANTEEN])
@pytest.mark.parametrize(
    ("generation", "lrp", "evidence"),
    [(1, False, "ev1_aes"), (2, False, "ev2_first"), (3, False, "ev2_first"), (2, True, "lrp_first")],
)
def test_every_generation_is_read(application: CardApplication, generation: int, lrp: bool, evidence: str) -> None:
    field = CardField(issued(generation=generation, lrp=lrp))
    outcome = tap(field, application)
    assert isinstance(outcome, Assertion), outcome
    assert outcome.credential == f"desfire:{CREDENTIAL_IDS[application].hex()}"
    assert outcome.assurance is Assurance.HIGH
    assert outcome.issue_number == 1
    assert outcome.evidence.startswith(evidence)


def test_a_tap_takes_six_exchanges_and_two_questions() -> None:
    field = CardField(issued())
    keys = field.keys = CountingKeys()
    outcome = tap(field)
    assert isinstance(outcome, Assertion)
    assert outcome.timings.exchanges == 6
    assert [type(ask) for ask in keys.asked] == [BeginAuthentication, FinishAuthentication]
    assert all(command[0] in (0x90, 0xFF) for command in field.commands)


def test_a_reader_that_tells_no_serial_number_reads_the_cards_version() -> None:
    field = CardField(issued(), lambda _number, answer: b"\x6a\x81" if answer == UID + b"\x90\x00" else answer)
    assert isinstance(tap(field), Assertion)


def test_the_two_applications_show_unlike_ids_and_take_unlike_keys() -> None:
    card = issued()
    ids = set()
    for application in (CardApplication.GATE, CardApplication.CANTEEN):
        outcome = tap(CardField(card), application)
        assert isinstance(outcome, Assertion)
        ids.add(outcome.credential)
    assert len(ids) == 2
    till = CardField(card)
    till.keys = CountingKeys(reading_only(frozenset({KeyRole.CANTEEN_READ})))
    assert reason(tap(till)) is Reason.KEYS_UNAVAILABLE
    assert isinstance(tap(till, CardApplication.CANTEEN), Assertion)


def test_a_card_without_our_application_or_of_another_kind_is_not_this_scheme() -> None:
    for card in (DesfireCard(UID), UidCard(UID)):
        assert isinstance(tap(CardField(card)), NotThisScheme)


def test_a_clone_with_the_right_file_and_the_wrong_key_is_not_genuine() -> None:
    clone = issued()
    clone.applications[GATE_AID].keys[1].value = bytes(16)
    field = CardField(clone)
    assert reason(tap(field)) is Reason.CARD_NOT_GENUINE
    assert not [command for command in field.commands if command[1] in (0xAD, 0xBD)]


def test_a_file_copied_to_another_genuine_card_is_not_genuine() -> None:
    victim, thief = issued(), issued(bytes.fromhex("04000000000099"))
    thief.applications[GATE_AID].files[1] = victim.applications[GATE_AID].files[1]
    assert reason(tap(CardField(thief))) is Reason.CARD_NOT_GENUINE


def test_a_credential_of_the_other_application_is_not_genuine_even_when_signed_for_this_one() -> None:
    card = issued()
    misissued = credential_file(CardApplication.CANTEEN, aid=DEFAULT_LAYOUT.gate_aid)
    card.applications[GATE_AID].files[1].data[:] = misissued
    assert reason(tap(CardField(card))) is Reason.CARD_NOT_GENUINE


def test_a_copied_serial_number_without_the_keys_is_not_genuine() -> None:
    copy = issue(DesfireCard(UID), site=9)
    copy.applications[GATE_AID].files[1].data[:] = issued().applications[GATE_AID].files[1].data
    assert reason(tap(CardField(copy))) is Reason.CARD_NOT_GENUINE


def test_a_replayed_transcript_is_not_genuine() -> None:
    heard = CardField(issued())
    assert isinstance(tap(heard), Assertion)

    class Recording(UidCard):
        def __init__(self) -> None:
            super().__init__(UID)
            self.left = list(heard.answers)

        def answer(self, _command: bytes) -> bytes:
            return self.left.pop(0) if self.left else b"\x91\x1c"

    field = CardField(Recording())
    assert isinstance(tap(field), Assertion)  # under the same random numbers a recording is as good as the card
    field.card = Recording()
    assert reason(tap(field)) is Reason.CARD_NOT_GENUINE


def test_reordered_answers_are_refused() -> None:
    held: list[bytes] = []

    def swap(number: int, answer: bytes) -> bytes:
        held.append(answer)
        return held[number - 1] if number == 5 else answer

    assert reason(tap(CardField(issued(), swap))) in {Reason.CARD_NOT_GENUINE, Reason.CARD_UNREADABLE}


def test_a_card_swapped_in_mid_dialogue_is_refused() -> None:
    for after in range(1, 6):
        field = CardField(issued())
        other = issued(bytes.fromhex("04000000000042"))
        other.power_on()

        def transmit(command: bytes, field: CardField = field, other: VirtualCard = other, after: int = after) -> bytes:
            if len(field.answers) == after:
                field.card = other
            return CardField.transmit(field, command)

        field.transmit = transmit  # type: ignore[method-assign]
        outcome = tap(field)
        assert isinstance(outcome, CardFailure), after


@pytest.mark.parametrize("epoch", [2, 3])
def test_epochs(epoch: int) -> None:
    card = issued()
    card.applications[GATE_AID].keys[1].version = epoch
    if epoch == 3:
        assert reason(tap(CardField(card))) is Reason.CARD_KEY_EPOCH
    else:
        assert reason(tap(CardField(card))) is Reason.CARD_NOT_GENUINE
        assert isinstance(tap(CardField(issued(epoch=2))), Assertion)


def test_a_card_that_was_never_finished_is_told() -> None:
    card = issued()
    card.applications[GATE_AID].keys[1].version = 0
    assert reason(tap(CardField(card))) is Reason.CARD_INCOMPLETE
    card = issued()
    del card.applications[GATE_AID].files[1]
    assert reason(tap(CardField(card))) is Reason.CARD_INCOMPLETE
    card = issued()
    card.applications[GATE_AID].files[1].data[:] = bytes(106)
    assert reason(tap(CardField(card))) is Reason.CARD_INCOMPLETE


def test_a_card_of_another_site_is_told() -> None:
    believing = replace(reader(), issuers=(replace(ED25519_ISSUER, issuer_id=b"else"),))
    assert reason(tap(CardField(issued()), at=believing)) is Reason.CARD_OF_OTHER_SITE


def test_ev1_is_refused_where_the_site_says_so() -> None:
    strict = replace(reader(), accept_ev1=False)
    assert reason(tap(CardField(issued(generation=1)), at=strict)) is Reason.CARD_NOT_GENUINE


@pytest.mark.parametrize(("generation", "lrp"), [(1, False), (2, False), (2, True)])
def test_every_flipped_bit_of_every_answer_ends_in_a_reason(generation: int, lrp: bool) -> None:
    good = CardField(issued(generation=generation, lrp=lrp))
    assert isinstance(tap(good), Assertion)
    allowed = {
        Reason.CARD_NOT_GENUINE,
        Reason.CARD_UNREADABLE,
        Reason.CARD_INCOMPLETE,
        Reason.CARD_KEY_EPOCH,
        Reason.CARD_UNKNOWN_TYPE,
    }
    step = 1 if not lrp else 3
    for number, answer in enumerate(good.answers):
        for at in range(0, len(answer), step):
            for bit in range(8):
                field = CardField(issued(generation=generation, lrp=lrp), flipping(number, at, 1 << bit))
                outcome = tap(field)
                where = f"answer {number}, byte {at}, bit {bit}: {outcome}"
                if isinstance(outcome, NotThisScheme):
                    assert number == 0, where
                elif isinstance(outcome, Assertion):
                    # the reader's answer with the serial number: its status is not the card's word
                    assert (number, at >= len(answer) - 2) == (1, True), where
                else:
                    assert outcome.reason in allowed, where


def test_torn_away_after_every_byte_and_read_the_next_time() -> None:
    whole = CardField(issued())
    tap(whole)
    for after in range(0, sum(len(command) for command in whole.commands), 3):
        card = TornCard(issued(), after)
        assert reason(tap(CardField(card))) is Reason.CARD_MOVED, after
    assert isinstance(tap(CardField(issued())), Assertion)


def test_a_key_source_that_is_away_has_its_own_reason() -> None:
    field = CardField(issued())
    field.keys = NO_KEYS
    assert reason(tap(field)) is Reason.KEYS_UNAVAILABLE


def test_nothing_secret_is_told() -> None:
    field = CardField(issued())
    outcome = tap(field)
    secrets = [card_key(KeyRole.GATE_READ).hex(), CREDENTIAL_IDS[CardApplication.CANTEEN].hex()]
    told = repr(outcome) + repr(custody()) + repr(reader()) + repr(custody().card_key(NAME, KeyCipher.AES))
    assert not any(secret in told for secret in secrets)
