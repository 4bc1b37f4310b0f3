"""Kinds of card (S4): converting one into another, and counting them."""

from __future__ import annotations

from cardcore.access.decide import GATE_PRODUCTS
from cardcore.access.items import CardState, Product
from cardcore.ids import CardId, SiteId
from server.audit.service import Deed, record
from server.cards import repository
from server.cards.service import CardRefusal
from server.database import ReadSession, WriteSession
from server.policy import service as policy
from server.system import System

CONVERTIBLE = frozenset({Product.COMBINED, Product.GATE_ONLY, Product.CANTEEN_ONLY})
"""Visitors' and contractors' cards are issued as such and end as such."""
NEEDS = {
    Product.COMBINED: frozenset({"gate", "canteen"}),
    Product.GATE_ONLY: frozenset({"gate"}),
    Product.CANTEEN_ONLY: frozenset({"canteen"}),
}
"""The applications that a secure card must carry for a product."""
UNFIT = frozenset({CardState.REVOKED, CardState.SUPERSEDED})


def convert(
    session: WriteSession,
    system: System,
    site_id: SiteId,
    card_id: CardId,
    product: Product,
    deed: tuple[str, str],
    *,
    approved: bool = False,
) -> CardRefusal | None:
    """Make a combined, gate-only or canteen-only card of a card; `deed` is the actor and the reason.

    `approved` says that two people agreed; without it no card of a privileged holder begins to open lanes.
    """
    card = repository.lock_card(session, site_id, card_id)
    if card is None:
        return CardRefusal.NOT_FOUND
    before = Product(card["product"])
    if {before, product} - CONVERTIBLE or CardState(card["state"]) in UNFIT:
        return CardRefusal.WRONG_STATE
    present = repository.applications(session, card_id)
    if "" not in present and not NEEDS[product] <= present:
        return CardRefusal.NEEDS_PERSONALISING
    opens_now = product in GATE_PRODUCTS and before not in GATE_PRODUCTS and card["person_id"] is not None
    if opens_now and not approved and repository.is_privileged(session, card["person_id"]):
        return CardRefusal.NEEDS_APPROVAL
    if before is product:
        return None
    repository.set_product(session, card_id, product, system.clock.now())
    actor, reason = deed
    change = Deed(actor, "card_converted", f"card:{card_id}", {"product": before}, {"product": product}, reason)
    record(session, system, site_id, change)
    policy.refresh_cards(session, system, site_id, [card_id])
    return None


def counts(session: ReadSession, site_id: SiteId) -> dict[Product, dict[CardState, int]]:
    """Return how many cards there are of each product in each state; products and states without one are left out."""
    found: dict[Product, dict[CardState, int]] = {}
    for row in repository.counts(session, site_id):
        found.setdefault(Product(row["product"]), {})[CardState(row["state"])] = row["count"]
    return found
