"""Money: integer fen. The only place that divides or turns money into text.

No float, no Decimal: amounts are `Fen` from the keypad to the accounts' export.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NewType

Fen = NewType("Fen", int)
"""One hundredth of a yuan."""

MAX_AMOUNT_FEN = Fen(100_000_000)
"""No single amount above one million yuan is believed."""

_YUAN = re.compile(r"([+-]?)(\d{1,9})(?:\.(\d{1,2}))?", re.ASCII)


def yuan_text(amount: Fen) -> str:
    """Return yuan with two decimals, e.g. `-12.30`; no locale, no sign of currency."""
    sign = "-" if amount < 0 else ""
    yuan, fen = divmod(abs(amount), 100)
    return f"{sign}{yuan}.{fen:02d}"


def parse_yuan(text: str, largest: Fen = MAX_AMOUNT_FEN) -> Fen:
    """Read an amount in yuan with at most two decimals; raises ValueError that says what is accepted."""
    match = _YUAN.fullmatch(text.strip())
    if match is None:
        msg = f"{text!r} is no amount: write yuan with at most two decimals, such as 12 or 12.30"
        raise ValueError(msg)
    sign, yuan, decimals = match.groups()
    amount = int(yuan) * 100 + int((decimals or "").ljust(2, "0"))
    if amount > largest:
        msg = f"{text!r} is above the largest amount, {yuan_text(largest)}"
        raise ValueError(msg)
    return Fen(-amount if sign == "-" else amount)


def percent_of(amount: Fen, percent: int) -> Fen:
    """Return `percent` % of a non-negative amount, rounded half up to the fen (C79)."""
    if amount < 0 or percent < 0:
        msg = "percent_of takes no negative amount or percentage"
        raise ValueError(msg)
    return Fen((amount * percent + 50) // 100)


def split_by_weight(total: Fen, weights: Sequence[int]) -> list[Fen]:
    """Split a non-negative total into parts that sum to it exactly, each within one fen of its exact share.

    `weights` are non-negative integers with a positive sum. The fen left over go one each to the parts that lost
    most by rounding down, the earlier first among equals (largest remainder).
    """
    whole = sum(weights)
    if total < 0 or whole <= 0 or min(weights) < 0:
        msg = "split_by_weight needs a total >= 0 and weights >= 0 with a positive sum"
        raise ValueError(msg)
    parts = [total * weight // whole for weight in weights]
    lost = [total * weight % whole for weight in weights]
    for index in sorted(range(len(parts)), key=lambda index: (-lost[index], index))[: total - sum(parts)]:
        parts[index] += 1
    return [Fen(part) for part in parts]


def basis_points_of(amount: Fen, basis_points: int) -> Fen:
    """Return `basis_points` ten-thousandths of an amount, rounded half up to the fen, also below zero (C79).

    Half up means towards more: -0.5 fen becomes 0. Parts rounded by themselves may differ from the whole by a few fen;
    `residue_of` is that difference, and it is booked, never dropped.
    """
    if basis_points < 0:
        msg = "basis_points_of takes no negative share"
        raise ValueError(msg)
    return Fen((amount * basis_points + 5_000) // 10_000)


def residue_of(whole: Fen, parts: Sequence[Fen]) -> Fen:
    """Return what the parts lack of the whole; negative when they are too much."""
    return Fen(whole - sum(parts))
