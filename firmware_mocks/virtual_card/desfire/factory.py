"""The chip as it leaves the factory: a DES master key of zeros, its two authentications, and the way out to AES.

Only what the card level needs for that one change; a chip with a DES key runs no other secured command here.
"""

from __future__ import annotations

from collections.abc import Callable

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.modes import CBC

from firmware_mocks.virtual_card.desfire.arithmetic import checksum
from firmware_mocks.virtual_card.desfire.memory import CardError

BLOCK = 8
_KEY_BODY = 17


def des(key: bytes, iv: bytes, blocks: bytes, *, forward: bool) -> bytes:
    """Run DES in CBC with one 8-byte key."""
    cipher = Cipher(TripleDES(key * 3), CBC(iv))
    return (cipher.encryptor() if forward else cipher.decryptor()).update(blocks)


def crc_a(message: bytes) -> bytes:
    """Checksum of ISO/IEC 14443 type A."""
    register = 0x6363
    for byte in message:
        mixed = (byte ^ register) & 0xFF
        mixed = (mixed ^ mixed << 4) & 0xFF
        register = (register >> 8) ^ (mixed << 8) ^ (mixed << 3) ^ (mixed >> 4)
    return bytes([register & 0xFF, register >> 8])


def received(key: bytes, blocks: bytes) -> bytes:
    """Undo what a D40 reader sends: encrypt each block and mix it with the block sent before."""
    out, before = b"", bytes(BLOCK)
    for at in range(0, len(blocks), BLOCK):
        block = blocks[at : at + BLOCK]
        clear = des(key, bytes(BLOCK), block, forward=True)
        out += bytes(a ^ b for a, b in zip(clear, before, strict=True))
        before = block
    return out


class FactoryKey:
    """One DES authentication and the change that ends it; `draw` gives random bytes."""

    def __init__(self, key: bytes, draw: Callable[[int], bytes], *, knows_iso: bool) -> None:
        """`knows_iso` False is a card that only takes the native method."""
        self._key = key
        self._draw = draw
        self._knows_iso = knows_iso
        self._mine = self._challenge = b""
        self._iso = False
        self._session = b""

    def begin(self, instruction: int) -> bytes:
        """Answer 1A or 0A with the encrypted RndB."""
        if instruction == 0x1A and not self._knows_iso:  # noqa: PLR2004 - AuthenticateISO
            raise CardError(0x1C)
        self._iso = instruction == 0x1A  # noqa: PLR2004
        self._mine = self._draw(BLOCK)
        self._challenge = des(self._key, bytes(BLOCK), self._mine, forward=True)
        return self._challenge

    def finish(self, token: bytes) -> bytes:
        """Check the reader's proof and return ours."""
        if len(token) != 2 * BLOCK or not self._challenge:
            raise CardError(0x7E)
        clear = des(self._key, self._challenge, token, forward=False) if self._iso else received(self._key, token)
        theirs, rotated = clear[:BLOCK], clear[BLOCK:]
        if rotated != self._mine[1:] + self._mine[:1]:
            raise CardError(0xAE)
        self._session = theirs[:4] + self._mine[:4]
        iv = token[-BLOCK:] if self._iso else bytes(BLOCK)
        return des(self._key, iv, theirs[1:] + theirs[:1], forward=True)

    def new_aes_key(self, data: bytes) -> tuple[bytes, int]:
        """Take ChangeKey's cryptogram apart; returns key and version."""
        if not self._session or len(data) != 1 + 3 * BLOCK or data[0] != 0x80:  # noqa: PLR2004 - AES master key
            raise CardError(0xAE if not self._session else 0x9E)
        session, self._session = self._session, b""
        if self._iso:
            clear = des(session, bytes(BLOCK), data[1:], forward=False)
            check = checksum(b"\xc4\x80" + clear[:_KEY_BODY])
        else:
            clear = received(session, data[1:])
            check = crc_a(clear[:_KEY_BODY])
        rest = clear[_KEY_BODY:]
        if rest != check + bytes(len(rest) - len(check)):
            raise CardError(0x1E)
        return clear[:16], clear[16]
