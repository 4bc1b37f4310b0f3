"""Block arithmetic under all DESFire sessions: AES-CBC, CMAC, paddings, the card's CRC32, constant-time compare.

Lengths are checked by the callers; nothing here knows a command.
"""

from __future__ import annotations

import zlib

from cryptography.hazmat.primitives import constant_time
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.cmac import CMAC

BLOCK_BYTES = 16
ZERO_BLOCK = bytes(BLOCK_BYTES)
MAC_BYTES = 8
CRC_BYTES = 4
_PAD = 0x80


def cbc_encrypt(key: bytes, iv: bytes, data: bytes) -> bytes:
    """Encrypt whole blocks with AES-CBC; no padding."""
    encryptor = Cipher(AES(key), CBC(iv)).encryptor()
    return encryptor.update(data) + encryptor.finalize()


def cbc_decrypt(key: bytes, iv: bytes, data: bytes) -> bytes:
    """Decrypt whole blocks with AES-CBC; no padding."""
    decryptor = Cipher(AES(key), CBC(iv)).decryptor()
    return decryptor.update(data) + decryptor.finalize()


def encrypt_block(key: bytes, block: bytes) -> bytes:
    """Encrypt one block."""
    return cbc_encrypt(key, ZERO_BLOCK, block)


def cmac(key: bytes, data: bytes) -> bytes:
    """Return the AES-CMAC of RFC 4493, 16 bytes."""
    mac = CMAC(AES(key))
    mac.update(data)
    return mac.finalize()


def doubled(block: bytes) -> bytes:
    """Multiply a block by x in GF(2**128), as for CMAC subkeys (RFC 4493, 2.3)."""
    value = int.from_bytes(block, "big") << 1
    if value >> 128:
        value = (value & (1 << 128) - 1) ^ 0x87
    return value.to_bytes(BLOCK_BYTES, "big")


def xored(left: bytes, right: bytes) -> bytes:
    """Return the exclusive or of two strings of the same length."""
    return (int.from_bytes(left, "big") ^ int.from_bytes(right, "big")).to_bytes(len(left), "big")


def rotated_left(data: bytes) -> bytes:
    """Move the first byte to the end."""
    return data[1:] + data[:1]


def pad80(data: bytes) -> bytes:
    """Pad with 80 00.. to whole blocks, a whole block more when aligned (ISO/IEC 9797-1, method 2)."""
    return data + bytes([_PAD]) + bytes(-(len(data) + 1) % BLOCK_BYTES)


def unpad80(data: bytes) -> bytes | None:
    """Take the padding of `pad80` away; None when there is none, or it is longer than a block."""
    stripped = data.rstrip(b"\0")
    if not stripped or stripped[-1] != _PAD or len(data) - len(stripped) >= BLOCK_BYTES:
        return None
    return stripped[:-1]


def pad_zero(data: bytes) -> bytes:
    """Pad with zeros to whole blocks."""
    return data + bytes(-len(data) % BLOCK_BYTES)


def every_second(mac: bytes) -> bytes:
    """Cut a CMAC to the bytes 1, 3, .., 15 (EV2, LRP)."""
    return mac[1::2]


def jamcrc(data: bytes) -> bytes:
    """Return CRC-32/JAMCRC, least significant byte first, as DESFire sends it."""
    return (zlib.crc32(data) ^ 0xFFFFFFFF).to_bytes(CRC_BYTES, "little")


def same(left: bytes, right: bytes) -> bool:
    """Compare in constant time."""
    return constant_time.bytes_eq(left, right)
