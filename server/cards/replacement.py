"""A new card for a lost, stolen or damaged one (C43, C44): same holder, account and rights, a higher issue number (A7).

The older copy is superseded and refused everywhere at once. What it was used for at tills that are silent comes in
later: `uncollected` says how many those are and how much it can be. An exchange can be undone until the new card is
shown to a reader.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cardcore.access.items import CardState, Product
from cardcore.ids import CardId, CredentialKey, PersonId, SiteId, TillId
from cardcore.money import Fen
from server.audit.service import Deed, record
from server.cards import repository
from server.cards.service import CardRefusal, Copy, NewCard, add_card, refusal_of
from server.cards.transitions import REPLACEABLE, allowed
from server.database import ReadSession, WriteSession
from server.policy import service as policy
from server.system import System

MAX_ISSUE_NO = 65_535
"""Two bytes in the credential file."""


@dataclass(frozen=True, slots=True)
class Plastic:
    """The new card as it lies on the desk."""

    number: str
    credentials: tuple[CredentialKey, ...]
    applications: tuple[str, ...] = ()
    uid: str = ""


@dataclass(frozen=True, slots=True)
class Uncollected:
    """What may still come in for the card that was replaced."""

    tills: tuple[TillId, ...]
    """Tills that have not reported since the loss, or hold records back."""
    most_fen: Fen
    """The most that all of them together may have charged it offline, by their caps."""


@dataclass(frozen=True, slots=True)
class Replaced:
    """The new card, and what may still come in for the old one."""

    card: CardId
    issue_no: int
    uncollected: Uncollected


def replace_card(
    session: WriteSession, system: System, site_id: SiteId, old_id: CardId, plastic: Plastic, deed: tuple[str, str]
) -> Replaced | CardRefusal:
    """Issue the next copy of a card and supersede the old one; `deed` is the actor and the reason."""
    old = repository.lock_card(session, site_id, old_id)
    if old is None:
        return CardRefusal.NOT_FOUND
    if CardState(old["state"]) not in REPLACEABLE or old["person_id"] is None or old["issue_no"] >= MAX_ISSUE_NO:
        return CardRefusal.WRONG_STATE
    new = NewCard(
        plastic.number,
        Product(old["product"]),
        plastic.credentials,
        PersonId(old["person_id"]),
        old["valid_from"],
        old["valid_until"],
        plastic.applications,
        plastic.uid,
    )
    refusal = refusal_of(session, site_id, new)
    if refusal is not None:
        return refusal
    actor, reason = deed
    copy = Copy(old["issue_no"] + 1, old_id)
    card_id = add_card(session, system, site_id, new, actor, copy)
    now = system.clock.now()
    repository.set_state(session, old_id, CardState.SUPERSEDED, now)
    change = Deed(actor, "card_replaced", f"card:{old_id}", {"state": old["state"]}, _superseded(card_id), reason)
    record(session, system, site_id, change)
    policy.refresh_cards(session, system, site_id, [old_id])
    return Replaced(card_id, copy.issue_no, uncollected(session, site_id, old["lost_at"] or now))


def undo_replacement(
    session: WriteSession, system: System, site_id: SiteId, new_id: CardId, deed: tuple[str, str]
) -> CardRefusal | None:
    """Take an exchange back: the new card is revoked, the old one suspended, to be put into use by two people.

    Refused once the new card was shown to any reader.
    """
    new = repository.lock_card(session, site_id, new_id)
    if new is None or new["replaces"] is None:
        return CardRefusal.NOT_FOUND
    old = repository.lock_card(session, site_id, CardId(new["replaces"]))
    if old is None or not allowed(CardState(old["state"]), CardState.SUSPENDED):
        return CardRefusal.WRONG_STATE
    if not allowed(CardState(new["state"]), CardState.REVOKED):
        return CardRefusal.WRONG_STATE
    if repository.was_used(session, new_id):
        return CardRefusal.HAS_BEEN_USED
    now = system.clock.now()
    repository.set_state(session, new_id, CardState.REVOKED, now)
    repository.set_state(session, CardId(old["id"]), CardState.SUSPENDED, now)
    actor, reason = deed
    before = {"old": old["state"], "new": new["state"]}
    after = {"old": CardState.SUSPENDED, "new": CardState.REVOKED}
    record(session, system, site_id, Deed(actor, "card_replacement_undone", f"card:{new_id}", before, after, reason))
    policy.refresh_cards(session, system, site_id, [new_id, CardId(old["id"])])
    return None


def uncollected(session: ReadSession | WriteSession, site_id: SiteId, since: datetime) -> Uncollected:
    """Return the tills that have not reported since an instant, and the most they may have charged one card."""
    rows = repository.silent_tills(session, site_id, since)
    return Uncollected(tuple(TillId(row["id"]) for row in rows), Fen(sum(row["most_fen"] for row in rows)))


def _superseded(card_id: CardId) -> dict[str, str]:
    return {"state": CardState.SUPERSEDED, "replaced_by": str(card_id)}
