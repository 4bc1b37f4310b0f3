"""Shares: any m restore the secret, fewer say nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from itertools import combinations, count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.keys.shares import Share, SharesError, combine, split


def drawn() -> Callable[[int], bytes]:
    numbers: Iterator[int] = count()
    return lambda size: hashlib.shake_256(str(next(numbers)).encode()).digest(size)


@given(st.binary(min_size=1, max_size=40), st.integers(2, 5), st.integers(0, 3))
def test_any_m_of_n_restore_the_secret(secret: bytes, needed: int, spare: int) -> None:
    shares = split(secret, needed, needed + spare, drawn())
    assert all(combine(chosen) == secret for chosen in combinations(shares, needed))


@given(st.binary(min_size=16, max_size=32), st.integers(3, 5))
def test_one_share_too_few_does_not(secret: bytes, needed: int) -> None:
    shares = split(secret, needed, needed, drawn())
    assert combine(shares[:-1]) != secret


@given(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255))
def test_one_share_of_two_fits_every_secret(secret: int, other: int, coefficient: int) -> None:
    """For each other secret there is a coefficient that gives the same first share: it tells nothing."""
    (first, _) = split(bytes([secret]), 2, 2, lambda _: bytes([coefficient]))
    twin = bytes([secret ^ other ^ coefficient])
    assert split(bytes([other]), 2, 2, lambda _: twin)[0] == first


@pytest.mark.parametrize(("needed", "total"), [(1, 3), (4, 3), (2, 17), (0, 0)])
def test_a_senseless_split_is_refused(needed: int, total: int) -> None:
    with pytest.raises(ValueError, match="needed"):
        split(b"secret", needed, total, drawn())


@pytest.mark.parametrize(
    "shares",
    [
        [],
        [Share(1, b"a")],
        [Share(1, b"a"), Share(1, b"b")],
        [Share(0, b"a"), Share(1, b"b")],
        [Share(1, b"a"), Share(2, b"bb")],
    ],
)
def test_shares_that_cannot_go_together_are_refused(shares: list[Share]) -> None:
    with pytest.raises(SharesError):
        combine(shares)
