"""One key a card: NXP AN10922 for AES-128, in the order that lets an HSM derive without giving anything out.

M is `cardcore.card_keys.roles.derivation_input`: system id 12, AID 3, UID 7, key number 1, epoch 1. The first block of
the CMAC, `01 | system id | AID`, is the same for all cards of an application, so `C = E(K, that) xor K2` is computed
once at the ceremony and each card key is one block: `E(K, C xor (the rest of M | 80 | 0..))`. Source: AN10922, 2.2.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB

from cardcore.card_keys.roles import DERIVATION_INPUT_BYTES

BLOCK = 16
LONGEST_INPUT = 31
"""Bytes of M: with its constant it fills two blocks at most."""
_POLYNOMIAL = 0x87
_CONSTANT = b"\x01"


def diversified(master: bytes, message: bytes) -> bytes:
    """Return the AES-128 key for a message of 1 to 31 bytes (AN10922 2.2: always two blocks, unlike a plain CMAC)."""
    if not 0 < len(message) <= LONGEST_INPUT:
        msg = f"the derivation input has 1 to {LONGEST_INPUT} bytes, not {len(message)}"
        raise ValueError(msg)
    first, second = _subkeys(master)
    is_whole = len(message) == LONGEST_INPUT
    padded = (_CONSTANT + message + (b"" if is_whole else b"\x80")).ljust(2 * BLOCK, b"\x00")
    last = _xored(padded[BLOCK:], first if is_whole else second)
    encryptor = Cipher(AES(master), CBC(bytes(BLOCK))).encryptor()
    return (encryptor.update(padded[:BLOCK] + last) + encryptor.finalize())[BLOCK:]


def application_constant(master: bytes, message: bytes) -> bytes:
    """Return `C` of an application from any M of it: 16 bytes that are no key and from which no key follows."""
    encryptor = Cipher(AES(master), ECB()).encryptor()  # noqa: S305 - one block, as AN10922 builds its CMAC
    return _xored(encryptor.update(_CONSTANT + message[: BLOCK - 1]), _subkeys(master)[1])


def card_block(constant: bytes, message: bytes) -> bytes:
    """Return the block whose encryption under the master is the card's key; `message` is M, 24 bytes."""
    if len(message) != DERIVATION_INPUT_BYTES:
        msg = f"a card key is derived from {DERIVATION_INPUT_BYTES} bytes, not {len(message)}"
        raise ValueError(msg)
    return _xored(constant, (message[BLOCK - 1 :] + b"\x80").ljust(BLOCK, b"\x00"))


def _subkeys(key: bytes) -> tuple[bytes, bytes]:
    """Return K1 and K2 of CMAC (NIST SP 800-38B, 6.1)."""
    encryptor = Cipher(AES(key), ECB()).encryptor()  # noqa: S305 - one block, as the standard says
    first = _doubled(encryptor.update(bytes(BLOCK)))
    return first, _doubled(first)


def _doubled(block: bytes) -> bytes:
    value = int.from_bytes(block, "big") << 1
    carry = value >> (8 * BLOCK)
    return ((value & ((1 << 8 * BLOCK) - 1)) ^ (_POLYNOMIAL if carry else 0)).to_bytes(BLOCK, "big")


def _xored(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))
