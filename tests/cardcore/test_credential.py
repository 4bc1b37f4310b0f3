"""The credential file: read back, bound to card and application, and refused for any flipped bit, by name."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardcore.access.items import Product
from cardcore.card_keys.roles import CardApplication
from cardcore.credential import (
    CREDENTIAL_FILE_BYTES,
    Credential,
    CredentialProblem,
    read_credential,
    sign_credential,
    verified_credential,
)
from cardcore.issuer import IssuerKey, SignatureAlgorithm
from tests.cardcore.issuers import ED25519_ISSUER, ISSUER_ID, ISSUERS, P256_ISSUER, SIGN

AID = bytes.fromhex("F4E1A0")
UID = bytes.fromhex("04782E21801D80")
GOOD = Credential(
    ISSUER_ID,
    CardApplication.GATE,
    Product.COMBINED,
    bytes(range(16)),
    bytes.fromhex("04782E21801D80"),
    3,
    2,
    1_900_000_000,
)


def file_of(credential: Credential = GOOD, aid: bytes = AID) -> bytes:
    return sign_credential(credential, aid, SIGN[credential.algorithm])


@pytest.mark.parametrize("algorithm", list(SignatureAlgorithm))
@pytest.mark.parametrize("product", list(Product))
@pytest.mark.parametrize("application", [CardApplication.GATE, CardApplication.CANTEEN])
def test_a_file_reads_back(algorithm: SignatureAlgorithm, product: Product, application: CardApplication) -> None:
    made = replace(GOOD, algorithm=algorithm, product=product, application=application)
    file = file_of(made)
    assert len(file) == CREDENTIAL_FILE_BYTES
    assert verified_credential(file, AID, ISSUERS) == made


def test_the_bytes_stand_where_the_format_says() -> None:
    assert file_of()[:42].hex() == (
        "010100c0ffee0101000102030405060708090a0b0c0d0e0f0704782e21801d80000000000302713fb300"
    )


@pytest.mark.parametrize("algorithm", list(SignatureAlgorithm))
def test_every_flipped_bit_is_refused(algorithm: SignatureAlgorithm) -> None:
    file = file_of(replace(GOOD, algorithm=algorithm))
    for at in range(len(file)):
        for bit in range(8):
            bad = file[:at] + bytes([file[at] ^ 1 << bit]) + file[at + 1 :]
            assert isinstance(verified_credential(bad, AID, ISSUERS), CredentialProblem), f"byte {at}, bit {bit}"


def test_a_file_of_one_application_says_nothing_in_another() -> None:
    assert verified_credential(file_of(), bytes.fromhex("F4E1A1"), ISSUERS) is CredentialProblem.WRONG_SIGNATURE


def test_an_unknown_issuer_is_told_from_a_forger() -> None:
    other = file_of(replace(GOOD, issuer_id=b"else"))
    assert verified_credential(other, AID, ISSUERS) is CredentialProblem.UNKNOWN_ISSUER
    forged = sign_credential(GOOD, AID, lambda _data: bytes(64))
    assert verified_credential(forged, AID, ISSUERS) is CredentialProblem.WRONG_SIGNATURE
    assert verified_credential(file_of(), AID, (P256_ISSUER,)) is CredentialProblem.UNKNOWN_ISSUER


@given(st.binary(max_size=200))
def test_no_bytes_raise(raw: bytes) -> None:
    assert isinstance(read_credential(raw), CredentialProblem | Credential)
    assert isinstance(verified_credential(raw, AID, ISSUERS), CredentialProblem)


@pytest.mark.parametrize(
    "wrong",
    [
        {"credential_id": bytes(16)},
        {"uid": b"12345"},
        {"issue_number": 0},
        {"key_epoch": 0},
        {"not_after": 1 << 32},
        {"issuer_id": b"abc"},
        {"application": CardApplication.CARD},
    ],
)
def test_what_no_file_can_hold_is_not_made(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="no credential file"):
        replace(GOOD, **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("key", ISSUERS)
def test_issuer_keys_are_written_as_text(key: IssuerKey) -> None:
    assert IssuerKey.parse(key.text()) == key


@pytest.mark.parametrize(
    "text", ["", "00c0ffee", "00c0ffee:rsa:00", "00c0:ed25519:" + "00" * 32, ED25519_ISSUER.text()[:-2], "x:y:z"]
)
def test_what_is_no_issuer_key_is_refused_with_the_form(text: str) -> None:
    with pytest.raises(ValueError, match="8 hex digits"):
        IssuerKey.parse(text)
