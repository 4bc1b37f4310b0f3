"""Shares of amounts are rounded half up, and parts with their residue make the whole, for all inputs (C79)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardcore.money import Fen, basis_points_of, residue_of

amounts = st.integers(-(10**9), 10**9)
shares = st.integers(0, 10_000)


@pytest.mark.parametrize(
    ("amount", "basis_points", "share"),
    [(100, 250, 3), (100, 249, 2), (20, 250, 1), (-20, 250, 0), (-100, 250, -2), (999, 10_000, 999), (5, 0, 0)],
)
def test_half_a_fen_goes_up(amount: int, basis_points: int, share: int) -> None:
    assert basis_points_of(Fen(amount), basis_points) == share


@given(amounts, shares)
def test_a_share_is_within_half_a_fen(amount: int, share: int) -> None:
    assert abs(basis_points_of(Fen(amount), share) * 10_000 - amount * share) <= 5_000


@given(st.lists(amounts, min_size=1, max_size=31), shares)
def test_parts_and_residue_make_the_whole(days: list[int], share: int) -> None:
    parts = [basis_points_of(Fen(day), share) for day in days]
    whole = basis_points_of(Fen(sum(days)), share)
    residue = residue_of(whole, parts)
    assert sum(parts) + residue == whole
    assert abs(residue) <= len(days)


def test_no_negative_share() -> None:
    with pytest.raises(ValueError, match="negative"):
        basis_points_of(Fen(1), -1)
