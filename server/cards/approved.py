"""What about cards takes two people: blocking is one person and at once, putting back into use is two."""

from __future__ import annotations

import msgspec

from cardcore.ids import CardId, PersonId, SiteId
from server.approvals.models import Approved, Operation
from server.cards import repository, service
from server.cards.service import CardChange
from server.database import ReadSession, WriteSession
from server.staff.roles import Permission


class Unblock(msgspec.Struct, frozen=True):
    """Put this card back into use."""

    card: CardId


def _put_back(given: Approved, wanted: Unblock) -> CardChange | None:
    change = service.unblock(given.session, given.system, given.site_id, wanted.card, given.actor, given.reason)
    return None if change is CardChange.DONE else change


def _concerns(session: ReadSession | WriteSession, site_id: SiteId, wanted: Unblock) -> frozenset[PersonId]:
    card = repository.get(session, site_id, wanted.card)
    return frozenset() if card is None or card["person_id"] is None else frozenset({PersonId(card["person_id"])})


UNBLOCK = Operation(
    name="card_unblock",
    content=Unblock,
    ask=Permission.CARDS_UNBLOCK,
    approve=Permission.CARDS_UNBLOCK_APPROVE,
    object_of=lambda wanted: f"card:{wanted.card}",
    carry_out=_put_back,
    concerns=_concerns,
)
