"""Limits by count and money over a tap, meal, business day or month, and the PIN that passes the soft ones. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from enum import StrEnum

from msgspec import Struct

from cardcore.access.items import LimitItem
from cardcore.canteen.selling import DAY, MEAL, MONTH, TAP
from cardcore.money import Fen
from cardcore.reasons import Reason

Taken = Mapping[tuple[date, str], int]
"""Meals, or fen, by (business day, meal)."""


class Pin(StrEnum):
    """What the holder's PIN proved with this tap; only the server can tell."""

    NONE = "none"
    RIGHT = "right"
    WRONG = "wrong"
    BLOCKED = "blocked"
    """Too many wrong ones: even the right one proves nothing until somebody resets it."""


class Eaten(Struct, frozen=True):
    """What an account has taken already, on the days that its limits look at."""

    counts: Taken = {}
    fen: Taken = {}


SPAN_REASONS = {
    TAP: Reason.TAP_LIMIT,
    MEAL: Reason.MEAL_LIMIT,
    DAY: Reason.DAY_LIMIT,
    MONTH: Reason.MONTH_LIMIT,
}
_PIN_REASONS = {Pin.NONE: Reason.PIN_NEEDED, Pin.WRONG: Reason.PIN_WRONG, Pin.BLOCKED: Reason.PIN_BLOCKED}


def limit_reached(
    limits: tuple[LimitItem, ...], amount: Fen, meal: tuple[date, str], eaten: Eaten, pin: Pin
) -> Reason | None:
    """Return why a charge is over a limit, or None. Hard limits come first: a PIN cannot help there."""
    for limit in limits:
        if not _over(limit, amount, meal, eaten):
            continue
        if not limit.soft:
            return SPAN_REASONS[limit.per]
        if pin is not Pin.RIGHT:
            return _PIN_REASONS[pin]
    return None


def _over(limit: LimitItem, amount: Fen, meal: tuple[date, str], eaten: Eaten) -> bool:
    if limit.per == TAP:
        return bool(limit.fen) and amount > limit.fen
    if limit.per not in SPAN_REASONS:
        return False
    over_count = bool(limit.count) and taken_over(limit.per, meal, eaten.counts) + 1 > limit.count
    return over_count or (bool(limit.fen) and taken_over(limit.per, meal, eaten.fen) + amount > limit.fen)


def taken_over(per: str, meal: tuple[date, str], taken: Taken) -> int:
    """Sum what was taken in the span around a meal."""
    day, _ = meal
    if per == MEAL:
        return taken.get(meal, 0)
    if per == DAY:
        return sum(amount for (other, _), amount in taken.items() if other == day)
    return sum(amount for (other, _), amount in taken.items() if (other.year, other.month) == (day.year, day.month))
