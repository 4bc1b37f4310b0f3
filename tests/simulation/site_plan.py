"""The small site that every run plays on: three boxes, two lanes, two tills, six holders and one meal all day."""

from __future__ import annotations

from dataclasses import dataclass

from cardcore.access.items import Product
from cardcore.ids import CredentialKey
from tests.simulation.box import BoxPlan

BOXES = (BoxPlan("gate-1", lanes=("g01", "g02")), BoxPlan("till-1", tills=("t01",)), BoxPlan("till-2", tills=("t02",)))
LANES = ("g01", "g02")
TILLS = ("t01", "t02")
PRICE_FEN = 1_200
MEALS_A_DAY = 3
"""Lunches one account may take online a business day."""
OFFLINE_CARD_CAP = 3
"""Meals a card may take at one till in one offline spell (the product's default)."""
LUNCH_SECONDS = (14_400, 14_399)
"""The meal begins with the business day and lasts until a second before the next."""
STRANGER = CredentialKey("wiegand:34-00ffffffff")


@dataclass(frozen=True, slots=True)
class HolderPlan:
    """A card holder before the database gave ids. Money in fen."""

    name: str
    product: Product
    subsidy: int
    cash: int

    @property
    def credential(self) -> CredentialKey:
        number = int.from_bytes(self.name.encode()[:4], "big")
        return CredentialKey(f"wiegand:34-{number:010x}")


HOLDERS = (
    HolderPlan("anna", Product.COMBINED, 1_000, 5_000),
    HolderPlan("boris", Product.COMBINED, 0, 1_300),
    HolderPlan("chen", Product.COMBINED, 2_400, 0),
    HolderPlan("dora", Product.COMBINED, 500, 20_000),
    HolderPlan("emil", Product.GATE_ONLY, 0, 0),
    HolderPlan("fang", Product.CANTEEN_ONLY, 0, 3_000),
)
