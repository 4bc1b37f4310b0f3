"""Cards that come back: on loan to somebody whose own card is at home (A15), and visitors' cards, used again (C34).

A stock card is `blank`; lending it makes it active until its due instant, and no longer whatever anybody forgets.
Taking it back makes it blank again, with nobody's name on it. Charges and taps keep the person they were made for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import RowMapping

from cardcore.access.items import CardState
from cardcore.ids import CardId, PersonId, SiteId
from server.audit.service import Deed, record
from server.cards import repository
from server.cards.service import CardRefusal
from server.database import ReadSession, WriteSession
from server.people import repository as people_rows
from server.policy import service as policy
from server.system import System

LONGEST_LOAN = timedelta(days=31)
MAX_OVERDUE = 500
"""Rows of one answer."""


@dataclass(frozen=True, slots=True)
class Loan:
    """A stock card for a person until an instant; `own` is their own card, suspended meanwhile."""

    card: CardId
    person: PersonId
    due_at: datetime
    own: CardId | None = None


def lend(session: WriteSession, system: System, site_id: SiteId, loan: Loan, actor: str) -> CardRefusal | None:
    """Lend a blank card. Holders of privileged levels get no card on loan: that would be one person's live card."""
    now = system.clock.now()
    ids = sorted({loan.card} | ({loan.own} if loan.own else set()))
    rows = {card_id: repository.lock_card(session, site_id, card_id) for card_id in ids}
    card, own = rows[loan.card], rows[loan.own] if loan.own else None
    if card is None or people_rows.lock(session, site_id, loan.person) is None or (loan.own and own is None):
        return CardRefusal.NOT_FOUND
    if not now < loan.due_at <= now + LONGEST_LOAN:
        return CardRefusal.WRONG_VALIDITY
    if card["state"] != CardState.BLANK:
        return CardRefusal.WRONG_STATE
    if own is not None and (own["state"] != CardState.ACTIVE or own["person_id"] != loan.person):
        return CardRefusal.WRONG_STATE
    if repository.is_privileged(session, loan.person):
        return CardRefusal.NEEDS_APPROVAL
    repository.set_holder(session, loan.card, loan.person, loan.due_at)
    repository.set_state(session, loan.card, CardState.ACTIVE, now)
    if loan.own:
        repository.set_state(session, loan.own, CardState.SUSPENDED, now)
    repository.insert_loan(session, _row(system, site_id, loan, now))
    after = {"person": str(loan.person), "due_at": loan.due_at.isoformat(), "own": str(loan.own or "")}
    record(session, system, site_id, Deed(actor, "card_lent", f"card:{loan.card}", {"state": CardState.BLANK}, after))
    policy.refresh_cards(session, system, site_id, ids)
    return None


def take_back(
    session: WriteSession, system: System, site_id: SiteId, card_id: CardId, actor: str
) -> CardRefusal | None:
    """Take a lent card back into stock; the holder's own card works again if nothing else befell it meanwhile."""
    loan = repository.lock_loan(session, site_id, card_id)
    card = repository.lock_card(session, site_id, card_id)
    if loan is None or card is None:
        return CardRefusal.NOT_FOUND
    if card["state"] not in {CardState.ACTIVE, CardState.SUSPENDED}:
        return CardRefusal.WRONG_STATE
    now = system.clock.now()
    repository.end_loan(session, loan["id"], now)
    repository.set_holder(session, card_id, None, None)
    repository.set_state(session, card_id, CardState.BLANK, now)
    changed = [card_id]
    if loan["suspended_card"] is not None:
        own = repository.lock_card(session, site_id, CardId(loan["suspended_card"]))
        if (
            own is not None
            and own["state"] == CardState.SUSPENDED
            and not repository.is_privileged(session, own["person_id"])
        ):
            repository.set_state(session, CardId(own["id"]), CardState.ACTIVE, now)
            changed.append(CardId(own["id"]))
    before = {"state": card["state"], "person": str(card["person_id"])}
    after = {"state": CardState.BLANK, "own_active": len(changed) > 1}
    record(session, system, site_id, Deed(actor, "card_taken_back", f"card:{card_id}", before, after))
    policy.refresh_cards(session, system, site_id, changed)
    return None


def recycle(session: WriteSession, system: System, site_id: SiteId, card_id: CardId, actor: str) -> CardRefusal | None:
    """Put a returned card back into stock: blank, nobody's, without an end (visitors' cards go round so)."""
    card = repository.lock_card(session, site_id, card_id)
    if card is None:
        return CardRefusal.NOT_FOUND
    if card["state"] != CardState.RETURNED:
        return CardRefusal.WRONG_STATE
    repository.set_holder(session, card_id, None, None)
    repository.set_state(session, card_id, CardState.BLANK, system.clock.now())
    before = {"state": card["state"], "person": str(card["person_id"])}
    deed = Deed(actor, "card_recycled", f"card:{card_id}", before, {"state": CardState.BLANK})
    record(session, system, site_id, deed)
    policy.refresh_cards(session, system, site_id, [card_id])
    return None


def overdue(session: ReadSession, site_id: SiteId, now: datetime) -> Sequence[RowMapping]:
    """Return lent cards that should be back, longest overdue first: number, person_name, due_at."""
    return repository.overdue_loans(session, site_id, now, MAX_OVERDUE)


def _row(system: System, site_id: SiteId, loan: Loan, now: datetime) -> dict[str, object]:
    return {
        "id": system.ids.uuid7(),
        "site_id": site_id,
        "card_id": loan.card,
        "person_id": loan.person,
        "lent_at": now,
        "due_at": loan.due_at,
        "suspended_card": loan.own,
    }
