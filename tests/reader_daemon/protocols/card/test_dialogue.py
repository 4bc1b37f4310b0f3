"""Choosing the scheme by trying, the serial number, and the driver's limits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardcore.reasons import Reason
from firmware_mocks.virtual_card.card import CardGone, VirtualCard
from firmware_mocks.virtual_card.misbehaving import RubbishCard, TornCard
from firmware_mocks.virtual_card.pkoc_card import Forgery, PkocCard
from firmware_mocks.virtual_card.uid_card import UidCard
from reader_daemon.protocols.card.dialogue import (
    EXCHANGES,
    CardPolicy,
    card_dialogue,
    run_dialogue,
)
from reader_daemon.protocols.card.outcome import (
    Assertion,
    Assurance,
    CardFailure,
    CardOutcome,
    Dialogue,
    TransmitFailed,
)
from tests.reader_daemon.transports.port_events import SeededIds, StandingClock

ANY = CardPolicy(allow_low_assurance=True)
SECURE = CardPolicy()


class Field:
    """A card in a field: counts, can alter one byte of one answer, can take time."""

    def __init__(self, card: VirtualCard, flip: tuple[int, int, int] | None = None, each_ms: int = 0) -> None:
        card.power_on()
        self.card = card
        self.clock = StandingClock()
        self.commands: list[bytes] = []
        self.answers: list[bytes] = []
        self._flip = flip
        self._each_ms = each_ms

    def transmit(self, command: bytes) -> bytes:
        self.commands.append(command)
        self.clock.milliseconds += self._each_ms
        try:
            answer = self.card.answer(command)
        except CardGone:
            raise TransmitFailed(Reason.CARD_MOVED, "torn") from None
        if answer is None:
            raise TransmitFailed(Reason.CARD_TIMEOUT, "silent")
        if self._flip is not None and self._flip[0] == len(self.answers):
            at = self._flip[1] % len(answer)
            answer = answer[:at] + bytes([answer[at] ^ self._flip[2]]) + answer[at + 1 :]
        self.answers.append(answer)
        return answer

    def run(self, policy: CardPolicy) -> CardOutcome:
        return run_dialogue(
            card_dialogue(policy, SeededIds().random_bytes), self.transmit, self.clock, policy.budget_ms
        )


def reason(outcome: CardOutcome) -> Reason:
    assert isinstance(outcome, CardFailure)
    return outcome.reason


def test_pkoc_comes_first_and_its_cost_is_told() -> None:
    field = Field(PkocCard(1), each_ms=20)
    outcome = field.run(ANY)
    assert isinstance(outcome, Assertion)
    assert (outcome.credential, outcome.assurance) == (PkocCard(1).credential, Assurance.HIGH)
    assert (outcome.timings.exchanges, outcome.timings.card_ms) == (2, 40)


@pytest.mark.parametrize("uid", ["04A1B2C3", "04A1B2C3D4E5F6", "04A1B2C3D4E5F6A7B8C9"])
def test_serial_number_has_low_assurance_and_its_own_scheme(uid: str) -> None:
    outcome = Field(UidCard(bytes.fromhex(uid))).run(ANY)
    assert isinstance(outcome, Assertion)
    assert (outcome.credential, outcome.assurance) == (f"uid:{uid.lower()}", Assurance.LOW)


def test_serial_number_is_not_asked_for_where_it_is_not_admitted() -> None:
    field = Field(UidCard(bytes.fromhex("04A1B2C3")))
    assert reason(field.run(SECURE)) is Reason.CARD_UNKNOWN_TYPE
    assert not [command for command in field.commands if command[0] == 0xFF]


def test_card_that_fails_its_proof_is_not_asked_for_a_weaker_one() -> None:
    field = Field(PkocCard(1, forgery=Forgery.OTHER_KEY))
    assert reason(field.run(ANY)) is Reason.CARD_NOT_GENUINE
    assert not [command for command in field.commands if command[0] == 0xFF]


@pytest.mark.parametrize(
    ("uid", "expected"),
    [
        ("08A1B2C3", Reason.CARD_UNKNOWN_TYPE),
        ("00000000", Reason.CARD_UNREADABLE),
        ("FFFFFFFFFFFFFF", Reason.CARD_UNREADABLE),
    ],
    ids=["random", "zeros", "ones"],
)
def test_serial_numbers_that_are_none(uid: str, expected: Reason) -> None:
    assert reason(Field(UidCard(bytes.fromhex(uid))).run(ANY)) is expected


def test_card_torn_away_at_every_byte_has_moved_and_is_read_the_next_time() -> None:
    for after_bytes in range(14 + 78):
        card = TornCard(PkocCard(9), after_bytes)
        assert reason(Field(card).run(SECURE)) is Reason.CARD_MOVED, after_bytes
    assert isinstance(Field(PkocCard(9)).run(SECURE), Assertion)


def test_slow_card_times_out() -> None:
    field = Field(PkocCard(1), each_ms=2_000)
    assert reason(field.run(SECURE)) is Reason.CARD_TIMEOUT
    assert len(field.commands) == 2


def test_dialogue_without_end_is_ended_and_closed() -> None:
    closed = []

    def endless() -> Dialogue[CardOutcome]:
        try:
            while True:
                yield b"\x00\xca\x00\x00"
        finally:
            closed.append(True)

    sent = []

    def transmit(command: bytes) -> bytes:
        sent.append(command)
        return b"\x90\x00"

    assert reason(run_dialogue(endless(), transmit, StandingClock(), 1_000)) is Reason.CARD_TIMEOUT
    assert len(sent) == EXCHANGES
    assert closed == [True]


def test_fault_of_the_reader_passes_through_and_closes_the_dialogue() -> None:
    dialogue = card_dialogue(SECURE, SeededIds().random_bytes)

    def transmit(_command: bytes) -> bytes:
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        run_dialogue(dialogue, transmit, StandingClock(), 1_000)
    with pytest.raises(StopIteration):
        next(dialogue)


@given(st.integers(0, 1), st.integers(0, 200), st.integers(1, 255))
def test_any_flipped_byte_in_any_answer_is_a_named_failure(answer: int, at: int, mask: int) -> None:
    outcome = Field(PkocCard(5), flip=(answer, at, mask)).run(SECURE)
    assert reason(outcome) in {Reason.CARD_UNREADABLE, Reason.CARD_NOT_GENUINE, Reason.CARD_UNKNOWN_TYPE}


@given(st.integers(0, 2**32), st.booleans())
def test_rubbish_is_a_named_failure(seed: int, accepting: bool) -> None:
    assert reason(Field(RubbishCard(seed, accepting=accepting)).run(SECURE))
