"""Issuing cards and changing their state. Each change is published to the edge in its own transaction (I6).

Who may do it is asked before, in `server.staff`; here only the life of the card decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import RowMapping

from cardcore.access.items import CardState, Product
from cardcore.ids import CardId, CredentialKey, PersonId, SiteId
from server.audit import repository as audit_rows
from server.audit.service import Deed, record
from server.cards import repository
from server.cards.transitions import allowed
from server.database import ReadSession, WriteSession
from server.people import repository as people_rows
from server.policy import service as policy
from server.reports.paging import Page, page_of
from server.system import System

MAX_CREDENTIALS = 8
"""Credentials of one card."""


class CardRefusal(StrEnum):
    """Why a card cannot be issued."""

    NUMBER_TAKEN = "number_taken"
    CREDENTIAL_TAKEN = "credential_taken"
    NO_CREDENTIAL = "no_credential"
    UNKNOWN_PERSON = "unknown_person"
    WRONG_VALIDITY = "wrong_validity"
    NOT_FOUND = "not_found"
    WRONG_STATE = "wrong_state"
    """The card's state does not allow it."""
    NEEDS_APPROVAL = "needs_approval"
    """It would make a live privileged card: two people (`server.cards.approved`)."""
    NEEDS_PERSONALISING = "needs_personalising"
    """The card lacks the application for it: put it on the encoder first."""
    HAS_BEEN_USED = "has_been_used"
    TOO_FAR = "too_far"


class CardChange(StrEnum):
    """How a change of a card ended."""

    DONE = "done"
    UNCHANGED = "unchanged"
    NOT_FOUND = "not_found"
    NOT_ALLOWED = "not_allowed"
    NEEDS_APPROVAL = "needs_approval"
    """Another person must agree: it was lost, or its holder has a privileged access level (`server.cards.approved`)."""
    PERSON_UNKNOWN = "person_unknown"
    """It takes two people, and this login is tied to none."""


@dataclass(frozen=True, slots=True)
class NewCard:
    """A card to issue to a person; a window of validity is half-open, in aware UTC.

    `applications` goes with `credentials`, one each: `gate` or `canteen`; left out, every credential serves both.
    """

    number: str
    product: Product
    credentials: tuple[CredentialKey, ...]
    person_id: PersonId | None
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    applications: tuple[str, ...] = ()
    uid: str = ""
    """The chip's serial number in hex; empty where none is known."""


@dataclass(frozen=True, slots=True)
class Copy:
    """Which copy of a card a new one is: its issue number and the copy before."""

    issue_no: int = 1
    replaces: CardId | None = None


FIRST_COPY = Copy()


def issue_card(
    session: WriteSession, system: System, site_id: SiteId, new: NewCard, actor: str
) -> CardId | CardRefusal:
    """Issue a card and make it active; without a person it is registered as blank and refused as not issued.

    The card of a holder with a privileged level stays `issued` until a second person activates it.
    """
    refusal = refusal_of(session, site_id, new)
    if refusal is not None:
        return refusal
    return add_card(session, system, site_id, new, actor)


def add_card(
    session: WriteSession, system: System, site_id: SiteId, new: NewCard, actor: str, copy: Copy = FIRST_COPY
) -> CardId:
    """Write a card that was checked, in the state it may begin with."""
    card_id = CardId(system.ids.uuid7())
    state = first_state(session, new.person_id)
    row = {**card_row(system, site_id, card_id, new), "state": state}
    repository.insert_cards(session, [{**row, "issue_no": copy.issue_no, "replaces": copy.replaces}])
    credentials = zip(new.credentials, new.applications or ("",) * len(new.credentials), strict=True)
    repository.insert_credentials(
        session,
        [
            {"id": system.ids.uuid7(), "site_id": site_id, "card_id": card_id, "key": key, "application": application}
            for key, application in credentials
        ],
    )
    after = {"number": new.number, "product": new.product, "person": new.person_id, "state": state}
    record(session, system, site_id, Deed(actor, "card_issued", f"card:{card_id}", after=after))
    policy.refresh_cards(session, system, site_id, [card_id])
    return card_id


def first_state(session: WriteSession, person_id: PersonId | None) -> CardState:
    """Return the state in which a card of this holder begins."""
    if person_id is None:
        return CardState.BLANK
    return CardState.ISSUED if repository.is_privileged(session, person_id) else CardState.ACTIVE


