"""What the chip computes: AES, CMAC from any IV, checksums, paddings, and LRP by its recursive definition."""

from __future__ import annotations

import functools
import zlib

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.cmac import CMAC

ZERO = bytes(16)


def aes(key: bytes, block: bytes) -> bytes:
    """Encrypt one block."""
    return encipher(key, ZERO, block)


def encipher(key: bytes, iv: bytes, blocks: bytes) -> bytes:
    """Run CBC forwards."""
    return Cipher(AES(key), CBC(iv)).encryptor().update(blocks)


def decipher(key: bytes, iv: bytes, blocks: bytes) -> bytes:
    """Run CBC backwards."""
    return Cipher(AES(key), CBC(iv)).decryptor().update(blocks)


def mac16(key: bytes, message: bytes) -> bytes:
    """Return the whole CMAC."""
    machine = CMAC(AES(key))
    machine.update(message)
    return machine.finalize()


def mac8(key: bytes, message: bytes) -> bytes:
    """Return the odd bytes of the CMAC, as EV2 sends it."""
    full = mac16(key, message)
    return bytes(full[i] for i in range(1, 16, 2))


def shifted(block: bytes) -> bytes:
    """Shift one bit left, folding the carry back with 87."""
    number = int.from_bytes(block, "big")
    carry = 0x87 if number >> 127 else 0
    return ((number * 2 & (2**128 - 1)) ^ carry).to_bytes(16, "big")


def mixed(one: bytes, other: bytes) -> bytes:
    """Exclusive or, byte by byte."""
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def with_marker(message: bytes) -> bytes:
    """Append 80 and zeros up to a block."""
    marked = message + b"\x80"
    while len(marked) % 16:
        marked += b"\0"
    return marked


def mac_from(key: bytes, iv: bytes, message: bytes) -> bytes:
    """Return the CMAC that starts from an IV, as EV1 chains it."""
    subkey = shifted(aes(key, ZERO))
    if message and len(message) % 16 == 0:
        last = mixed(message[-16:], subkey)
        rest = message[:-16]
    else:
        marked = with_marker(message)
        last, rest = mixed(marked[-16:], shifted(subkey)), marked[:-16]
    return encipher(key, iv, rest + last)[-16:]


def checksum(message: bytes) -> bytes:
    """CRC32 without the final inversion, low byte first."""
    return (~zlib.crc32(message) & 0xFFFFFFFF).to_bytes(4, "little")


class Leakproof:
    """LRP under one key (AN12304), slow and straight."""

    def __init__(self, key: bytes) -> None:
        """Compute the 16 plaintexts and the first two updated keys."""
        upper, lower = bytes.fromhex("55" * 16), bytes.fromhex("AA" * 16)
        walk = aes(key, upper)
        self._plain = []
        for _ in range(16):
            self._plain.append(aes(walk, lower))
            walk = aes(walk, upper)
        start = aes(key, lower)
        self._keys = [aes(start, lower), aes(aes(start, upper), lower)]

    def value(self, which: int, digits: str) -> bytes:
        """Evaluate over hexadecimal digits, finalised."""
        walked = functools.reduce(lambda key, digit: aes(key, self._plain[int(digit, 16)]), digits, self._keys[which])
        return aes(walked, ZERO)

    def mac(self, message: bytes) -> bytes:
        """CMAC with the evaluation in the block cipher's place."""
        subkey = shifted(self.value(0, ZERO.hex()))
        if not message or len(message) % 16:
            message, subkey = with_marker(message), shifted(subkey)
        state = ZERO
        for at in range(0, len(message), 16):
            block = mixed(state, message[at : at + 16])
            if at + 16 == len(message):
                block = mixed(block, subkey)
            state = self.value(0, block.hex())
        return state

    def mac_short(self, message: bytes) -> bytes:
        """Return the odd bytes of the MAC."""
        return self.mac(message)[1::2]

    def crypt(self, counter: int, blocks: bytes, *, encrypting: bool) -> bytes:
        """Encrypt or decrypt blocks, each under the key of its own counter."""
        out = b""
        for at in range(0, len(blocks), 16):
            key = self.value(1, f"{counter + at // 16:08x}")
            block = blocks[at : at + 16]
            out += aes(key, block) if encrypting else decipher(key, ZERO, block)
        return out
