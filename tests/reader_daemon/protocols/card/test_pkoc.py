"""PKOC: golden bytes, every forgery refused by name, and no answer that raises."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardcore.reasons import Reason
from firmware_mocks.virtual_card.pkoc_card import P256_ORDER, Forgery, PkocCard
from reader_daemon.protocols.card.outcome import Assertion, Assurance, CardFailure, NotThisScheme, SchemeOutcome
from reader_daemon.protocols.card.pkoc import PkocReader, pkoc_dialogue, verify_answer
from tests.reader_daemon.protocols.card import golden_pkoc as golden

READER = PkocReader(bytes(range(16)), bytes(range(16, 32)))
KEY = bytes.fromhex(golden.PUBLIC_KEY)
PROOF = bytes.fromhex(golden.SIGNATURE)
TRANSACTION = bytes.fromhex(golden.TRANSACTION_ID)


def numbered(count: int) -> bytes:
    """Stand in for a CSPRNG."""
    return bytes(range(count))


def sent(step: object) -> bytes:
    """Narrow a step: no PKOC card is asked about any key."""
    assert isinstance(step, bytes)
    return step


def converse(answers: list[bytes]) -> tuple[list[bytes], SchemeOutcome]:
    """Run the dialogue against prepared answers; returns the commands and the outcome."""
    commands: list[bytes] = []
    dialogue = pkoc_dialogue(READER, numbered)
    try:
        commands.append(sent(next(dialogue)))
        for answer in answers:
            commands += [sent(dialogue.send(answer))]
    except StopIteration as ended:
        return commands, ended.value
    dialogue.close()
    return commands, NotThisScheme("still asking")


def proof_answer(key: bytes = KEY, proof: bytes = PROOF) -> bytes:
    return bytes([0x5A, len(key)]) + key + bytes([0x9E, len(proof)]) + proof


def test_commands_are_those_of_the_specification() -> None:
    commands, _ = converse([bytes.fromhex(golden.SELECT_ANSWER)])
    assert commands[0].hex().upper() == golden.SELECT
    assert commands[1] == (
        bytes.fromhex("8080000148 5C020100 4C20") + numbered(32) + bytes.fromhex("4D20") + numbered(32) + b"\x00"
    )


def test_golden_signature_is_accepted_in_either_order() -> None:
    forward = proof_answer()
    backward = forward[67:] + forward[:67]
    for data in (forward, backward):
        assertion = verify_answer(data, TRANSACTION)
        assert isinstance(assertion, Assertion)
        assert assertion.credential == golden.CREDENTIAL
        assert assertion.assurance is Assurance.HIGH


def test_card_of_our_own_is_accepted() -> None:
    card = PkocCard(42)
    commands, _ = converse([])
    selected = card.answer(commands[0])
    request = converse([selected])[0][1]
    _, outcome = converse([selected, card.answer(request)])
    assert isinstance(outcome, Assertion)
    assert outcome.credential == card.credential


@pytest.mark.parametrize("forgery", list(Forgery))
def test_forgeries_are_not_genuine(forgery: Forgery) -> None:
    card = PkocCard(42, forgery=forgery)
    selected = card.answer(converse([])[0][0])
    _, outcome = converse([selected, card.answer(converse([selected])[0][1])])
    assert isinstance(outcome, CardFailure)
    assert outcome.reason is Reason.CARD_NOT_GENUINE


@pytest.mark.parametrize(
    "proof",
    [bytes(32) + PROOF[32:], PROOF[:32] + bytes(32), P256_ORDER.to_bytes(32, "big") + PROOF[32:], b"\xff" * 64],
    ids=["r is zero", "s is zero", "r is the order", "both too large"],
)
def test_halves_outside_the_group_are_not_genuine(proof: bytes) -> None:
    failure = verify_answer(proof_answer(proof=proof), TRANSACTION)
    assert isinstance(failure, CardFailure)
    assert failure.reason is Reason.CARD_NOT_GENUINE


@pytest.mark.parametrize(
    "key",
    [b"\x04" + bytes(64), b"\x05" + KEY[1:], b"\x00" * 65, b"\x04" + b"\xff" * 64],
    ids=["origin", "other form", "infinity", "beyond the field"],
)
def test_points_off_the_curve_are_not_genuine(key: bytes) -> None:
    failure = verify_answer(proof_answer(key=key), TRANSACTION)
    assert isinstance(failure, CardFailure)
    assert failure.reason is Reason.CARD_NOT_GENUINE


@pytest.mark.parametrize(
    "data",
    [
        b"",
        proof_answer()[:67],
        proof_answer(key=KEY[:33]),
        proof_answer(proof=PROOF + b"\0"),
        proof_answer() + proof_answer()[:67],
        proof_answer() + b"\x00",
    ],
    ids=["empty", "no signature", "compressed", "long signature", "key twice", "filler"],
)
def test_answers_out_of_form_are_unreadable(data: bytes) -> None:
    failure = verify_answer(data, TRANSACTION)
    assert isinstance(failure, CardFailure)
    assert failure.reason is Reason.CARD_UNREADABLE


def test_signature_of_another_transaction_is_not_genuine() -> None:
    failure = verify_answer(proof_answer(), TRANSACTION[:-1] + b"\x00")
    assert isinstance(failure, CardFailure)
    assert failure.reason is Reason.CARD_NOT_GENUINE


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("6A82", NotThisScheme),
        ("9000", Reason.CARD_UNREADABLE),
        ("5C03010002 9000", Reason.CARD_UNREADABLE),
        ("5C0202009000", Reason.CARD_UNKNOWN_TYPE),
    ],
    ids=["not on the card", "names no version", "odd version", "only version 2"],
)
def test_selection_decides(answer: str, expected: type[NotThisScheme] | Reason) -> None:
    _, outcome = converse([bytes.fromhex(answer)])
    if isinstance(expected, Reason):
        assert isinstance(outcome, CardFailure)
        assert outcome.reason is expected
    else:
        assert isinstance(outcome, expected)


def test_several_versions_may_be_offered() -> None:
    commands, _ = converse([bytes.fromhex("5C0402000100 9000")])
    assert len(commands) == 2


@pytest.mark.parametrize("length", [15, 17])
def test_reader_identifiers_have_sixteen_bytes(length: int) -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        PkocReader(bytes(length), bytes(16))


def test_every_flipped_bit_of_the_proof_is_refused() -> None:
    good = proof_answer()
    for at in range(len(good)):
        for bit in range(8):
            bad = good[:at] + bytes([good[at] ^ 1 << bit]) + good[at + 1 :]
            assert isinstance(verify_answer(bad, TRANSACTION), CardFailure), f"byte {at}, bit {bit}"


@given(st.lists(st.binary(max_size=300), min_size=2, max_size=10))
def test_no_answer_raises(answers: list[bytes]) -> None:
    _, outcome = converse(answers)
    assert not isinstance(outcome, Assertion)


@given(st.binary(max_size=256))
def test_no_proof_raises(data: bytes) -> None:
    assert isinstance(verify_answer(data, TRANSACTION), CardFailure)
