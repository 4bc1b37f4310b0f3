"""What a till may do alone: its caps, and the worst loss that they leave possible (N5). Pure.

A spell is what a till served since the server last acknowledged its records. Every cap is over a spell, so the bound is
one over a spell too: the sum over tills of the smallest of three products.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from cardcore.access.items import TillItem
from cardcore.money import Fen
from cardcore.reasons import Reason


@dataclass(frozen=True, slots=True)
class OfflineSpell:
    """What a till has done since it last heard the server; the caps are held against it."""

    since: timedelta | None
    """Time since the last contact; None = never any."""
    count: int = 0
    total: Fen = Fen(0)
    of_card: Mapping[str, int] = field(default_factory=dict)
    list_age: timedelta | None = timedelta(0)
    """How long ago the server confirmed the card list; None = never, or nobody can tell."""


def cap_reached(till: TillItem, spell: OfflineSpell, credential: str, amount: Fen) -> Reason | None:
    """Return the first cap that a charge would break, or None."""
    if spell.since is None or spell.since > timedelta(hours=till.offline_hours_cap):
        return Reason.OFFLINE_TOO_LONG
    if spell.list_age is None or spell.list_age > timedelta(hours=till.offline_list_hours_cap):
        return Reason.SNAPSHOT_TOO_OLD
    if amount > till.offline_tap_cap:
        return Reason.OFFLINE_TAP_CAP
    if spell.of_card.get(credential, 0) >= till.offline_card_cap:
        return Reason.OFFLINE_CARD_CAP
    if spell.count >= till.offline_count_cap:
        return Reason.OFFLINE_TILL_COUNT_CAP
    if spell.total + amount > till.offline_sum_cap:
        return Reason.OFFLINE_TILL_SUM_CAP
    return None


def till_bound(till: TillItem, bad_cards: int | None = None) -> Fen:
    """Return the most that a till alone can serve in a spell to `bad_cards` cards; None = to any number of cards.

    A bad card is one that the server would refuse: lost and not yet on the till's list, without money, closed.
    """
    tap = max(0, till.offline_tap_cap)
    bounds = [max(0, till.offline_count_cap) * tap, max(0, till.offline_sum_cap)]
    if bad_cards is not None:
        bounds.append(bad_cards * max(0, till.offline_card_cap) * tap)
    return Fen(min(bounds))


def site_bound(tills: Iterable[TillItem], bad_cards: int | None = None) -> Fen:
    """Return the most that a site can lose in a spell in which every till is cut off from every other."""
    return Fen(sum(till_bound(till, bad_cards) for till in tills))
