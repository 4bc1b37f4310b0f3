"""Who holds which card: one made-up person a card, with category, department, access levels and opening money. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cardcore.access.items import Product
from cardcore.canteen.authorise import CANTEEN_PRODUCTS
from cardcore.ids import CategoryId, LevelId
from cardcore.money import Fen
from server.people.service import NewPerson
from server.seed.card_list import SeedCard
from server.seed.names import draw, made_up_name
from server.seed.reference_site import DEPARTMENTS, LEAVE

FIRST_NUMBER = 10_001
GATE_ONLY_CATEGORIES = ("tenant", "tenant", "contractor", "guest")
POOR_ONE_IN = 97
"""One account in so many cannot pay a lunch, so that refusals for money are seen."""
POOR_CASH = Fen(300)
SUBSIDY = Fen(30_000)
CASH_STEP = Fen(1_000)
CASH_STEPS = (20, 60)
"""Opening cash is a whole number of steps from the first to below the second: 200 to 590 yuan."""


@dataclass(frozen=True, slots=True)
class Holder:
    """One person, their card, and what their account opens with; no account for a gate-only card."""

    card: SeedCard
    person: NewPerson
    levels: tuple[LevelId, ...]
    cash: Fen
    subsidy: Fen
    has_account: bool


def holders(cards: Sequence[SeedCard], seed: int) -> list[Holder]:
    """Return a holder a card, the same for the same seed."""
    return [_holder(card, seed) for card in cards]


def _holder(card: SeedCard, seed: int) -> Holder:
    category = _category(card, seed)
    name = made_up_name(seed, card.index)
    department = f"d{draw(seed, 'department', card.index, len(DEPARTMENTS)) + 1:02d}" if category == "staff" else None
    person = NewPerson(str(FIRST_NUMBER + card.index), name.name, CategoryId(category), department, name.initials)
    entry = {"staff": "staff", "tenant": "tenant", "guest": "tenant", "contractor": "contractor"}[category]
    levels = () if card.product is Product.CANTEEN_ONLY else (LEAVE, LevelId(entry))
    poor = draw(seed, "poor", card.index, POOR_ONE_IN) == 0
    lowest, above = CASH_STEPS
    cash = Fen(CASH_STEP * (lowest + draw(seed, "cash", card.index, above - lowest)))
    return Holder(
        card,
        person,
        levels,
        cash=POOR_CASH if poor else cash,
        subsidy=SUBSIDY if category == "staff" and not poor else Fen(0),
        has_account=card.product in CANTEEN_PRODUCTS,
    )


def _category(card: SeedCard, seed: int) -> str:
    match card.product:
        case Product.COMBINED:
            return "staff"
        case Product.CANTEEN_ONLY:
            return "tenant"
        case _:
            return GATE_ONLY_CATEGORIES[draw(seed, "category", card.index, len(GATE_ONLY_CATEGORIES))]
