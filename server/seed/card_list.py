"""Which cards there are: read from the document that the virtual plant writes, so that both speak of the same plastic.

The document is JSON: {"version": 1, "cards": [{"index", "product", "credential"}, ...]}. Cards of the product
`stranger` were never issued and are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from cardcore.access.items import Product
from cardcore.ids import CredentialKey, credential_key

DOCUMENT_VERSION = 1
MAX_CARDS = 1_000_000
STRANGER = "stranger"


@dataclass(frozen=True, slots=True)
class SeedCard:
    """A card to issue: its number in the list, what it is sold as, and what readers read from it."""

    index: int
    product: Product
    credential: CredentialKey


class _Card(msgspec.Struct):
    index: int
    product: str
    credential: str


class _Document(msgspec.Struct):
    version: int
    cards: list[_Card]


def read_card_list(path: Path) -> list[SeedCard]:
    """Read the cards to issue, in order of index. Raises ValueError (or OSError) that says what is wrong."""
    return parse_card_list(path.read_bytes())


def parse_card_list(document: bytes) -> list[SeedCard]:
    """Read the cards to issue from the document's bytes, in order of index. Raises ValueError."""
    try:
        read = msgspec.json.decode(document, type=_Document)
    except msgspec.DecodeError as error:  # ValidationError is one
        msg = f"the card list cannot be read: {error}"
        raise ValueError(msg) from error
    if read.version != DOCUMENT_VERSION or len(read.cards) > MAX_CARDS:
        msg = f"the card list must have version {DOCUMENT_VERSION} and at most {MAX_CARDS} cards"
        raise ValueError(msg)
    cards = [
        SeedCard(card.index, Product(card.product), credential_key(card.credential))
        for card in read.cards
        if card.product != STRANGER
    ]
    if len({card.credential for card in cards}) != len(cards):
        msg = "the card list names one credential twice"
        raise ValueError(msg)
    return sorted(cards, key=lambda card: card.index)
