"""The life of a card: which state may follow which. The only table of it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from cardcore.access.items import CardState

_S = CardState
TRANSITIONS: Mapping[CardState, frozenset[CardState]] = MappingProxyType(
    {
        _S.BLANK: frozenset({_S.ISSUED, _S.DAMAGED, _S.REVOKED}),
        _S.ISSUED: frozenset({_S.ACTIVE, _S.LOST, _S.STOLEN, _S.DAMAGED, _S.RETURNED, _S.REVOKED}),
        _S.ACTIVE: frozenset({_S.SUSPENDED, _S.LOST, _S.STOLEN, _S.DAMAGED, _S.RETURNED, _S.REVOKED, _S.SUPERSEDED}),
        _S.SUSPENDED: frozenset({_S.ACTIVE, _S.LOST, _S.STOLEN, _S.DAMAGED, _S.RETURNED, _S.REVOKED, _S.SUPERSEDED}),
        _S.LOST: frozenset({_S.FOUND, _S.STOLEN, _S.ACTIVE, _S.REVOKED, _S.SUPERSEDED}),
        _S.STOLEN: frozenset({_S.FOUND, _S.REVOKED, _S.SUPERSEDED}),
        _S.FOUND: frozenset({_S.ACTIVE, _S.LOST, _S.STOLEN, _S.DAMAGED, _S.RETURNED, _S.REVOKED, _S.SUPERSEDED}),
        _S.DAMAGED: frozenset({_S.ACTIVE, _S.RETURNED, _S.REVOKED, _S.SUPERSEDED}),
        _S.RETURNED: frozenset({_S.BLANK, _S.REVOKED}),
        _S.SUPERSEDED: frozenset({_S.SUSPENDED}),
        _S.REVOKED: frozenset(),
    }
)
"""RETURNED -> BLANK goes back to stock. SUPERSEDED -> SUSPENDED is an exchange that was undone. REVOKED is final."""

REPLACEABLE = frozenset({_S.ACTIVE, _S.SUSPENDED, _S.LOST, _S.STOLEN, _S.FOUND, _S.DAMAGED})
"""States from which a card is superseded by its next copy."""


def allowed(before: CardState, after: CardState) -> bool:
    """Tell whether a card may go from one state to another."""
    return after in TRANSITIONS[before]
