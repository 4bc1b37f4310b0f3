"""A secret in n shares of which any m give it back, and fewer tell nothing (Shamir 1979, over GF(256)).

The field is that of AES (FIPS 197, 4.2). Every byte has a polynomial of its own with random coefficients. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

FEWEST_NEEDED = 2
MOST_SHARES = 16
"""People of a ceremony; the field would allow 255."""
_POLYNOMIAL = 0x11B


class Share(NamedTuple):
    """One share: its number from 1, and as many bytes as the secret has."""

    number: int
    value: bytes


class SharesError(ValueError):
    """Shares that do not go together; says which."""


def split(secret: bytes, needed: int, count: int, random_bytes: Callable[[int], bytes]) -> list[Share]:
    """Return `count` shares, any `needed` of which restore the secret. Raises ValueError for a senseless split."""
    if not FEWEST_NEEDED <= needed <= count <= MOST_SHARES:
        msg = f"choose {FEWEST_NEEDED} <= needed <= shares <= {MOST_SHARES}, not {needed} of {count}"
        raise ValueError(msg)
    coefficients = [secret, *(random_bytes(len(secret)) for _ in range(needed - 1))]
    return [
        Share(number, bytes(_evaluated([row[at] for row in coefficients], number) for at in range(len(secret))))
        for number in range(1, count + 1)
    ]


def combine(shares: Sequence[Share]) -> bytes:
    """Return the secret of these shares; wrong or too few ones give a wrong secret, so the caller must check it."""
    numbers = [share.number for share in shares]
    if len(shares) < FEWEST_NEEDED or len(set(numbers)) != len(numbers) or not all(0 < one < 256 for one in numbers):  # noqa: PLR2004
        msg = "give at least two different shares"
        raise SharesError(msg)
    if len({len(share.value) for share in shares}) != 1:
        msg = "the shares are of different length: they are from different ceremonies"
        raise SharesError(msg)
    weights = [_weight(number, numbers) for number in numbers]
    return bytes(
        _sum(_product(share.value[at], weight) for share, weight in zip(shares, weights, strict=True))
        for at in range(len(shares[0].value))
    )


def _evaluated(coefficients: Sequence[int], at: int) -> int:
    value = 0
    for coefficient in reversed(coefficients):
        value = _product(value, at) ^ coefficient
    return value


def _weight(number: int, numbers: Sequence[int]) -> int:
    """Return the Lagrange coefficient of one share for the value at zero."""
    weight = 1
    for other in numbers:
        if other != number:
            weight = _product(weight, _product(other, _inverse(other ^ number)))
    return weight


def _sum(values: Iterable[int]) -> int:
    total = 0
    for value in values:
        total ^= value
    return total


def _product(left: int, right: int) -> int:
    product = 0
    for bit in range(8):
        product ^= (left << bit) * (right >> bit & 1)
    for bit in range(14, 7, -1):
        if product >> bit & 1:
            product ^= _POLYNOMIAL << (bit - 8)
    return product


def _inverse(value: int) -> int:
    """Return value^254, which is its inverse in a field of 256."""
    result = 1
    for _ in range(254):
        result = _product(result, value)
    return result
