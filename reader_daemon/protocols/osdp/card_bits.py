"""The credential key of a card that a reader reports as raw bits (reply RAW, SIA OSDP 2.2 annex A)."""

from __future__ import annotations

from cardcore.ids import CredentialKey

MIN_CARD_BITS = 8
MAX_CARD_BITS = 256
_NIBBLE_BITS = 4


def wiegand_key(bit_count: int, bits: bytes) -> CredentialKey | None:
    """Return `wiegand:<bits>-<hex>`, or None if the bit count is no card's.

    `bits` is left-aligned as on the wire. The hex has one digit for every four bits begun, and the unused bits of the
    last one are 0 whatever the reader sent there: the same card gives the same key at every reader.
    """
    if not MIN_CARD_BITS <= bit_count <= MAX_CARD_BITS or len(bits) * 8 < bit_count:
        return None
    digits = -(-bit_count // _NIBBLE_BITS)
    value = int.from_bytes(bits, "big") >> (len(bits) * 8 - bit_count)
    return CredentialKey(f"wiegand:{bit_count}-{value << (digits * _NIBBLE_BITS - bit_count):0{digits}x}")
