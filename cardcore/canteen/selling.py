"""How a till charges at a moment: the words of its modes, its opening hours, and the turn of the day that holds.

The words travel as plain strings (`TillItem`), so that a box keeps a newer server's word and refuses taps under it.
"""

from __future__ import annotations

from cardcore.access.items import TillItem, Turn

PERIOD = "period"
"""The tariff of the meal, the stall and the holder's category (C2)."""
FIXED = "fixed"
"""One price whatever the meal and the holder (C1)."""
KEYED = "keyed"
"""What the cashier keyed (C3)."""
KEY_VALUE = "key_value"
"""The prices of the keys that were pressed (C4)."""
MENU = "menu"
"""The published prices of the dishes that were keyed (C5)."""
COUNT = "count"
"""One right from the count purse, no money (C6)."""
MODES = frozenset({PERIOD, FIXED, KEYED, KEY_VALUE, MENU, COUNT})
ENTERED = frozenset({KEYED, KEY_VALUE, MENU})
"""Modes in which the till shows an amount before the card comes."""

HOLDER = "holder"
DEPARTMENT = "department"
"""The holder's department pays (C9)."""
PAYERS = frozenset({HOLDER, DEPARTMENT})

IN_TODAY = "in_today"
"""Eats only who passed into the till's zone on this business day (C21)."""
NOT_IN_TODAY = "not_in_today"
"""Eats only who did not."""
PRESENCES = frozenset({"", IN_TODAY, NOT_IN_TODAY})

NO_MEAL = "none"
"""The meal of a charge outside every period, where a till allows it."""

TAP, MEAL, DAY, MONTH = "tap", "meal", "day", "month"
SPANS = frozenset({TAP, MEAL, DAY, MONTH})
"""What a limit is counted over."""

Selling = TillItem | Turn
"""What says mode, amount, payer and whether an order is needed: the till itself, or its turn of the day."""


def selling_at(till: TillItem, second: int) -> Selling:
    """Return how a till charges at a local second of the day; the first turn that holds, else the till's own mode."""
    for turn in till.turns:
        if turn.start_seconds <= second < turn.end_seconds:
            return turn
    return till
