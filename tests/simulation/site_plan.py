"""The small site that every run plays on: three boxes, a way in and one out, two tills, six holders, one meal."""

from __future__ import annotations

from dataclasses import dataclass

from cardcore.access.items import Passback, Product
from cardcore.ids import CredentialKey
from tests.simulation.box import BoxPlan
from tests.simulation.chance import Chance

BOXES = (BoxPlan("gate-1", lanes=("g01", "g02")), BoxPlan("till-1", tills=("t01",)), BoxPlan("till-2", tills=("t02",)))
ROGUE = BoxPlan("rogue-1", tills=("t09",))
"""Enrolled like the others, and hostile."""
LANES = ("g01", "g02")
TILLS = ("t01", "t02")
WAY_OUT = "g02"
"""The other lane leads in."""
OUTSIDE, INSIDE = "outside", "compound"
KEYED_TILL = "t02"
"""The till at which some sites key the amount."""
PRICE_FEN = 1_200
MEALS_A_DAY = 3
"""Lunches one account may take online a business day."""
OFFLINE_CARD_CAP = 3
"""Meals a card may take at one till in one offline spell (the product's default)."""
LUNCH_SECONDS = (14_400, 14_399)
"""The meal begins with the business day and lasts until a second before the next."""
STRANGER = CredentialKey("wiegand:34-00ffffffff")


@dataclass(frozen=True, slots=True)
class Variant:
    """What differs from site to site, drawn from the seed."""

    keyed: bool
    """Whether `KEYED_TILL` charges what the cashier keys; else every till charges the meal's price."""
    passback: Passback
    """Of the zone inside."""


def variant_of(seed: int) -> Variant:
    """Draw the site of a seed."""
    stream = Chance(seed).stream("variant")
    return Variant(stream.random() < 0.3, stream.choice((Passback.NONE, Passback.NONE, Passback.SOFT, Passback.HARD)))


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
POOR = HOLDERS[4]
"""Whose card buys nothing."""
