"""Signed QR passes: read back, bound to their times, and refused by name for any changed character."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardcore.issuer import SignatureAlgorithm
from cardcore.qr_pass import TEXT_CHARACTERS, QrPass, pass_text, verified_pass
from cardcore.reasons import Reason
from tests.cardcore.issuers import ISSUER_ID, ISSUERS, SIGN

BEGIN = datetime(2026, 11, 24, 8, tzinfo=UTC)
NOON = BEGIN + timedelta(hours=4)
SECOND = timedelta(seconds=1)


def made(algorithm: SignatureAlgorithm = SignatureAlgorithm.ED25519, issuer: bytes = ISSUER_ID) -> tuple[QrPass, str]:
    begin = int(BEGIN.timestamp())
    each = QrPass(issuer, bytes(range(16)), begin, begin + 8 * 3600, algorithm)
    return each, pass_text(each, SIGN[algorithm])


@pytest.mark.parametrize("algorithm", list(SignatureAlgorithm))
def test_a_pass_reads_back(algorithm: SignatureAlgorithm) -> None:
    each, text = made(algorithm)
    assert len(text) == TEXT_CHARACTERS
    assert text.isalnum()
    assert text.isupper()
    assert verified_pass(text, ISSUERS, NOON) == each
    assert each.credential == "pass:000102030405060708090a0b0c0d0e0f"


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (BEGIN - SECOND, Reason.CARD_NOT_YET_VALID),
        (BEGIN, None),
        (BEGIN + timedelta(hours=8) - SECOND, None),
        (BEGIN + timedelta(hours=8), Reason.CARD_EXPIRED),
    ],
)
def test_a_pass_has_its_hours(at: datetime, expected: Reason | None) -> None:
    found = verified_pass(made()[1], ISSUERS, at)
    assert found == (expected or made()[0])


def test_every_changed_character_is_refused() -> None:
    text = made()[1]
    for at in range(len(text)):
        for other in "A7Q":
            if text[at] == other:
                continue
            outcome = verified_pass(text[:at] + other + text[at + 1 :], ISSUERS, NOON)
            assert outcome in {Reason.CARD_UNREADABLE, Reason.CARD_NOT_GENUINE, Reason.CARD_OF_OTHER_SITE}, at


def test_a_pass_of_another_site_is_told_apart() -> None:
    assert verified_pass(made(issuer=b"else")[1], ISSUERS, NOON) is Reason.CARD_OF_OTHER_SITE


@given(st.text(max_size=200))
def test_no_text_raises(text: str) -> None:
    assert isinstance(verified_pass(text, ISSUERS, NOON), Reason)
    assert isinstance(verified_pass("OC1" + text, ISSUERS, NOON), Reason)
