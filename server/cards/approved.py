"""What about cards takes two people: blocking is one person and at once, putting into use where it matters is two."""

from __future__ import annotations

from datetime import datetime

import msgspec

from cardcore.access.items import Product
from cardcore.ids import CardId, CategoryId, PersonId, SiteId
from server.approvals.models import Approved, Operation, nobody
from server.cards import products, repository, service, validity
from server.cards.service import CardChange, CardRefusal
from server.database import ReadSession, WriteSession
from server.staff.roles import Permission


class Unblock(msgspec.Struct, frozen=True):
    """Put this card back into use."""

    card: CardId


class Activate(msgspec.Struct, frozen=True):
    """Put the card of a holder with a privileged access level into use for the first time."""

    card: CardId


class Convert(msgspec.Struct, frozen=True):
    """Let the card of a holder with a privileged access level open lanes."""

    card: CardId
    product: Product


class Extend(msgspec.Struct, frozen=True):
    """Extend many cards by more than one person may."""

    category: CategoryId
    product: str
    ending_from: datetime
    ending_before: datetime
    new_end: datetime


def _put_into_use(given: Approved, wanted: Unblock | Activate) -> CardChange | None:
    change = service.unblock(given.session, given.system, given.site_id, wanted.card, given.actor, given.reason)
    return None if change is CardChange.DONE else change


def _convert(given: Approved, wanted: Convert) -> CardRefusal | None:
    deed = (given.actor, given.reason)
    return products.convert(
        given.session, given.system, given.site_id, wanted.card, wanted.product, deed, approved=True
    )


def _extend(given: Approved, wanted: Extend) -> CardRefusal | None:
    extension = validity.Extension(**msgspec.structs.asdict(wanted))
    done = validity.extend(given.session, given.system, given.site_id, extension, given.actor, approved=True)
    return done if isinstance(done, CardRefusal) else None


def _concerns(
    session: ReadSession | WriteSession, site_id: SiteId, wanted: Unblock | Activate | Convert
) -> frozenset[PersonId]:
    card = repository.get(session, site_id, wanted.card)
    return frozenset() if card is None or card["person_id"] is None else frozenset({PersonId(card["person_id"])})


UNBLOCK = Operation(
    name="card_unblock",
    content=Unblock,
    ask=Permission.CARDS_UNBLOCK,
    approve=Permission.CARDS_UNBLOCK_APPROVE,
    object_of=lambda wanted: f"card:{wanted.card}",
    carry_out=_put_into_use,
    concerns=_concerns,
)
ACTIVATE = Operation(
    name="card_activate",
    content=Activate,
    ask=Permission.CARDS_ISSUE,
    approve=Permission.CARDS_UNBLOCK_APPROVE,
    object_of=lambda wanted: f"card:{wanted.card}",
    carry_out=_put_into_use,
    concerns=_concerns,
)
CONVERT = Operation(
    name="card_convert",
    content=Convert,
    ask=Permission.CARDS_ISSUE,
    approve=Permission.CARDS_UNBLOCK_APPROVE,
    object_of=lambda wanted: f"card:{wanted.card}",
    carry_out=_convert,
    concerns=_concerns,
)
EXTEND = Operation(
    name="cards_extend",
    content=Extend,
    ask=Permission.CARDS_ISSUE,
    approve=Permission.CARDS_UNBLOCK_APPROVE,
    object_of=lambda wanted: f"category:{wanted.category}",
    carry_out=_extend,
    concerns=nobody,
)
