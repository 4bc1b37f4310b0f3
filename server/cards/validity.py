"""Longer validity for many cards at once (C47), by category, product and the window in which they end.

Up to 30 days one person may do it; more takes two (`server.cards.approved`). Cards of privileged holders that have
ended are left out of the first and listed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import RowMapping

from cardcore.ids import CardId, CategoryId, SiteId
from server.audit.service import Deed, record
from server.cards import repository
from server.cards.service import CardRefusal
from server.database import ReadSession, WriteSession
from server.policy import service as policy
from server.system import System

ALONE = timedelta(days=30)
"""How far beyond its end one person may extend a card."""
FURTHEST = timedelta(days=5 * 366)
NOTICE = timedelta(days=30)
"""How long before its end a card is listed."""
MAX_ENDING = 500
MAX_CARDS = 2_000
"""Cards of one extension; ask again for the rest."""


@dataclass(frozen=True, slots=True)
class Extension:
    """Cards of a category and a product ('' = any) that end in [ending_from, ending_before), and their new end."""

    category: CategoryId
    product: str
    ending_from: datetime
    ending_before: datetime
    new_end: datetime


@dataclass(frozen=True, slots=True)
class Extended:
    """How many cards were extended, and the numbers of those that take two people."""

    count: int
    left_out: tuple[str, ...]
    has_more: bool


def extend(
    session: WriteSession, system: System, site_id: SiteId, wanted: Extension, actor: str, *, approved: bool = False
) -> Extended | CardRefusal:
    """Extend cards; none is shortened. `approved` says that two people agreed."""
    now = system.clock.now()
    if not wanted.ending_from < wanted.ending_before <= wanted.new_end <= now + FURTHEST or wanted.new_end <= now:
        return CardRefusal.WRONG_VALIDITY
    if not approved and wanted.new_end - wanted.ending_from > ALONE:
        return CardRefusal.TOO_FAR
    window = {
        "site_id": site_id,
        "category_id": wanted.category,
        "product": wanted.product,
        "from": wanted.ending_from,
        "until": wanted.ending_before,
        "limit": MAX_CARDS + 1,
    }
    rows = repository.expiring(session, window)
    chosen, left_out = [], []
    for row in rows[:MAX_CARDS]:
        revives = row["valid_until"] <= now and repository.is_privileged(session, row["person_id"])
        if revives and not approved:
            left_out.append(row["number"])
        else:
            chosen.append(CardId(row["id"]))
    if chosen:
        repository.set_valid_until(session, chosen, wanted.new_end, now)
        after = {"new_end": wanted.new_end.isoformat(), "cards": [str(card) for card in chosen]}
        deed = Deed(actor, "cards_extended", f"category:{wanted.category}", after=after)
        record(session, system, site_id, deed)
        policy.refresh_cards(session, system, site_id, chosen)
    return Extended(len(chosen), tuple(left_out), len(rows) > MAX_CARDS)


def ending_soon(
    session: ReadSession, site_id: SiteId, now: datetime, within: timedelta = NOTICE
) -> Sequence[RowMapping]:
    """Return cards in use that end soon, the next first (A18): number, person_name, person_number, ends_at."""
    return repository.ending(session, site_id, now, now + within, MAX_ENDING)
