"""A card's key in this process's memory: for the software backend, the factory's key, and ciphers a token lacks."""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES, SM4
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.cmac import CMAC

from cardcore.card_keys.custody import KeyCipher


class MemoryCardKey:
    """Implements `cardcore.card_keys.custody.CardKey`; its `repr` shows nothing."""

    __slots__ = ("_algorithm", "_value")

    def __init__(self, value: bytes, cipher: KeyCipher = KeyCipher.AES) -> None:
        """Take the 16 bytes."""
        self._value = value
        self._algorithm = AES(value) if cipher is KeyCipher.AES else SM4(value)

    def __repr__(self) -> str:
        """Show that it is a key and nothing of it."""
        return "MemoryCardKey()"

    def encrypt(self, iv: bytes, data: bytes) -> bytes:
        """CBC without padding."""
        encryptor = Cipher(self._algorithm, CBC(iv)).encryptor()
        return encryptor.update(data) + encryptor.finalize()

    def decrypt(self, iv: bytes, data: bytes) -> bytes:
        """CBC without padding."""
        decryptor = Cipher(self._algorithm, CBC(iv)).decryptor()
        return decryptor.update(data) + decryptor.finalize()

    def cmac(self, data: bytes) -> bytes:
        """Return the 16-byte CMAC."""
        mac = CMAC(self._algorithm)
        mac.update(data)
        return mac.finalize()

    def value(self) -> bytes:
        """Return the bytes, to be written onto the card."""
        return self._value
