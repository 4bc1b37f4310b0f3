"""The reference site's cards: 3,837 issued ones and strangers, each with its own well-formed number."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cardcore.ids import credential_key
from firmware_mocks.plant.cards import CARD_COUNT, STRANGER_COUNT, card_number, product_of, write_cards
from reader_daemon.protocols.osdp.card_bits import wiegand_key

EVERY = range(CARD_COUNT + STRANGER_COUNT)


def test_the_site_has_its_cards() -> None:
    products = [product_of(index) for index in range(CARD_COUNT)]
    assert CARD_COUNT == 3_837
    assert (products.count("combined"), products.count("gate_only"), products.count("canteen_only")) == (
        2_455,
        922,
        460,
    )
    assert product_of(CARD_COUNT) == "stranger"


def test_numbers_are_unique_and_never_change() -> None:
    assert len({card_number(index) for index in EVERY}) == len(EVERY)
    assert card_number(0) == (34, "27b732a180")
    assert card_number(3_836) == (34, "8b58eebf80")


def test_parity_is_even_then_odd_and_the_padding_is_0() -> None:
    for index in EVERY:
        bits, digits = card_number(index)
        number = int(digits, 16)
        assert number % (1 << 40 - bits) == 0
        number >>= 40 - bits
        assert (number >> 17).bit_count() % 2 == 0
        assert (number & 0x1FFFF).bit_count() % 2 == 1


@pytest.mark.parametrize("index", [-1, CARD_COUNT + STRANGER_COUNT])
def test_other_indices_are_refused(index: int) -> None:
    with pytest.raises(ValueError, match="card index must be"):
        card_number(index)


def test_the_file_for_the_seeder_holds_credential_keys(tmp_path: Path) -> None:
    write_cards(tmp_path / "cards.json")
    document = json.loads((tmp_path / "cards.json").read_text(encoding="utf-8"))
    assert [each["count"] for each in document["ranges"]] == [2_455, 922, 460, 1_000]
    assert len(document["cards"]) == len(EVERY)
    for card in document["cards"]:
        bits, digits = card_number(card["index"])
        assert credential_key(card["credential"]) == wiegand_key(bits, bytes.fromhex(digits))
        assert card["product"] == product_of(card["index"])
