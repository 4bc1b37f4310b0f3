"""The life of a card: which state may follow which. The only table of it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from cardcore.access.items import CardState

TRANSITIONS: Mapping[CardState, frozenset[CardState]] = MappingProxyType(
    {
        CardState.BLANK: frozenset({CardState.ISSUED, CardState.DAMAGED}),
        CardState.ISSUED: frozenset({CardState.ACTIVE, CardState.LOST, CardState.DAMAGED, CardState.REVOKED}),
        CardState.ACTIVE: frozenset(
            {
                CardState.SUSPENDED,
                CardState.LOST,
                CardState.DAMAGED,
                CardState.RETURNED,
                CardState.REVOKED,
                CardState.SUPERSEDED,
            }
        ),
        CardState.SUSPENDED: frozenset(
            {CardState.ACTIVE, CardState.LOST, CardState.DAMAGED, CardState.RETURNED, CardState.REVOKED}
        ),
        CardState.LOST: frozenset({CardState.ACTIVE, CardState.REVOKED, CardState.SUPERSEDED}),
        CardState.DAMAGED: frozenset({CardState.ACTIVE, CardState.REVOKED, CardState.SUPERSEDED}),
        CardState.RETURNED: frozenset({CardState.BLANK, CardState.REVOKED}),
        CardState.REVOKED: frozenset(),
        CardState.SUPERSEDED: frozenset(),
    }
)
"""LOST -> ACTIVE is a card that was found; RETURNED -> BLANK goes back to stock; the last two are final."""


def allowed(before: CardState, after: CardState) -> bool:
    """Tell whether a card may go from one state to another."""
    return after in TRANSITIONS[before]
