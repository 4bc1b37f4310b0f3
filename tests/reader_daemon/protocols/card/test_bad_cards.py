"""Cards on a bad day at a reader that takes every scheme: each ends in a reason, and the next card is read."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cardcore.card_keys.roles import CardApplication, KeyRole
from cardcore.reasons import Reason
from firmware_mocks.virtual_card.card import VirtualCard
from firmware_mocks.virtual_card.misbehaving import RubbishCard
from reader_daemon.protocols.card.cpu_card import NAMES
from reader_daemon.protocols.card.dialogue import EXCHANGES, CardPolicy, card_dialogue
from reader_daemon.protocols.card.outcome import Assertion, CardFailure, CardOutcome
from reader_daemon.protocols.card.personalise import PersonalisationOrder, Personalised, personalise
from tests.reader_daemon.protocols.card.site_cards import (
    UID,
    CardField,
    credential_file,
    issued,
    reader,
)
from tests.reader_daemon.protocols.card.test_cpu_card import cpu_card
from tests.reader_daemon.transports.port_events import SeededIds

ANY = CardPolicy(desfire=reader(), allow_low_assurance=True)
REFUSALS = set(Reason) - {Reason.GRANTED, Reason.CHARGED, Reason.FREE_LANE}


def tap(field: CardField, policy: CardPolicy = ANY) -> CardOutcome:
    return field.run(card_dialogue(policy, SeededIds().random_bytes), EXCHANGES)


def reason(outcome: CardOutcome) -> Reason:
    assert isinstance(outcome, CardFailure), outcome
    return outcome.reason


class Scripted:
    """Answers by instruction, the same each time; anything else as a card without that application does."""

    atr = bytes.fromhex("3B8180018080")

    def __init__(self, answers: dict[int, bytes]) -> None:
        self._answers = answers

    def power_on(self) -> None:
        """Nothing to forget."""

    def answer(self, command: bytes) -> bytes:
        if command[:2] == b"\xff\xca":
            return UID + b"\x90\x00"
        if command[0] == 0:
            return b"\x6a\x82"
        return self._answers.get(command[1], b"\x91\x1c")


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({0x5A: b"\x91\x00", 0x64: b"\x01\x91\xaf", 0xAF: b"\x01\x91\xaf"}, Reason.CARD_UNREADABLE),
        ({0x5A: b"\x91\x00", 0x64: b"\x01\x02\x91\x00"}, Reason.CARD_INCOMPLETE),
        ({0x5A: b"\x91\x00", 0x64: b"\x01\x91\x00", 0x71: b"short\x91\xaf"}, Reason.CARD_UNREADABLE),
        ({0x5A: b"\x91\x00", 0x64: b"\x01\x91\x00", 0x71: bytes(200) + b"\x91\xaf"}, Reason.CARD_UNREADABLE),
        ({0x5A: b"\x91\x00", 0x64: b"\x01\x91\x00", 0x71: b"\x91\x00"}, Reason.CARD_UNREADABLE),
        (
            {0x5A: b"\x91\x00", 0x64: b"\x01\x91\x00", 0x71: bytes(16) + b"\x91\xaf", 0xAF: bytes(31) + b"\x91\x00"},
            Reason.CARD_UNREADABLE,
        ),
        (
            {0x5A: b"\x91\x00", 0x64: b"\x01\x91\x00", 0x71: bytes(16) + b"\x91\xaf", 0xAF: bytes(32) + b"\x91\x00"},
            Reason.CARD_NOT_GENUINE,
        ),
        ({0x5A: b"\x91\x00", 0x64: b"\x01\x91\x00", 0x71: b"\x6f\x00"}, Reason.CARD_UNREADABLE),
        ({0x5A: b"\x91\x97"}, Reason.CARD_UNREADABLE),
        ({0x5A: b"\x91\x00", 0x64: b"\x91\x40"}, Reason.CARD_INCOMPLETE),
    ],
    ids=[
        "endless answer",
        "long version",
        "short challenge",
        "long challenge",
        "accepts at once",
        "short proof",
        "proof of zeros",
        "another class",
        "odd status",
        "no such key",
    ],
)
def test_answers_out_of_form(answers: dict[int, bytes], expected: Reason) -> None:
    field = CardField(Scripted(answers))
    assert reason(tap(field)) is expected
    assert len(field.commands) <= 24
    field.card = issued()
    field.card.power_on()
    assert isinstance(tap(field), Assertion)


@pytest.mark.parametrize(
    "template",
    [
        b"",
        b"\x6f",
        b"\x6f\x81",
        b"\x6f\x82\xff\xff",
        b"\x6f\x05\x84\x01\x00",
        b"\x6f\x02\xa5\x00",
        b"\x6f\x0d\xa5\x0b\xc1\x07" + UID + b"\xc2\x00",
        b"\x6f\x0d\xa5\x0b\xc1\x06" + UID + b"\xc2\x01",
        b"\x6f\x0e\xa5\x0c\xc1\x07" + bytes(7) + b"\xc2\x01\x01",
        b"\x6f\x11\xa5\x0f\xc1\x07" + UID + b"\xc2\x01\x01\xc2\x01\x02",
        b"\x6f\x0e\xa5\x0c\xc1\x07" + UID + b"\xc2\x01\x01\x00",
    ],
    ids=lambda template: template.hex() or "empty",
)
def test_templates_cut_stretched_or_doubled(template: bytes) -> None:
    class Answering(Scripted):
        def answer(self, command: bytes) -> bytes:
            return template + b"\x90\x00" if command[5:14] == NAMES[CardApplication.GATE] else super().answer(command)

    assert reason(tap(CardField(Answering({})))) is Reason.CARD_UNREADABLE


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.booleans())
def test_rubbish_ends_in_a_reason(seed: int, accepting: bool) -> None:
    assert reason(tap(CardField(RubbishCard(seed, accepting=accepting)))) in REFUSALS


@settings(max_examples=60)
@example("desfire", 4, b"l\x00")
@given(st.sampled_from(["desfire", "cpu"]), st.integers(0, 12), st.binary(max_size=258))
def test_any_answer_in_the_place_of_a_good_one(kind: str, number: int, answer: bytes) -> None:
    card: VirtualCard = issued() if kind == "desfire" else cpu_card()
    field = CardField(card, lambda at, good: answer if at == number else good)
    outcome = tap(field, CardPolicy(desfire=reader()))
    honest = number >= len(field.answers) or number < 4  # before the proof, a wrong answer only costs a detour
    asked_again = answer[-2:-1] == b"\x6c"  # "wrong length": the card itself answers the second time
    assert isinstance(outcome, CardFailure) or honest or asked_again, (number, outcome)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 70), st.binary(max_size=258))
def test_the_encoder_survives_any_answer(number: int, answer: bytes) -> None:
    order = PersonalisationOrder(
        UID, {CardApplication.GATE: credential_file(CardApplication.GATE)}, dict.fromkeys(KeyRole, 1)
    )
    card = issued()
    card.applications = {bytes(3): card.applications[bytes(3)]}
    field = CardField(card, lambda at, good: answer if at == number else good)
    assert isinstance(field.run(personalise(order)), Personalised | CardFailure)
    assert isinstance(CardField(card).run(personalise(order)), Personalised | CardFailure)
