"""AN10922: a card's own AES-128 key from a master and up to 31 bytes of input, in one or two steps.

The two-step form keeps everything of an application in one constant block, so that an HSM needs a single
CKM_AES_ECB_ENCRYPT_DATA derivation a card.
"""

from __future__ import annotations

from cardcore.desfire.blocks import BLOCK_BYTES, ZERO_BLOCK, cbc_encrypt, doubled, encrypt_block, pad80, xored

LONGEST_INPUT_BYTES = 31
AES_128_CONSTANT = b"\x01"


def diversify(master: bytes, diversification: bytes) -> bytes:
    """Return the 16-byte key of AN10922, 2.2 for 1..31 bytes of input M; raises ValueError outside.

    Always two blocks: below 31 bytes padded with 80 00.. and K2, else K1. Up to 15 bytes this is not CMAC.
    """
    if not 1 <= len(diversification) <= LONGEST_INPUT_BYTES:
        msg = f"the diversification input takes 1 to {LONGEST_INPUT_BYTES} bytes, got {len(diversification)}"
        raise ValueError(msg)
    message = AES_128_CONSTANT + diversification
    subkey = doubled(encrypt_block(master, ZERO_BLOCK))
    if len(message) < 2 * BLOCK_BYTES:
        subkey = doubled(subkey)
        message = pad80(message).ljust(2 * BLOCK_BYTES, b"\0")
    first, second = message[:BLOCK_BYTES], message[BLOCK_BYTES:]
    return cbc_encrypt(master, ZERO_BLOCK, first + xored(second, subkey))[BLOCK_BYTES:]


def application_constant(master: bytes, first_15: bytes) -> bytes:
    """Return E(K, 01 | first 15 bytes of M) xor K2: computed once an application, at the ceremony.

    For inputs M of 15 to 30 bytes that begin with the same 15 (system id and AID). Raises ValueError otherwise.
    """
    if len(first_15) != BLOCK_BYTES - 1:
        msg = f"the constant covers {BLOCK_BYTES - 1} bytes of the input, got {len(first_15)}"
        raise ValueError(msg)
    second_subkey = doubled(doubled(encrypt_block(master, ZERO_BLOCK)))
    return xored(encrypt_block(master, AES_128_CONSTANT + first_15), second_subkey)


def card_block(constant: bytes, rest: bytes) -> bytes:
    """Return the block whose encryption under the master is the card's key; `rest` is M from byte 15 on."""
    if len(rest) >= BLOCK_BYTES:
        msg = f"the part of the input after the constant takes at most {BLOCK_BYTES - 1} bytes, got {len(rest)}"
        raise ValueError(msg)
    return xored(constant, pad80(rest))
