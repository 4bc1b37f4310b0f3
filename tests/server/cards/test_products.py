"""Kinds of card: converted into one another, counted, and what each credential of one is good for (S4)."""

from __future__ import annotations

import pytest

from cardcore.access.decide import GATE_PRODUCTS
from cardcore.access.items import CardItem, CardState, Product
from cardcore.canteen.authorise import CANTEEN_PRODUCTS
from cardcore.ids import CardId, CredentialKey
from server.cards import products
from server.cards import service as cards
from server.cards.service import CardRefusal, NewCard
from tests.server.cards.card_desk import Desk, canteen_key, gate_key

_P = Product
KINDS = (_P.COMBINED, _P.GATE_ONLY, _P.CANTEEN_ONLY)


def convert(desk: Desk, card: CardId, product: Product) -> CardRefusal | None:
    deed = ("test", "moved")
    return desk.write(lambda session, system, site: products.convert(session, system, site, card, product, deed))


def opens(item: CardItem | None) -> bool:
    return item is not None and item.state is CardState.ACTIVE and item.product in GATE_PRODUCTS


def pays(item: CardItem | None) -> bool:
    return item is not None and item.state is CardState.ACTIVE and item.product in CANTEEN_PRODUCTS


@pytest.mark.parametrize("before", KINDS)
@pytest.mark.parametrize("after", KINDS)
def test_s4_every_kind_becomes_every_other(desk: Desk, before: Product, after: Product) -> None:
    card = desk.card("00000001", desk.person(), before)
    assert convert(desk, card, after) is None
    item = desk.item("uid:00000001")
    assert (opens(item), pays(item)) == (after in GATE_PRODUCTS, after in CANTEEN_PRODUCTS)


@pytest.mark.parametrize("product", KINDS)
def test_a1_the_gate_credential_never_pays_and_the_other_never_opens(desk: Desk, product: Product) -> None:
    card = desk.secure_card("1", desk.person(), _P.COMBINED)
    assert convert(desk, card, product) is None
    gate, canteen = desk.item(gate_key("1")), desk.item(canteen_key("1"))
    assert (opens(gate), pays(gate)) == (product in GATE_PRODUCTS, False)
    assert (opens(canteen), pays(canteen)) == (False, product in CANTEEN_PRODUCTS)


def test_a_lost_card_is_lost_for_both(desk: Desk) -> None:
    card = desk.secure_card("1", desk.person())
    desk.set(card, CardState.LOST)
    items = [desk.item(gate_key("1")), desk.item(canteen_key("1"))]
    assert [item.state for item in items if item] == [CardState.LOST, CardState.LOST]


def test_a_secure_card_without_the_application_goes_to_the_encoder_first(desk: Desk) -> None:
    new = NewCard("1", _P.GATE_ONLY, (CredentialKey("desfire:" + "a" * 32),), desk.person(), applications=("gate",))
    card = desk.write(lambda session, system, site: cards.issue_card(session, system, site, new, "test"))
    assert not isinstance(card, CardRefusal)
    assert convert(desk, card, _P.COMBINED) is CardRefusal.NEEDS_PERSONALISING
    assert convert(desk, card, _P.CANTEEN_ONLY) is CardRefusal.NEEDS_PERSONALISING


def test_visitors_cards_and_dead_ones_are_not_converted(desk: Desk) -> None:
    visitor = desk.card("00000001", desk.person(), _P.VISITOR)
    dead = desk.card("00000002", None)
    desk.set(dead, CardState.REVOKED)
    assert convert(desk, visitor, _P.COMBINED) is CardRefusal.WRONG_STATE
    assert convert(desk, dead, _P.GATE_ONLY) is CardRefusal.WRONG_STATE


def test_s4_cards_are_counted_by_kind_and_state(desk: Desk) -> None:
    person = desk.person()
    for number, product in enumerate((_P.COMBINED, _P.COMBINED, _P.GATE_ONLY, _P.CANTEEN_ONLY), 1):
        desk.card(f"{number:08d}", person, product)
    lost = desk.card("00000005", person)
    desk.set(lost, CardState.LOST)
    convert(desk, lost, _P.GATE_ONLY)
    assert desk.database.read(lambda session: products.counts(session, desk.site)) == {
        _P.COMBINED: {CardState.ACTIVE: 2},
        _P.GATE_ONLY: {CardState.ACTIVE: 1, CardState.LOST: 1},
        _P.CANTEEN_ONLY: {CardState.ACTIVE: 1},
    }
