"""The reference site's cards as the readers see them: number by index, nothing else known about them.

Who holds a card is the server's business; the seeder reads the JSON file that `write_cards` makes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

CARD_BITS = 34
_VALUE_BITS = 32
_HALF = 16
_SPREAD = 2_654_435_761
"""Odd, so that index -> value is one-to-one modulo 2^32, and neighbours in the list are no neighbours in number."""
_START = 0x4F6E_6543


@dataclass(frozen=True, slots=True)
class CardRange:
    """Cards of one product: indices first .. first + count - 1."""

    product: str
    first: int
    count: int


CARD_RANGES = (
    CardRange("combined", 0, 2_455),
    CardRange("gate_only", 2_455, 922),
    CardRange("canteen_only", 3_377, 460),
)
CARD_COUNT = sum(each.count for each in CARD_RANGES)
STRANGER = "stranger"
STRANGER_COUNT = 1_000
"""Indices CARD_COUNT .. CARD_COUNT + 999 are cards that nobody ever issued, for refusals."""


def card_number(index: int) -> tuple[int, str]:
    """Return (bit count, hex as on the OSDP wire) of a card: even parity, 32 bits, odd parity, right-padded with 0.

    The number is unique for every index. Raises ValueError outside 0..CARD_COUNT + STRANGER_COUNT - 1.
    """
    if not 0 <= index < CARD_COUNT + STRANGER_COUNT:
        msg = f"card index must be 0..{CARD_COUNT + STRANGER_COUNT - 1}, got {index}"
        raise ValueError(msg)
    value = (index * _SPREAD + _START) % (1 << _VALUE_BITS)
    leading = (value >> _HALF).bit_count() % 2
    trailing = 1 - (value & 0xFFFF).bit_count() % 2
    bits = leading << (CARD_BITS - 1) | value << 1 | trailing
    byte_count = -(-CARD_BITS // 8)
    return CARD_BITS, (bits << (byte_count * 8 - CARD_BITS)).to_bytes(byte_count, "big").hex()


def credential(index: int) -> str:
    """Return the credential key under which a panel reports the card: one hex digit for every four bits begun."""
    bits, digits = card_number(index)
    return f"wiegand:{bits}-{digits[: -(-bits // 4)]}"


def product_of(index: int) -> str:
    """Return the product of a card, or `stranger` for one that was never issued."""
    for each in CARD_RANGES:
        if each.first <= index < each.first + each.count:
            return each.product
    return STRANGER


def ranges_document() -> list[dict[str, object]]:
    """Return the ranges of products, strangers last, as JSON objects."""
    ranges = (*CARD_RANGES, CardRange(STRANGER, CARD_COUNT, STRANGER_COUNT))
    return [{"product": each.product, "first": each.first, "count": each.count} for each in ranges]


def cards_document() -> dict[str, object]:
    """Return the JSON document the server's seeder reads; see docs/mocks.md."""
    cards = [
        {"index": index, "product": product_of(index), "credential": credential(index)}
        for index in range(CARD_COUNT + STRANGER_COUNT)
    ]
    return {"version": 1, "bits": CARD_BITS, "ranges": ranges_document(), "cards": cards}


def write_cards(path: Path) -> None:
    """Write the cards document to `path`."""
    path.write_text(json.dumps(cards_document(), indent=1) + "\n", encoding="utf-8")
