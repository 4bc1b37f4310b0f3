"""Extending many cards at once (C47): the right ones, as far as one person may, and nothing shortened."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from cardcore.access.items import CardState, Product
from cardcore.ids import CardId, CategoryId
from server.cards import service as cards
from server.cards import validity
from server.cards.service import CardRefusal
from server.cards.validity import Extended, Extension
from tests.server.cards.card_desk import Desk
from tests.server.conftest import NOON

END = NOON + timedelta(days=10)
WANTED = Extension(CategoryId("staff"), "", END, END + timedelta(days=1), END + timedelta(days=30))


def extend(desk: Desk, wanted: Extension, *, approved: bool = False) -> Extended | CardRefusal:
    return desk.write(
        lambda session, system, site: validity.extend(session, system, site, wanted, "test", approved=approved)
    )


def end_of(desk: Desk, card: CardId) -> datetime | None:
    row = desk.database.read(lambda session: cards.get(session, desk.site, card))
    return row["valid_until"] if row else None


def test_c47_cards_of_a_category_and_window_are_extended_and_published(desk: Desk) -> None:
    staff, guest = desk.person(), desk.person("20001", "guest")
    inside = desk.card("00000001", staff, valid_until=END + timedelta(hours=1))
    others = {
        desk.card("00000002", staff, valid_until=END + timedelta(days=1)): END + timedelta(days=1),
        desk.card("00000003", guest, valid_until=END): END,
        desk.card("00000004", staff): None,
    }
    lost = desk.card("00000005", staff, valid_until=END)
    desk.set(lost, CardState.LOST)
    assert extend(desk, WANTED) == Extended(1, (), has_more=False)
    assert end_of(desk, inside) == WANTED.new_end
    assert {card: end_of(desk, card) for card in others} == others
    assert end_of(desk, lost) == END
    item = desk.item("uid:00000001")
    assert item is not None
    assert item.valid_until_ms == int(WANTED.new_end.timestamp() * 1000)


def test_of_one_product_alone(desk: Desk) -> None:
    person = desk.person()
    gate = desk.card("00000001", person, Product.GATE_ONLY, valid_until=END)
    both = desk.card("00000002", person, valid_until=END)
    wanted = Extension(WANTED.category, Product.GATE_ONLY, END, WANTED.ending_before, WANTED.new_end)
    assert extend(desk, wanted) == Extended(1, (), has_more=False)
    assert (end_of(desk, gate), end_of(desk, both)) == (WANTED.new_end, END)


@pytest.mark.parametrize(
    ("window_days", "new_end_days", "refusal"),
    [
        (0, 9, CardRefusal.WRONG_VALIDITY),
        (9, 3, CardRefusal.WRONG_VALIDITY),
        (1, 4000, CardRefusal.WRONG_VALIDITY),
        (1, 31, CardRefusal.TOO_FAR),
    ],
)
def test_a_senseless_or_too_far_extension_changes_nothing(
    desk: Desk, window_days: int, new_end_days: int, refusal: CardRefusal
) -> None:
    ends = (END + timedelta(days=window_days), END + timedelta(days=new_end_days))
    wanted = Extension(WANTED.category, "", END, *ends)
    card = desk.card("00000001", desk.person(), valid_until=END)
    assert extend(desk, wanted) is refusal
    assert end_of(desk, card) == END


def test_two_people_may_extend_further(desk: Desk) -> None:
    card = desk.card("00000001", desk.person(), valid_until=END)
    far = Extension(WANTED.category, "", END, END + timedelta(days=1), END + timedelta(days=365))
    assert extend(desk, far, approved=True) == Extended(1, (), has_more=False)
    assert end_of(desk, card) == far.new_end


def test_a18_cards_in_use_are_listed_before_they_end(desk: Desk) -> None:
    person = desk.person()
    desk.card("00000001", person, valid_until=NOON + timedelta(days=29))
    desk.card("00000002", person, valid_until=NOON + timedelta(days=3))
    desk.card("00000003", person, valid_until=NOON + timedelta(days=30))
    desk.card("00000004", person)
    lost = desk.card("00000005", person, valid_until=NOON + timedelta(days=3))
    desk.set(lost, CardState.LOST)
    rows = desk.database.read(lambda session: validity.ending_soon(session, desk.site, NOON))
    assert [row["number"] for row in rows] == ["00000002", "00000001"]
