"""The steps of a card's life that one person takes at a desk, each with the permission it needs.

Blocking is one person and at once. Putting a card into use again is not here: `server.cards.approved`, two people.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from cardcore.access.items import CardState
from cardcore.ids import CardId, SiteId, StaffId
from server.audit.service import staff_actor
from server.cards import repository
from server.cards.service import CardChange, change_state
from server.cards.transitions import allowed
from server.database import WriteSession
from server.staff import service as staff
from server.staff.roles import Permission
from server.system import System

MAX_REASON = 200


class LifeStep(StrEnum):
    """What happened to a card, or what is done with it."""

    LOST = "lost"
    STOLEN = "stolen"
    FOUND = "found"
    SUSPEND = "suspend"
    DAMAGED = "damaged"
    RETURN = "return"
    REVOKE = "revoke"


STATES: Mapping[LifeStep, CardState] = MappingProxyType(
    {
        LifeStep.LOST: CardState.LOST,
        LifeStep.STOLEN: CardState.STOLEN,
        LifeStep.FOUND: CardState.FOUND,
        LifeStep.SUSPEND: CardState.SUSPENDED,
        LifeStep.DAMAGED: CardState.DAMAGED,
        LifeStep.RETURN: CardState.RETURNED,
        LifeStep.REVOKE: CardState.REVOKED,
    }
)
PERMISSIONS: Mapping[LifeStep, frozenset[Permission]] = MappingProxyType(
    {
        LifeStep.LOST: frozenset({Permission.CARDS_BLOCK, Permission.CARDS_REPORT_LOST}),
        LifeStep.STOLEN: frozenset({Permission.CARDS_BLOCK, Permission.CARDS_REPORT_LOST}),
        LifeStep.FOUND: frozenset({Permission.CARDS_ISSUE, Permission.CARDS_BLOCK}),
        LifeStep.SUSPEND: frozenset({Permission.CARDS_BLOCK}),
        LifeStep.DAMAGED: frozenset({Permission.CARDS_BLOCK}),
        LifeStep.RETURN: frozenset({Permission.CARDS_ISSUE}),
        LifeStep.REVOKE: frozenset({Permission.CARDS_BLOCK}),
    }
)
"""Any one of them will do."""


def steps_from(state: CardState) -> tuple[LifeStep, ...]:
    """Return the steps that the table of transitions allows from a state."""
    return tuple(step for step in LifeStep if allowed(state, STATES[step]))


def take_step(
    session: WriteSession,
    system: System,
    site_id: SiteId,
    card_id: CardId,
    step: LifeStep,
    by: tuple[StaffId, str],
) -> CardChange:
    """Take a step with a card for a member of staff; `by` is who and why (the reason may be empty)."""
    actor, reason = by
    if not any(staff.may(session, actor, site_id, permission) for permission in PERMISSIONS[step]):
        return CardChange.NOT_ALLOWED
    deed = (staff_actor(actor), reason[:MAX_REASON])
    return change_state(session, system, site_id, card_id, STATES[step], deed)


def card_by_number(session: WriteSession, site_id: SiteId, number: str) -> CardId | None:
    """Find a card by its printed number."""
    row = repository.by_number(session, site_id, number)
    return None if row is None else CardId(row["id"])
