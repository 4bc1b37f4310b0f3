"""PKOC V2: the certificate read strictly, issuers believed by reference, dates, and no falling back to V1."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardcore.reasons import Reason
from firmware_mocks.virtual_card.pkoc_card import PkocCard, private_key, public_point
from firmware_mocks.virtual_card.pkoc_v2_card import (
    ISSUER_REFERENCE,
    ISSUER_SEED,
    Lifetime,
    PkocV2Card,
    certificate,
)
from reader_daemon.protocols.card.outcome import Assertion, CardFailure, SchemeOutcome
from reader_daemon.protocols.card.pkoc import PkocReader, pkoc_dialogue
from reader_daemon.protocols.card.pkoc_certificate import CardCertificate, verified_certificate
from tests.cardcore.vectors import vector
from tests.reader_daemon.protocols.card.site_cards import CardField, flipping
from tests.reader_daemon.transports.port_events import SeededIds

ANCHORS = ((ISSUER_REFERENCE, public_point(private_key(ISSUER_SEED))),)
TODAY = date(2026, 11, 24)
READER = PkocReader(anchors=ANCHORS, today=lambda: TODAY)


def tap(field: CardField, reader: PkocReader = READER) -> SchemeOutcome:
    return field.run(pkoc_dialogue(reader, SeededIds().random_bytes))


def reason(outcome: object) -> Reason:
    assert isinstance(outcome, CardFailure), outcome
    return outcome.reason


def test_a_certified_card_is_read() -> None:
    card = PkocV2Card(5)
    outcome = tap(CardField(card))
    assert isinstance(outcome, Assertion), outcome
    assert outcome.credential == card.credential
    assert "issuer certificate" in outcome.evidence


def test_the_shared_certificate_verifies() -> None:
    v = vector("pkoc-cvc-selfmade")
    anchors = ((v["iir"].encode(), v["issuer_public"]),)
    read = verified_certificate(v["cvc"], anchors)
    assert isinstance(read, CardCertificate), read
    assert read.point == v["subject_public"]
    assert (read.begins, read.ends) == (date(2026, 1, 1), date(2031, 1, 1))
    for at in range(len(v["cvc"])):
        bad = v["cvc"][:at] + bytes([v["cvc"][at] ^ 1]) + v["cvc"][at + 1 :]
        assert isinstance(verified_certificate(bad, anchors), CardFailure), at


def test_there_is_no_falling_back() -> None:
    assert reason(tap(CardField(PkocCard(5)))) is Reason.CARD_UNKNOWN_TYPE
    assert reason(tap(CardField(PkocV2Card(5)), PkocReader())) is Reason.CARD_UNKNOWN_TYPE


def test_issuers_keys_and_dates() -> None:
    foreign = PkocV2Card(5, certificate(5, issuer_seed=1))
    assert reason(tap(CardField(foreign))) is Reason.CARD_NOT_GENUINE
    stranger = PkocReader(anchors=((b"X" * 16, ANCHORS[0][1]),), today=lambda: TODAY)
    assert reason(tap(CardField(PkocV2Card(5)), stranger)) is Reason.CARD_OF_OTHER_SITE
    assert reason(tap(CardField(PkocV2Card(5, proves_with=6)))) is Reason.CARD_NOT_GENUINE
    assert reason(tap(CardField(PkocV2Card(6, certificate(5))))) is Reason.CARD_NOT_GENUINE
    old = PkocV2Card(5, certificate(5, Lifetime(ends="261123")))
    assert reason(tap(CardField(old))) is Reason.CARD_EXPIRED
    early = PkocV2Card(5, certificate(5, Lifetime(begins="261125")))
    assert reason(tap(CardField(early))) is Reason.CARD_NOT_YET_VALID
    last_day = PkocV2Card(5, certificate(5, Lifetime(ends="261124")))
    assert isinstance(tap(CardField(last_day)), Assertion)
    assert isinstance(tap(CardField(PkocV2Card(5, certificate(5, uid=b"\4" * 7)))), Assertion)


@pytest.mark.parametrize("cut", range(1, 200, 7))
def test_a_cut_or_stretched_certificate_is_unreadable(cut: int) -> None:
    whole = certificate(5)
    assert reason(verified_certificate(whole[:-cut], ANCHORS)) is Reason.CARD_UNREADABLE
    assert reason(verified_certificate(whole + bytes(cut), ANCHORS)) is Reason.CARD_UNREADABLE


def test_every_flipped_byte_of_every_answer_is_refused() -> None:
    good = CardField(PkocV2Card(5))
    tap(good)
    for number, answer in enumerate(good.answers):
        for at in range(len(answer)):
            outcome = tap(CardField(PkocV2Card(5), flipping(number, at, 0x41)))
            assert not isinstance(outcome, Assertion), (number, at)


@given(st.binary(max_size=300))
def test_no_certificate_raises(raw: bytes) -> None:
    assert isinstance(verified_certificate(raw, ANCHORS), CardFailure)
