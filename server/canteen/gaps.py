"""Gaps in the tariffs: a till that sells by period, a meal and a category that have no price there.

Nobody is charged wrongly for a gap: the tap is refused with `no_price`. But it is found before the queue finds it.
"""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

from cardcore.access.snapshot import Snapshot
from cardcore.canteen.selling import PERIOD

MAX_GAPS = 200


class Gap(NamedTuple):
    """A price that is missing."""

    till: str
    meal: str
    category: str


def tariff_gaps(snapshot: Snapshot, day: date) -> list[Gap]:
    """Return prices missing on a business day, by till, meal and category, for those who may eat there with a card."""
    categories = sorted({card.category for card in snapshot.cards})
    meals = sorted({period.meal for period in snapshot.meals})
    found: list[Gap] = []
    for till in sorted(snapshot.till_of_reader.values(), key=lambda item: item.id):
        if PERIOD not in {till.mode, *(turn.mode for turn in till.turns)}:
            continue
        found += [
            Gap(till.id, meal, category)
            for meal in meals
            for category in categories
            if snapshot.eligible(category, till.stall, meal) and snapshot.price(meal, till.stall, category, day) is None
        ]
    return found[:MAX_GAPS]
