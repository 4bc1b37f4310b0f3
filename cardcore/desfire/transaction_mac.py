"""The transaction MAC of EV2 and EV3: what the back end checks about a transaction that a till committed.

How an EV3 card builds the transaction's MAC input is not publicly fixed: it is an input here, and nothing relies on
it before it was proven on a card.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

from cardcore.desfire.blocks import ZERO_BLOCK, cbc_decrypt, cmac, every_second, same

LAST_COUNTER = 0xFFFFFFFF
_LENGTHS = bytes.fromhex("00010080")


@dataclass(frozen=True, slots=True)
class TransactionMacKeys:
    """The two session keys of one transaction."""

    mac: bytes = field(repr=False)
    encryption: bytes = field(repr=False)

    @classmethod
    def derive(cls, key: bytes, counter: int, uid: bytes) -> Self:
        """Derive them from the card's TMAC key, the counter of this very transaction and the 7-byte UID."""
        vector = _LENGTHS + counter.to_bytes(4, "little") + uid
        return cls(cmac(key, b"\x5a" + vector), cmac(key, b"\xa5" + vector))

    def reader_id(self, sealed: bytes) -> bytes:
        """Decrypt the reader id of the transaction before, 16 bytes."""
        return cbc_decrypt(self.encryption, ZERO_BLOCK, sealed)


def transaction_mac(mac_key: bytes, transaction: bytes) -> bytes:
    """Return the 8-byte transaction MAC value over the transaction's MAC input."""
    return every_second(cmac(mac_key, transaction))


def transaction_is_genuine(key: bytes, counter: int, uid: bytes, transaction: bytes, value: bytes) -> bool:
    """Tell whether a card with this TMAC key committed this transaction under this counter."""
    if not 0 < counter <= LAST_COUNTER:
        return False
    return same(transaction_mac(TransactionMacKeys.derive(key, counter, uid).mac, transaction), value)
