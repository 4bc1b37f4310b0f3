"""The virtual cards against the public rules, without the reader's code."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from firmware_mocks.virtual_card.card import CardGone
from firmware_mocks.virtual_card.misbehaving import LONGEST_RUBBISH_BYTES, RubbishCard, SilentCard, TornCard
from firmware_mocks.virtual_card.pkoc_card import PkocCard, signature
from firmware_mocks.virtual_card.uid_card import UidCard

SELECT = bytes.fromhex("00A4040008A00000089800000100")
TRANSACTION = bytes(range(16))
AUTHENTICATE = (
    bytes.fromhex("8080000138 5C020100 4C10") + TRANSACTION + bytes.fromhex("4D20") + bytes(32) + bytes.fromhex("00")
)
GOLDEN_PRIVATE = 0x1122334455667788990011223344556677889900112233445566778899001122
GOLDEN_SIGNATURE = (
    "9df0904083c238787561f8573873edd843f98827543cfbf7e8bf7525aa7cba4a"
    "0329bd71b21bc7546e1496d60d40f1fda9ba4b9386abee2d4f451e1c8d30004e"
)


def test_signature_is_the_golden_one() -> None:
    assert signature(ec.derive_private_key(GOLDEN_PRIVATE, ec.SECP256R1()), TRANSACTION).hex() == GOLDEN_SIGNATURE


def test_pkoc_card_proves_its_key_over_the_transaction() -> None:
    card = PkocCard(5)
    assert card.answer(SELECT) == bytes.fromhex("5C0201009000")
    answer = card.answer(AUTHENTICATE)
    assert (answer[:2], answer[67:69], answer[-2:]) == (b"\x5a\x41", b"\x9e\x40", b"\x90\x00")
    point, proof = answer[2:67], answer[69:133]
    assert card.credential == f"pkoc:{point[1:33].hex()}"
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    halves = encode_dss_signature(int.from_bytes(proof[:32], "big"), int.from_bytes(proof[32:], "big"))
    key.verify(halves, TRANSACTION, ec.ECDSA(hashes.SHA256()))


def test_same_seed_same_card_other_seed_other_card() -> None:
    assert PkocCard(1).credential == PkocCard(1).credential
    assert len({PkocCard(seed).credential for seed in range(50)}) == 50


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (b"", "6700"),
        (b"\x60", "6700"),
        (AUTHENTICATE, "6985"),
        (bytes.fromhex("00A4040005A00000000100"), "6a82"),
        (bytes.fromhex("00CA000000"), "6d00"),
        (bytes.fromhex("FFCA000000"), "6e00"),
        (bytes.fromhex("9060000000"), "6e00"),
    ],
)
def test_pkoc_card_refuses_as_a_card_does(command: bytes, status: str) -> None:
    assert PkocCard(1).answer(command).hex() == status


@pytest.mark.parametrize("request_data", ["", "5C0202004C00", "5C0201004C0401020304", "5C"])
def test_pkoc_card_refuses_a_request_out_of_form(request_data: str) -> None:
    card = PkocCard(1)
    card.answer(SELECT)
    data = bytes.fromhex(request_data)
    assert card.answer(bytes.fromhex("80800001") + bytes([len(data)]) + data + b"\0").hex() == "6a80"


def test_power_on_forgets_the_selection() -> None:
    card = PkocCard(1)
    card.answer(SELECT)
    card.power_on()
    assert card.answer(AUTHENTICATE).hex() == "6985"


def test_uid_card_shows_its_number_and_nothing_else() -> None:
    card = UidCard(bytes.fromhex("04A1B2C3D4E5F6"))
    assert card.answer(bytes.fromhex("FFCA000000")).hex() == "04a1b2c3d4e5f69000"
    assert card.answer(SELECT).hex() == "6a82"
    assert card.credential == "uid:04a1b2c3d4e5f6"
    with pytest.raises(ValueError, match="not 5"):
        UidCard(bytes(5))


def test_torn_card_leaves_after_its_bytes_and_comes_back_with_power() -> None:
    card = TornCard(PkocCard(1), len(SELECT))
    for _ in range(2):
        card.power_on()
        assert card.answer(SELECT) is not None
        with pytest.raises(CardGone):
            card.answer(AUTHENTICATE)


def test_rubbish_is_the_same_for_the_same_seed_and_bounded() -> None:
    card = RubbishCard(1)
    first = [card.answer(SELECT) for _ in range(20)]
    card.power_on()
    assert [card.answer(SELECT) for _ in range(20)] == first
    assert max(len(answer) for answer in first) < LONGEST_RUBBISH_BYTES
    assert RubbishCard(1, accepting=True).answer(SELECT).endswith(b"\x90\x00")


def test_silent_card_is_asked_and_stays_silent() -> None:
    card = SilentCard()
    card.answer(SELECT)
    assert card.asked.is_set()
