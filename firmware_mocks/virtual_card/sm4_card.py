"""A CPU card with SM4: GET CHALLENGE, EXTERNAL and INTERNAL AUTHENTICATE, one signed file behind them.

Its application answers SELECT with a template that names serial number and key epoch. Reader and card use different
keys, both computed from one: E(key, 01..01) for the reader's proof, E(key, 02..02) for the card's.
"""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import SM4
from cryptography.hazmat.primitives.ciphers.modes import CBC

from firmware_mocks.virtual_card.card import (
    ATR_14443_4,
    SHORTEST_COMMAND_BYTES,
    STATUS_CLASS,
    STATUS_CONDITIONS,
    STATUS_INSTRUCTION,
    STATUS_NOT_FOUND,
    STATUS_OK,
    STATUS_WRONG_DATA,
    STATUS_WRONG_LENGTH,
)

BLOCK = 16
STATUS_SECURITY = bytes.fromhex("6982")
STATUS_BLOCKED = bytes.fromhex("6983")
TRIES = 3
"""Wrong proofs of a reader in one field; then the card takes no more."""


def sm4(key: bytes, block: bytes) -> bytes:
    """Encrypt one block."""
    return Cipher(SM4(key), CBC(bytes(BLOCK))).encryptor().update(block)


class Sm4Card:
    """Holds `file` for the application called `name`; `key` is its own, `epoch` the key's version."""

    def __init__(self, name: bytes, uid: bytes, key: bytes, file: bytes, *, epoch: int = 1) -> None:
        """Keep the parts; chance comes from the serial number."""
        self.name = name
        self.uid = uid
        self.key = key
        self.file = file
        self.epoch = epoch
        self.atr = ATR_14443_4
        self._draws = 0
        self.power_on()

    def power_on(self) -> None:
        """Nothing is selected, nobody is proven."""
        self._selected = self._proven = False
        self._challenge = b""
        self._tries = TRIES

    def answer(self, command: bytes) -> bytes:
        """Answer an APDU."""
        if len(command) < SHORTEST_COMMAND_BYTES:
            return STATUS_WRONG_LENGTH
        if command[0]:
            return STATUS_CLASS
        size = command[4] if len(command) > SHORTEST_COMMAND_BYTES else 0
        if command[1:4] == bytes.fromhex("A40400"):
            return self._select(command[5 : 5 + size])
        if not self._selected:
            return STATUS_CONDITIONS
        match command[1]:
            case 0x84:
                return self._draw(size)
            case 0x82:
                return self._external(command[5 : 5 + size])
            case 0x88:
                return self._internal(command[5 : 5 + size])
            case 0xB0:
                return self._read(command[2], command[3], size)
        return STATUS_INSTRUCTION

    def _select(self, name: bytes) -> bytes:
        self._selected, self._proven, self._challenge = name == self.name, False, b""
        if not self._selected:
            return STATUS_NOT_FOUND
        own = bytes([0xC1, len(self.uid)]) + self.uid + bytes([0xC2, 1, self.epoch])
        inner = bytes([0x84, len(name)]) + name + bytes([0xA5, len(own)]) + own
        return bytes([0x6F, len(inner)]) + inner + STATUS_OK

    def _draw(self, size: int) -> bytes:
        if size != BLOCK:
            return STATUS_WRONG_LENGTH
        self._draws += 1
        self._challenge = hashlib.shake_128(self.uid + self._draws.to_bytes(4, "big")).digest(BLOCK)
        return self._challenge + STATUS_OK

    def _external(self, cryptogram: bytes) -> bytes:
        if not self._tries:
            return STATUS_BLOCKED
        challenge, self._challenge = self._challenge, b""
        if not challenge:
            return STATUS_CONDITIONS
        self._proven = cryptogram == sm4(sm4(self.key, b"\x01" * BLOCK), challenge)
        if not self._proven:
            self._tries -= 1
            return bytes([0x63, 0xC0 | self._tries])
        return STATUS_OK

    def _internal(self, challenge: bytes) -> bytes:
        if len(challenge) != BLOCK:
            return STATUS_WRONG_DATA
        if not self._proven:
            return STATUS_SECURITY
        return sm4(sm4(self.key, b"\x02" * BLOCK), challenge) + STATUS_OK

    def _read(self, short_file: int, offset: int, size: int) -> bytes:
        if not self._proven:
            return STATUS_SECURITY
        if short_file != 0x81:  # noqa: PLR2004 - the only file, by its short name
            return STATUS_NOT_FOUND
        part = self.file[offset : offset + (size or 256)]
        return part + STATUS_OK if part else STATUS_WRONG_DATA
