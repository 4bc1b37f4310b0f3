"""One card's key as the arithmetic sees it: an object that encrypts, not bytes; software and PKCS#11 both fit.

Nothing here derives or stores a key.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

from cardcore.card_keys.asks import KeyName, KeyRefused


class KeyCipher(StrEnum):
    """Which block cipher a card's key is for; both have blocks and keys of 16 bytes."""

    AES = "aes"
    SM4 = "sm4"


class CardKey(Protocol):
    """A card's own key. The data of all three is whole blocks, except that `cmac` takes any length."""

    def encrypt(self, iv: bytes, data: bytes) -> bytes:
        """Return the CBC encryption, without padding."""
        ...

    def decrypt(self, iv: bytes, data: bytes) -> bytes:
        """Return the CBC decryption, without padding."""
        ...

    def cmac(self, data: bytes) -> bytes:
        """Return the 16-byte CMAC (RFC 4493); AES only."""
        ...

    def value(self) -> bytes:
        """Return the 16 key bytes, for writing them to a card in an ISSUE session and for nothing else."""
        ...


class CardKeyCustody(Protocol):
    """Where card keys come from."""

    def card_key(self, name: KeyName, cipher: KeyCipher) -> CardKey | KeyRefused:
        """Return the key of that name; `unknown_epoch` when there is no such master. Epoch 0 is 16 zero bytes."""
        ...
