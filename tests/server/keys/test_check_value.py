"""Key-check values against an independent computation."""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

from server.keys.check_value import check_value


def test_a_check_value_is_the_beginning_of_the_mac_of_zeros() -> None:
    """The MAC of one zero block is the encryption of K1; key and K1 are those of RFC 4493, section 4."""
    key = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
    first_subkey = bytes.fromhex("fbeed618357133667c85e08f7236a8de")
    encrypted = Cipher(AES(key), ECB()).encryptor().update(first_subkey)  # noqa: S305
    assert check_value(key) == encrypted[:3].hex().upper()
