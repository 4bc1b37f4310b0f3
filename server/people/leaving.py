"""Somebody leaves: cards end, rights end, and the account is kept open, frozen, or left for the cash desk to close."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cardcore.access.items import AccountState, CardState
from cardcore.ids import AccountId, CardId, PersonId, SiteId
from cardcore.money import Fen
from server.access.service import set_person_levels
from server.audit.service import Deed, record
from server.cards import repository as card_rows
from server.cards.service import change_state
from server.cards.transitions import allowed
from server.database import ReadSession, WriteSession
from server.ledger import repository as ledger_rows
from server.ledger import service as ledger
from server.people import repository
from server.people.service import set_left
from server.system import System


class AccountThen(StrEnum):
    """What becomes of a leaver's account. Closing pays out, so it is done at the cash desk, from a drawer."""

    FROZEN = "frozen"
    """Nothing is charged; the cash desk closes it and pays out."""
    KEPT = "kept"
    """It stays open: a pensioner who eats here."""


class LeavingRefusal(StrEnum):
    """Why somebody does not leave."""

    NOT_FOUND = "not_found"
    LEFT_ALREADY = "left_already"


@dataclass(frozen=True, slots=True)
class Leaving:
    """Who leaves, what becomes of the account, and the cards that were handed in; all others are revoked."""

    person: PersonId
    account: AccountThen
    handed_in: frozenset[CardId]
    reason: str


@dataclass(frozen=True, slots=True)
class Left:
    """What was done: cards returned and revoked, rights ended, and the cash that the desk still owes."""

    returned: int
    revoked: int
    levels: tuple[str, ...]
    balance: Fen


def leave(
    session: WriteSession, system: System, site_id: SiteId, leaving: Leaving, actor: str
) -> Left | LeavingRefusal:
    """End a person's cards and rights in one transaction; the books stay as they are."""
    row = repository.lock(session, site_id, leaving.person)
    if row is None or row["state"] == "left":
        return LeavingRefusal.NOT_FOUND if row is None else LeavingRefusal.LEFT_ALREADY
    levels = tuple(repository.levels(session, leaving.person))
    returned, revoked = _end_cards(session, system, site_id, leaving, actor)
    set_person_levels(session, system, site_id, leaving.person, (), actor)
    set_left(session, system, site_id, leaving.person, actor, left=True)
    account = ledger_rows.account_of_person(session, site_id, leaving.person)
    balance = Fen(0)
    if account is not None:
        held = ledger.balances(session, AccountId(account["id"]))
        balance = Fen(sum(purse.balance for purse in held if purse.kind in {"cash", "deposit"}))
        if leaving.account is AccountThen.FROZEN and account["state"] == AccountState.OPEN:
            ledger.set_account_state(session, system, site_id, AccountId(account["id"]), AccountState.FROZEN, actor)
    after = {"returned": returned, "revoked": revoked, "levels": levels, "account": leaving.account}
    record(
        session, system, site_id, Deed(actor, "person_left", f"person:{leaving.person}", None, after, leaving.reason)
    )
    return Left(returned, revoked, levels, balance)


def _end_cards(session: WriteSession, system: System, site_id: SiteId, leaving: Leaving, actor: str) -> tuple[int, int]:
    counted = {CardState.RETURNED: 0, CardState.REVOKED: 0}
    for card in card_rows.cards_of_person(session, site_id, leaving.person):
        card_id, state = CardId(card["id"]), CardState(card["state"])
        wanted = CardState.RETURNED if card_id in leaving.handed_in else CardState.REVOKED
        if not allowed(state, wanted) or state is CardState.RETURNED:
            continue
        change_state(session, system, site_id, card_id, wanted, (actor, leaving.reason))
        counted[wanted] += 1
    return counted[CardState.RETURNED], counted[CardState.REVOKED]


def rights(session: ReadSession, site_id: SiteId, person_id: PersonId) -> repository.Rows:
    """Return a person's access levels with their names: id, name_en, name_zh, privileged."""
    return repository.level_names(session, site_id, person_id)
