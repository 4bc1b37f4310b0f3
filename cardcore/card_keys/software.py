"""Card keys from masters held in memory: the sealed file's backend, the edge key, and every test.

A master lives as long as its `SoftwareCustody`. How it got there, and that it is written nowhere else, is the holder's
business.
"""

from __future__ import annotations

from collections.abc import Mapping

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import SM4
from cryptography.hazmat.primitives.ciphers.modes import CBC

from cardcore.card_keys.asks import KeyName, KeyRefusal, KeyRefused
from cardcore.card_keys.custody import KeyCipher
from cardcore.card_keys.roles import FACTORY_EPOCH, UID_BYTES, CardLayout, KeyRole, derivation_input
from cardcore.desfire.blocks import ZERO_BLOCK, cbc_decrypt, cbc_encrypt, cmac
from cardcore.desfire.diversify import diversify

KEY_BYTES = 16


class AesCardKey:
    """A `CardKey` over AES-128. Its repr shows nothing."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        """Take 16 bytes; raises ValueError otherwise."""
        if len(key) != KEY_BYTES:
            msg = f"a card key has {KEY_BYTES} bytes, got {len(key)}"
            raise ValueError(msg)
        self._key = key

    def __repr__(self) -> str:
        """Show the kind only."""
        return f"{type(self).__name__}(…)"

    def encrypt(self, iv: bytes, data: bytes) -> bytes:
        """See `CardKey`."""
        return cbc_encrypt(self._key, iv, data)

    def decrypt(self, iv: bytes, data: bytes) -> bytes:
        """See `CardKey`."""
        return cbc_decrypt(self._key, iv, data)

    def cmac(self, data: bytes) -> bytes:
        """See `CardKey`."""
        return cmac(self._key, data)

    def value(self) -> bytes:
        """See `CardKey`."""
        return self._key


class Sm4CardKey(AesCardKey):
    """A `CardKey` over SM4 (GB/T 32907); it has no CMAC here because no dialogue asks for one."""

    __slots__ = ()

    def encrypt(self, iv: bytes, data: bytes) -> bytes:
        """See `CardKey`."""
        encryptor = Cipher(SM4(self._key), CBC(iv)).encryptor()
        return encryptor.update(data) + encryptor.finalize()

    def decrypt(self, iv: bytes, data: bytes) -> bytes:
        """See `CardKey`."""
        decryptor = Cipher(SM4(self._key), CBC(iv)).decryptor()
        return decryptor.update(data) + decryptor.finalize()

    def cmac(self, data: bytes) -> bytes:
        """Refuse (TypeError)."""
        msg = f"no CMAC under SM4, asked over {len(data)} bytes"
        raise TypeError(msg)


def sm4_card_value(master: bytes, layout: CardLayout, name: KeyName) -> bytes:
    """Return an SM4 card's key: SM4(master, X) xor X cut to a block, X the last 16 bytes of the derivation input.

    X is AID (from its second byte), UID, key number and epoch, padded on the left with the system id: the inputs of two
    cards, roles or epochs differ, so the blocks do. Own profile; card operating systems define their own.
    """
    block = derivation_input(layout, name.role, name.uid, name.epoch)[-KEY_BYTES:]
    return Sm4CardKey(master).encrypt(ZERO_BLOCK, block)


class SoftwareCustody:
    """`CardKeyCustody` over masters by (role, epoch)."""

    def __init__(self, layout: CardLayout, masters: Mapping[tuple[KeyRole, int], bytes]) -> None:
        """Keep the masters; each 16 bytes (ValueError)."""
        self._layout = layout
        self._masters = {place: AesCardKey(master) for place, master in masters.items()}

    def __repr__(self) -> str:
        """Say how many masters there are, and none of them."""
        return f"SoftwareCustody({len(self._masters)} masters)"

    def card_key(self, name: KeyName, cipher: KeyCipher) -> AesCardKey | KeyRefused:
        """See `CardKeyCustody`."""
        if name.epoch == FACTORY_EPOCH:
            return AesCardKey(bytes(KEY_BYTES)) if cipher is KeyCipher.AES else Sm4CardKey(bytes(KEY_BYTES))
        master = self._masters.get((name.role, name.epoch))
        if master is None:
            return KeyRefused(KeyRefusal.UNKNOWN_EPOCH, f"no master {name.role} of epoch {name.epoch}")
        if len(name.uid) not in (4, UID_BYTES):
            return KeyRefused(KeyRefusal.BAD_REQUEST, f"serial number of {len(name.uid)} bytes")
        if cipher is KeyCipher.SM4:
            return Sm4CardKey(sm4_card_value(master.value(), self._layout, name))
        return AesCardKey(diversify(master.value(), derivation_input(self._layout, name.role, name.uid, name.epoch)))
