"""Money stays whole: text and back, percentages, splits that sum."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardcore.money import MAX_AMOUNT_FEN, Fen, parse_yuan, percent_of, split_by_weight, yuan_text


@given(st.integers(-MAX_AMOUNT_FEN, MAX_AMOUNT_FEN).map(Fen))
def test_text_of_an_amount_reads_back_as_itself(amount: Fen) -> None:
    assert parse_yuan(yuan_text(amount)) == amount


@pytest.mark.parametrize(
    ("text", "fen"), [("12", 1200), ("12.3", 1230), ("12.30", 1230), ("-0.05", -5), (" 7.00 ", 700), ("+1", 100)]
)
def test_amounts_as_people_write_them(text: str, fen: int) -> None:
    assert parse_yuan(text) == fen


@pytest.mark.parametrize("text", ["", "1,000", "1.234", "12.", ".5", "1e3", "NaN", "١٢", "9999999999", "1000000.01"])
def test_what_is_no_amount_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match="amount"):
        parse_yuan(text)


@pytest.mark.parametrize(("amount", "percent", "expected"), [(1000, 15, 150), (1, 50, 1), (1, 49, 0), (999, 10, 100)])
def test_percentages_round_half_up(amount: int, percent: int, expected: int) -> None:
    assert percent_of(Fen(amount), percent) == expected


@given(
    st.integers(0, MAX_AMOUNT_FEN).map(Fen),
    st.lists(st.integers(0, 1000), min_size=1, max_size=12).filter(lambda weights: sum(weights) > 0),
)
def test_the_parts_of_a_split_sum_to_the_whole(total: Fen, weights: list[int]) -> None:
    parts = split_by_weight(total, weights)
    assert sum(parts) == total
    for part, weight in zip(parts, weights, strict=True):
        exact = total * weight / sum(weights)
        assert exact - 1 < part < exact + 1
        assert weight or part == 0
