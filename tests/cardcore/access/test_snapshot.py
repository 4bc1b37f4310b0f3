"""A delta gives exactly the snapshot that a full transfer would, and unknown items are kept."""

from __future__ import annotations

from datetime import date
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardcore.access.item_key import item_key
from cardcore.access.items import CardItem, CardState, Item, Product, SiteItem, TariffItem, ZoneItem
from cardcore.access.snapshot import Snapshot, StateItem, encode_item
from cardcore.ids import CardId, CategoryId, CredentialKey, MealId, PersonId, ZoneId
from cardcore.money import Fen

ids = st.integers(0, 5)
items = st.one_of(
    st.builds(
        lambda number, state: CardItem(
            CredentialKey(f"uid:0000000{number}"), CardId(UUID(int=number)), PersonId(UUID(int=number)),
            Product.COMBINED, state, CategoryId("staff"),
        ),
        ids, st.sampled_from(CardState),
    ),
    st.builds(lambda number, low: ZoneItem(ZoneId(f"z{number}"), low), ids, st.booleans()),
    st.builds(lambda number, fen: TariffItem(MealId(f"m{number}"), Fen(fen)), ids, st.integers(1, 999)),
    st.builds(lambda hours: SiteItem(offline_limit_hours=hours), st.integers(1, 99)),
)  # fmt: skip
changes = st.lists(st.tuples(items, st.booleans()), max_size=12)


def states(drawn: list[tuple[Item, bool]]) -> list[StateItem]:
    return [StateItem(item_key(item), b"" if removed else encode_item(item)) for item, removed in drawn]


@given(changes, changes)
def test_a_delta_equals_the_full_transfer(first: list[tuple[Item, bool]], second: list[tuple[Item, bool]]) -> None:
    by_delta = Snapshot.empty().with_changes(1, states(first)).with_changes(2, states(second))
    left: dict[str, bytes] = {}
    for key, body in states(first) + states(second):
        left.pop(key, None)
        if body:
            left[key] = body
    full = Snapshot.empty().with_changes(2, [StateItem(key, body) for key, body in reversed(left.items())])
    assert by_delta.content_hash == full.content_hash
    assert len(by_delta) == len(full) == len(left)
    assert {card.credential: card for card in by_delta.cards} == {card.credential: card for card in full.cards}
    assert by_delta.site == full.site


@given(changes, items)
def test_a_snapshot_never_changes_after_it_was_made(drawn: list[tuple[Item, bool]], item: Item) -> None:
    before = Snapshot.empty().with_changes(1, states(drawn))
    digest, count, cards = before.content_hash, len(before), list(before.cards)
    before.with_changes(2, [StateItem(item_key(item), encode_item(item))])
    assert (before.content_hash, len(before), list(before.cards)) == (digest, count, cards)


def test_an_item_of_a_kind_from_the_future_is_kept_and_counted() -> None:
    snapshot = Snapshot.empty().with_changes(1, [StateItem("hologram/h1", b'{"kind":"hologram"}')])
    assert len(snapshot) == 1
    assert snapshot.unread == 1
    assert snapshot.with_changes(2, [StateItem("hologram/h1", b"")]).content_hash == bytes(32)


def test_rubbish_installs_nothing() -> None:
    with pytest.raises(msgspec.DecodeError):
        Snapshot.empty().with_changes(1, [StateItem("zone/a", b"{")])


def test_the_most_specific_tariff_wins() -> None:
    tariffs = [
        TariffItem(MealId("lunch"), Fen(1)),
        TariffItem(MealId("lunch"), Fen(2), category="staff"),
        TariffItem(MealId("lunch"), Fen(3), stall="hall"),
        TariffItem(MealId("lunch"), Fen(4), stall="hall", category="staff"),
    ]
    snapshot = Snapshot.empty().with_changes(1, [StateItem(item_key(item), encode_item(item)) for item in tariffs])
    prices = {
        (stall, category): tariff.price
        for stall in ("hall", "bar")
        for category in ("staff", "guest")
        if (tariff := snapshot.price("lunch", stall, category, date(2026, 9, 7)))
    }
    assert prices == {("hall", "staff"): 4, ("hall", "guest"): 3, ("bar", "staff"): 2, ("bar", "guest"): 1}
    assert snapshot.price("supper", "hall", "staff", date(2026, 9, 7)) is None


def test_c02_a_price_begins_on_its_business_day_and_holds_until_the_next_begins() -> None:
    tariffs = [
        TariffItem(MealId("lunch"), Fen(10)),
        TariffItem(MealId("lunch"), Fen(30), valid_from=date(2027, 1, 1)),
        TariffItem(MealId("lunch"), Fen(20), valid_from=date(2026, 10, 1)),
        TariffItem(MealId("lunch"), Fen(7), category="staff", valid_from=date(2026, 12, 1)),
    ]
    snapshot = Snapshot.empty().with_changes(1, [StateItem(item_key(item), encode_item(item)) for item in tariffs])
    days = [date(2026, 9, 30), date(2026, 10, 1), date(2026, 12, 31), date(2027, 1, 1)]

    def prices(category: str) -> list[int]:
        return [found.price for day in days if (found := snapshot.price("lunch", "hall", category, day))]

    assert prices("guest") == [10, 20, 20, 30]
    assert prices("staff") == [10, 20, 7, 7]
    assert b"valid_from" not in encode_item(tariffs[0])
