"""Making a card: both applications, verified; torn at every exchange and finished; other people's cards left alone."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest

from cardcore.card_keys.asks import Authenticated, BeginAuthentication, KeyAnswer, KeyName, KeyPurpose, KeyRequest
from cardcore.card_keys.roles import DEFAULT_LAYOUT, CardApplication, KeyRole
from cardcore.reasons import Reason
from firmware_mocks.virtual_card.card import CardGone
from firmware_mocks.virtual_card.desfire.card import DesfireCard
from firmware_mocks.virtual_card.desfire.memory import Key
from firmware_mocks.virtual_card.uid_card import UidCard
from reader_daemon.protocols.card.card_state import CardExamination, CardStanding, examine_card
from reader_daemon.protocols.card.desfire import desfire_dialogue
from reader_daemon.protocols.card.outcome import Assertion, CardFailure, NotThisScheme, SchemeOutcome
from reader_daemon.protocols.card.personalise import STEPS, PersonalisationOrder, Personalised, personalise
from tests.reader_daemon.protocols.card.site_cards import (
    UID,
    CardField,
    CountingKeys,
    credential_file,
    issued,
    reader,
)

BOTH = {application: credential_file(application) for application in (CardApplication.GATE, CardApplication.CANTEEN)}
ORDER = PersonalisationOrder(UID, BOTH, dict.fromkeys(KeyRole, 1))
ALL_READERS = (
    KeyRole.GATE_READ,
    KeyRole.GATE_FOREIGN,
    KeyRole.GATE_CHECKER,
    KeyRole.CANTEEN_READ,
    KeyRole.CANTEEN_AUDIT,
)
CARDS = [{"generation": 1}, {}, {"generation": 3}, {"lrp": True}]


def make(field: CardField, order: PersonalisationOrder = ORDER) -> Personalised | CardFailure:
    return field.run(personalise(order))


def examine(card: DesfireCard) -> CardExamination:
    outcome = CardField(card).run(examine_card(DEFAULT_LAYOUT, 1))
    assert isinstance(outcome, CardExamination), outcome
    return outcome


def tap(card: DesfireCard, application: CardApplication = CardApplication.GATE) -> SchemeOutcome:
    return CardField(card).run(desfire_dialogue(reader(application)))


def reason(outcome: object) -> Reason:
    assert isinstance(outcome, CardFailure), outcome
    return outcome.reason


@pytest.mark.parametrize("kind", CARDS, ids=["ev1", "ev2", "ev3", "lrp"])
def test_a_blank_card_becomes_a_card_of_the_site(kind: dict[str, int]) -> None:
    card = DesfireCard(UID, **kind)  # type: ignore[arg-type]
    assert examine(card).standing is CardStanding.BLANK
    seen: list[str] = []
    made = make(CardField(card), replace(ORDER, progress=seen.append))
    assert isinstance(made, Personalised), made
    assert (made.verified, made.finished_a_torn_card) == (ALL_READERS, False)
    assert tuple(seen) == STEPS
    assert examine(card).standing is CardStanding.COMPLETE
    for application in BOTH:
        assert isinstance(tap(card, application), Assertion)


@pytest.mark.parametrize("factory", ["iso", "native"])
def test_a_card_straight_from_its_maker_gets_an_aes_key_first(factory: str) -> None:
    card = DesfireCard(UID, factory=factory)
    assert examine(card).standing is CardStanding.FACTORY
    assert isinstance(make(CardField(card)), Personalised)
    assert isinstance(tap(card), Assertion)
    for at in range(12, 25):
        torn = DesfireCard(UID, factory=factory)
        make(CardField(LeavingCard(torn, at, after=True)))
        assert isinstance(make(CardField(torn)), Personalised), at


def test_a_des_key_of_somebody_else_is_left_alone() -> None:
    card = DesfireCard(UID, factory="iso")
    card._factory._key = b"otherkey"  # type: ignore[union-attr]
    assert reason(make(CardField(card))) is Reason.CARD_NOT_GENUINE
    assert examine(card).standing is CardStanding.FACTORY


def test_no_key_stays_the_factorys_and_no_two_are_alike() -> None:
    card = DesfireCard(UID)
    assert isinstance(make(CardField(card)), Personalised)
    keys = [key.value for application in card.applications.values() for key in application.keys]
    assert len(keys) == 1 + 6 + 5
    assert len(set(keys)) == len(keys)
    assert bytes(16) not in keys


def test_the_encoder_sees_no_key_in_relay() -> None:
    card = DesfireCard(UID)
    field = CardField(card)
    seen: list[KeyAnswer] = []

    class Overheard(CountingKeys):
        def ask(self, request: KeyRequest) -> KeyAnswer:
            seen.append(super().ask(request))
            return seen[-1]

    keys = field.keys = Overheard()
    assert isinstance(make(field), Personalised)
    heard = repr([(*vars_of(answer),) for answer in seen]) + repr(field.commands)
    for application in card.applications.values():
        assert not [key for key in application.keys if repr(key.value)[2:-1] in heard]
    handed_out = [answer for answer in seen if isinstance(answer, Authenticated) and answer.session is not None]
    assert len(handed_out) == len(ALL_READERS)
    purposes = {ask.key.role: ask.purpose for ask in keys.asked if isinstance(ask, BeginAuthentication)}
    assert purposes[KeyRole.CARD_MASTER] is KeyPurpose.ISSUE


def vars_of(answer: KeyAnswer) -> list[object]:
    return [getattr(answer, name) for name in answer.__struct_fields__]


@pytest.mark.parametrize("application", list(BOTH))
def test_gate_only_and_canteen_only_cards(application: CardApplication) -> None:
    card = DesfireCard(UID)
    made = make(CardField(card), replace(ORDER, credentials={application: BOTH[application]}))
    assert isinstance(made, Personalised)
    assert set(card.applications) == {bytes(3), DEFAULT_LAYOUT.aid(application)[::-1]}
    assert isinstance(tap(card, application), Assertion)


class LeavingCard:
    """A card taken away at one command: before it was carried out, or after, so that only the answer is lost."""

    def __init__(self, card: DesfireCard, at: int, *, after: bool) -> None:
        self._card = card
        self._left = at
        self._after = after
        self.atr = card.atr

    def power_on(self) -> None:
        self._card.power_on()

    def answer(self, command: bytes) -> bytes:
        self._left -= 1
        if self._left < 0:
            if self._after and self._left == -1:
                self._card.answer(command)
            raise CardGone
        return self._card.answer(command)


@pytest.mark.parametrize("after", [False, True], ids=["command lost", "answer lost"])
def test_torn_at_every_exchange_and_finished_the_next_time(after: bool) -> None:
    whole = CardField(DesfireCard(UID))
    assert isinstance(make(whole), Personalised)
    blank = DesfireCard(UID)
    for at in range(len(whole.commands)):
        card = copy.deepcopy(blank)
        torn = make(CardField(LeavingCard(card, at, after=after)))
        assert reason(torn) in {Reason.CARD_MOVED, Reason.CARD_INCOMPLETE}, at
        standing = examine(card).standing
        again = make(CardField(card), replace(ORDER, overwrite=True))
        assert isinstance(again, Personalised), (at, again)
        assert again.finished_a_torn_card == (standing is CardStanding.TORN), at
        assert isinstance(tap(card), Assertion), at
        assert isinstance(tap(card, CardApplication.CANTEEN), Assertion), at


def test_an_unfinished_application_proves_nothing() -> None:
    whole = CardField(DesfireCard(UID))
    make(whole)
    first_write = next(at for at, command in enumerate(whole.commands) if command[1] == 0x8D)
    card = DesfireCard(UID)
    make(CardField(LeavingCard(card, first_write, after=False)))
    assert examine(card).standing is CardStanding.TORN
    assert reason(tap(card)) is Reason.CARD_INCOMPLETE
    assert isinstance(tap(card, CardApplication.CANTEEN), NotThisScheme)


def test_a_finished_card_is_not_overwritten_unless_told() -> None:
    card = issued_by_us()
    field = CardField(card)
    assert reason(make(field)) is Reason.CARD_IN_USE
    recycled = make(CardField(card), replace(ORDER, overwrite=True))
    assert isinstance(recycled, Personalised)


def issued_by_us() -> DesfireCard:
    card = DesfireCard(UID)
    assert isinstance(make(CardField(card)), Personalised)
    return card


def test_a_card_of_another_site_is_refused_and_left_as_it_was() -> None:
    card = issued_by_us()
    before = copy.deepcopy(card.applications)
    field = CardField(card)
    field.keys = CountingKeys(site=7)
    assert reason(field.run(personalise(replace(ORDER, overwrite=True)))) is Reason.CARD_OF_OTHER_SITE
    assert card.applications == before
    other = DesfireCard(UID)
    other.applications[bytes(3)].keys[0] = Key(b"K" * 16, 1)
    assert reason(make(CardField(other))) is Reason.CARD_OF_OTHER_SITE


def test_a_card_whose_master_is_of_an_unknown_epoch_is_refused() -> None:
    card = issued()
    card.applications[bytes(3)].keys[0] = Key(b"K" * 16, 9)
    assert reason(make(CardField(card))) is Reason.CARD_OF_OTHER_SITE


def test_a_swapped_card_and_another_kind_of_card_are_refused() -> None:
    assert reason(make(CardField(DesfireCard(bytes.fromhex("04000000000099"))))) is Reason.CARD_MOVED
    assert reason(CardField(UidCard(UID)).run(personalise(ORDER))) is Reason.CARD_UNKNOWN_TYPE


def test_a_key_source_that_refuses_ends_it() -> None:
    field = CardField(DesfireCard(UID))
    field.keys = CountingKeys(lambda _role, purpose: purpose is KeyPurpose.READ)
    assert reason(field.run(personalise(ORDER))) is Reason.KEYS_UNAVAILABLE
    assert len(field.card.applications) == 1  # type: ignore[attr-defined]


def test_orders_that_make_no_card_are_refused() -> None:
    for wrong in ({}, {CardApplication.CARD: bytes(106)}, {CardApplication.GATE: bytes(5)}):
        with pytest.raises(ValueError, match="gate, canteen or both"):
            PersonalisationOrder(UID, wrong, dict.fromkeys(KeyRole, 1))
    assert ORDER.key(KeyRole.GATE_READ) == KeyName(KeyRole.GATE_READ, UID, 1)
