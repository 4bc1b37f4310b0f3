"""AN10922: the published vectors, and the one-block form that an HSM computes."""

from __future__ import annotations

from uuid import UUID

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from hypothesis import given
from hypothesis import strategies as st

from cardcore.card_keys.roles import KeyRole, derivation_input
from cardcore.ids import SiteId
from server.keys.check_value import check_value
from server.keys.diversify import application_constant, card_block, diversified
from server.keys.names import site_layout

MASTER = bytes.fromhex("00112233445566778899AABBCCDDEEFF")
SYSTEM = b"OPENCANTEEN1"
AID = bytes.fromhex("F51CDB")
UID = bytes.fromhex("04782E21801D80")


def by_one_block(master: bytes, message: bytes) -> bytes:
    block = card_block(application_constant(master, message), message)
    return Cipher(AES(master), ECB()).encryptor().update(block)  # noqa: S305


@pytest.mark.parametrize(
    ("master", "message", "key"),
    [
        (MASTER, "04782E21801D803042F54E585020416275", "A8DD63A3B89D54B37CA802473FDA9175"),
        (MASTER, "00", "281049D52ECBC8F60961993D34DE3D54"),
        (MASTER, "000102030405060708090A0B0C0D0E", "5A3C7F6F0687F24F82DEE7EDA0970D08"),
        (bytes.fromhex("C8EE97FD8B00185EDC7598D7FEBC818A"), "04958CAA5C5E80", "F7FEBC360ACF72957B3D8DCFFEAA97EE"),
        (MASTER, (SYSTEM + AID + UID + b"\x01\x01").hex(), "B43B4062E6574D2F511FA72BFC0384CB"),
    ],
)
def test_published_vectors(master: bytes, message: str, key: str) -> None:
    assert diversified(master, bytes.fromhex(message)) == bytes.fromhex(key)


def test_the_constant_of_an_application_is_the_published_one() -> None:
    first_block = int("6CFE4A07C8578BF3D8F3E74D7DD1E5B6", 16)
    second_subkey = int("F793EEB928278083BFDC8A5A7E0E0D25", 16)  # of the same key, AN10922 2.2
    constant = application_constant(MASTER, SYSTEM + AID + UID + b"\x01\x01")
    assert int.from_bytes(constant, "big") == first_block ^ second_subkey


@given(st.binary(min_size=16, max_size=16), st.binary(min_size=24, max_size=24))
def test_one_block_gives_what_the_note_gives(master: bytes, message: bytes) -> None:
    assert by_one_block(master, message) == diversified(master, message)


@given(st.sets(st.binary(min_size=7, max_size=7), min_size=2, max_size=20))
def test_every_card_role_and_epoch_has_a_key_of_its_own(uids: set[bytes]) -> None:
    inputs = {
        derivation_input(site_layout(SiteId(UUID(int=1))), role, uid, epoch)
        for uid in uids
        for role in KeyRole
        for epoch in (1, 2, 255)
    }
    assert len(inputs) == len(uids) * len(KeyRole) * 3
    assert len({by_one_block(MASTER, message) for message in inputs}) == len(inputs)


@pytest.mark.parametrize("message", [b"", bytes(32)])
def test_an_input_the_note_does_not_know_is_refused(message: bytes) -> None:
    with pytest.raises(ValueError, match="1 to 31 bytes"):
        diversified(MASTER, message)


def test_a_block_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="24 bytes, not 4"):
        card_block(bytes(16), bytes(4))


def test_sites_have_different_system_ids() -> None:
    assert len({site_layout(SiteId(UUID(int=number))).system_id for number in range(50)}) == 50


def test_a_check_value_is_the_beginning_of_the_mac_of_zeros() -> None:
    """The MAC of one zero block is the encryption of K1; key and K1 are those of RFC 4493, section 4."""
    key = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
    first_subkey = bytes.fromhex("fbeed618357133667c85e08f7236a8de")
    encrypted = Cipher(AES(key), ECB()).encryptor().update(first_subkey)  # noqa: S305
    assert check_value(key) == encrypted[:3].hex().upper()