def card_row(system: System, site_id: SiteId, card_id: CardId, new: NewCard) -> dict[str, Any]:
    """Return the row of a new card."""
    now = system.clock.now()
    return {
        "id": card_id,
        "site_id": site_id,
        "person_id": new.person_id,
        "number": new.number,
        "product": new.product,
        "state": CardState.BLANK if new.person_id is None else CardState.ACTIVE,
        "issue_no": 1,
        "valid_from": new.valid_from,
        "valid_until": new.valid_until,
        "uid": new.uid,
        "replaces": None,
        "created_at": now,
        "changed_at": now,
    }


def change_state(
    session: WriteSession,
    system: System,
    site_id: SiteId,
    card_id: CardId,
    wanted: CardState,
    deed: tuple[str, str],
    *,
    approved: bool = False,
) -> CardChange:
    """Bring a card into a state if the table of transitions allows it; `deed` is the actor and the reason.

    `approved` says that two people agreed; without it no card of a privileged holder becomes active.
    """
    row = repository.lock_card(session, site_id, card_id)
    if row is None:
        return CardChange.NOT_FOUND
    before = CardState(row["state"])
    if before is wanted:
        return CardChange.UNCHANGED
    if not allowed(before, wanted):
        return CardChange.NOT_ALLOWED
    is_live = wanted is CardState.ACTIVE and row["person_id"] is not None
    if is_live and not approved and repository.is_privileged(session, row["person_id"]):
        return CardChange.NEEDS_APPROVAL
    repository.set_state(session, card_id, wanted, system.clock.now())
    actor, reason = deed
    done = Deed(actor, "card_state_set", f"card:{card_id}", {"state": before}, {"state": wanted}, reason)
    record(session, system, site_id, done)
    policy.refresh_cards(session, system, site_id, [card_id])
    return CardChange.DONE


def block(
    session: WriteSession, system: System, site_id: SiteId, card_id: CardId, actor: str, reason: str = ""
) -> CardChange:
    """Suspend a card."""
    return change_state(session, system, site_id, card_id, CardState.SUSPENDED, (actor, reason))


def report_lost(
    session: WriteSession, system: System, site_id: SiteId, card_id: CardId, actor: str, reason: str = ""
) -> CardChange:
    """Refuse a card from now on because its holder lost it."""
    return change_state(session, system, site_id, card_id, CardState.LOST, (actor, reason))


def report_stolen(
    session: WriteSession, system: System, site_id: SiteId, card_id: CardId, actor: str, reason: str = ""
) -> CardChange:
    """Refuse a card from now on, with an alarm of its own, because somebody took it."""
    return change_state(session, system, site_id, card_id, CardState.STOLEN, (actor, reason))


def report_found(
    session: WriteSession, system: System, site_id: SiteId, card_id: CardId, actor: str, reason: str = ""
) -> CardChange:
    """Note that a lost card came back; it is refused until two people put it into use again."""
    return change_state(session, system, site_id, card_id, CardState.FOUND, (actor, reason))


def unblock(
    session: WriteSession, system: System, site_id: SiteId, card_id: CardId, actor: str, reason: str = ""
) -> CardChange:
    """Put a suspended, found or mended card back into use; for what two people agreed to (`server.cards.approved`)."""
    return change_state(session, system, site_id, card_id, CardState.ACTIVE, (actor, reason), approved=True)


def search(session: ReadSession, site_id: SiteId, term: str, page: int) -> Page[RowMapping]:
    """Find cards by printed number or holder; all, newest first, for an empty term."""
    term = term.strip()
    return page_of(
        page,
        lambda limit, offset: repository.search(session, site_id, term, limit, offset),
        lambda: repository.count(session, site_id, term),
    )


def get(session: ReadSession | WriteSession, site_id: SiteId, card_id: CardId) -> RowMapping | None:
    """Return a card with holder and credential keys, or None."""
    return repository.get(session, site_id, card_id)


def history(session: ReadSession, site_id: SiteId, card_id: CardId) -> Sequence[RowMapping]:
    """Return what was done to a card, newest first."""
    return audit_rows.of_object(session, site_id, f"card:{card_id}")


def refusal_of(session: WriteSession, site_id: SiteId, new: NewCard) -> CardRefusal | None:
    """Return why a card cannot be added, or None."""
    if not 0 < len(new.credentials) <= MAX_CREDENTIALS:
        return CardRefusal.NO_CREDENTIAL
    if new.valid_from and new.valid_until and new.valid_from >= new.valid_until:
        return CardRefusal.WRONG_VALIDITY
    if new.person_id is not None and people_rows.lock(session, site_id, new.person_id) is None:
        return CardRefusal.UNKNOWN_PERSON
    if repository.number_taken(session, site_id, new.number):
        return CardRefusal.NUMBER_TAKEN
    if repository.taken_keys(session, site_id, new.credentials):
        return CardRefusal.CREDENTIAL_TAKEN
    return None
