"""Creating, finding and reading people. Movements of a person are not here: they need a stated purpose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import RowMapping

from cardcore.ids import CardId, CategoryId, PersonId, SiteId
from server.audit import repository as audit_rows
from server.audit.service import Deed, record
from server.cards import repository as card_rows
from server.database import ReadSession, WriteSession
from server.people import repository
from server.people.initials import initials_of
from server.policy import service as policy
from server.reports.paging import Page, page_of
from server.system import System

MAX_NAME = 100
MAX_NUMBER = 40
"""Characters of a name and of a personnel number."""


class PersonRefusal(StrEnum):
    """Why a person cannot be created."""

    NOT_FOUND = "not_found"
    NUMBER_TAKEN = "number_taken"
    UNKNOWN_CATEGORY = "unknown_category"
    UNKNOWN_DEPARTMENT = "unknown_department"
    NAME_MISSING = "name_missing"
    TOO_LONG = "too_long"


@dataclass(frozen=True, slots=True)
class NewPerson:
    """A person to create; `initials` are the first letters of the name's pinyin, for search: made when left out."""

    number: str
    name: str
    category_id: CategoryId
    department_id: str | None = None
    initials: str = ""


@dataclass(frozen=True, slots=True)
class Named:
    """A name in both languages."""

    en: str
    zh: str


def put_category(
    session: WriteSession, system: System, site_id: SiteId, category_id: CategoryId, name: Named, actor: str
) -> None:
    """Add or rename a category."""
    repository.upsert_categories(session, site_id, [{"id": category_id, "name_en": name.en, "name_zh": name.zh}])
    record(session, system, site_id, Deed(actor, "category_put", f"category:{category_id}", after=asdict(name)))


def put_department(
    session: WriteSession, system: System, site_id: SiteId, department_id: str, name: Named, actor: str
) -> None:
    """Add or rename a department."""
    repository.upsert_departments(session, site_id, [{"id": department_id, "name_en": name.en, "name_zh": name.zh}])
    record(session, system, site_id, Deed(actor, "department_put", f"department:{department_id}", after=asdict(name)))


def create_person(
    session: WriteSession, system: System, site_id: SiteId, new: NewPerson, actor: str
) -> PersonId | PersonRefusal:
    """Add a person, or say why not."""
    refusal = _refusal(session, site_id, new)
    if refusal is not None:
        return refusal
    person_id = PersonId(system.ids.uuid7())
    row = person_row(site_id, person_id, new)
    repository.insert_people(session, [{**row, "created_at": system.clock.now()}])
    record(session, system, site_id, Deed(actor, "person_created", f"person:{person_id}", after=asdict(new)))
    return person_id


def change_person(
    session: WriteSession, system: System, site_id: SiteId, person_id: PersonId, new: NewPerson, actor: str
) -> PersonRefusal | None:
    """Give a person another name, category or department; the number stays (`new.number` is not looked at)."""
    row = repository.lock(session, site_id, person_id)
    if row is None:
        return PersonRefusal.NOT_FOUND
    refusal = _refusal(session, site_id, new, is_new=False)
    if refusal is not None:
        return refusal
    values = {
        "name": new.name, "initials": new.initials.lower() or initials_of(new.name), "category_id": new.category_id,
        "department_id": new.department_id,
    }  # fmt: skip
    repository.change_person(session, person_id, values)
    before = {name: row[name] for name in values}
    record(session, system, site_id, Deed(actor, "person_changed", f"person:{person_id}", before, values))
    cards = [CardId(card["id"]) for card in card_rows.cards_of_person(session, site_id, person_id)]
    policy.refresh_cards(session, system, site_id, cards)
    return None


def person_row(site_id: SiteId, person_id: PersonId, new: NewPerson) -> dict[str, Any]:
    """Return the row of a new person, all but its time."""
    values = {**asdict(new), "initials": new.initials.lower() or initials_of(new.name), "state": "active"}
    return {"id": person_id, "site_id": site_id, **values}


def set_left(
    session: WriteSession, system: System, site_id: SiteId, person_id: PersonId, actor: str, *, left: bool
) -> bool:
    """Note that a person has left, or is back; who left has no access level in force. Tell whether there is one."""
    row = repository.lock(session, site_id, person_id)
    if row is None:
        return False
    state = "left" if left else "active"
    repository.set_state(session, person_id, state)
    deed = Deed(actor, "person_state_set", f"person:{person_id}", before=row["state"], after=state)
    record(session, system, site_id, deed)
    cards = [CardId(card["id"]) for card in card_rows.cards_of_person(session, site_id, person_id)]
    policy.refresh_cards(session, system, site_id, cards)
    return True


def set_validity(
    session: WriteSession,
    system: System,
    site_id: SiteId,
    person_id: PersonId,
    window: tuple[datetime | None, datetime | None],
    actor: str,
) -> bool:
    """Set from when and until when (half-open, aware UTC) a person's cards are good at most, whatever a card says.

    Tell whether there is such a person and the window is one.
    """
    valid_from, valid_until = window
    row = repository.lock(session, site_id, person_id)
    if row is None or (valid_from and valid_until and valid_from >= valid_until):
        return False
    repository.set_validity(session, person_id, valid_from, valid_until)
    before = [row["valid_from"], row["valid_until"]]
    deed = Deed(actor, "person_validity_set", f"person:{person_id}", before=before, after=list(window))
    record(session, system, site_id, deed)
    cards = [CardId(card["id"]) for card in card_rows.cards_of_person(session, site_id, person_id)]
    policy.refresh_cards(session, system, site_id, cards)
    return True


def search(session: ReadSession, site_id: SiteId, term: str, page: int) -> Page[RowMapping]:
    """Find people by the beginning of name, number or pinyin initials, or by department; by name."""
    term = term.strip()
    return page_of(
        page,
        lambda limit, offset: repository.search(session, site_id, term, limit, offset),
        lambda: repository.count(session, site_id, term),
    )


def get(session: ReadSession, site_id: SiteId, person_id: PersonId) -> RowMapping | None:
    """Return a person's row with the names of department and category, or None."""
    return repository.get(session, site_id, person_id)


def history(session: ReadSession, site_id: SiteId, person_id: PersonId) -> Sequence[RowMapping]:
    """Return what was done to a person's entry, newest first."""
    return audit_rows.of_object(session, site_id, f"person:{person_id}")


def cards_of(session: ReadSession, site_id: SiteId, person_id: PersonId) -> Sequence[RowMapping]:
    """Return a person's cards, newest first."""
    return card_rows.cards_of_person(session, site_id, person_id)


def _refusal(session: WriteSession, site_id: SiteId, new: NewPerson, *, is_new: bool = True) -> PersonRefusal | None:
    if not new.name.strip() or not new.number.strip():
        return PersonRefusal.NAME_MISSING
    if len(new.name) > MAX_NAME or len(new.number) > MAX_NUMBER:
        return PersonRefusal.TOO_LONG
    if new.category_id not in repository.category_ids(session, site_id):
        return PersonRefusal.UNKNOWN_CATEGORY
    if new.department_id is not None and new.department_id not in repository.department_ids(session, site_id):
        return PersonRefusal.UNKNOWN_DEPARTMENT
    if is_new and repository.number_taken(session, site_id, new.number):
        return PersonRefusal.NUMBER_TAKEN
    return None
