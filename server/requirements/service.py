"""What zones may ask of people beyond an access level, and what each person has shown, with its validity (A39, A43).

An induction, a health certificate, an approval: all are a requirement of the site and, for a person, an interval of
time. Changes reach every box like any change of policy, and a box ends what has expired by itself.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import RowMapping

from cardcore.ids import PersonId, SiteId
from server.audit.service import Deed, record
from server.cards import repository as card_rows
from server.database import ReadSession, WriteSession
from server.people import repository as people_rows
from server.policy import service as policy
from server.requirements import repository
from server.system import System

MAX_NAME = 60
MAX_NOTE = 200
MAX_LISTED = 500


class RequirementRefusal(StrEnum):
    """Why nothing was changed."""

    UNKNOWN_REQUIREMENT = "unknown_requirement"
    UNKNOWN_PERSON = "unknown_person"
    NOT_SHOWN = "not_shown"
    NAME_MISSING = "name_missing"
    ENDS_BEFORE_IT_BEGINS = "ends_before_it_begins"
    NOTE_TOO_LONG = "note_too_long"


@dataclass(frozen=True, slots=True)
class Requirement:
    """Something people must have shown."""

    id: str
    name_en: str
    name_zh: str


@dataclass(frozen=True, slots=True)
class Shown:
    """What a person has shown for a requirement, valid from <= t < until; aware UTC."""

    requirement: str
    valid_from: datetime
    valid_until: datetime
    note: str = ""


@dataclass(frozen=True, slots=True)
class Ending:
    """A proof that ends soon, and whose it is."""

    number: str
    name: str
    shown: Shown


def requirements(session: ReadSession, site_id: SiteId) -> list[tuple[Requirement, int]]:
    """Return the site's requirements, each with the number of people who have shown it."""
    rows = repository.listed(session, site_id)
    return [(Requirement(row["id"], row["name_en"], row["name_zh"]), row["holders"]) for row in rows]


def put_requirement(
    session: WriteSession, system: System, site_id: SiteId, actor: str, wanted: Requirement
) -> RequirementRefusal | None:
    """Add or rename a requirement; which zones ask for it stands on the zones."""
    if not all(0 < len(text.strip()) <= MAX_NAME for text in (wanted.id, wanted.name_en, wanted.name_zh)):
        return RequirementRefusal.NAME_MISSING
    repository.upsert(session, site_id, asdict(wanted))
    deed = Deed(actor, "requirement_put", f"requirement:{wanted.id}", after=asdict(wanted))
    record(session, system, site_id, deed)
    return None


def show(
    session: WriteSession, system: System, site_id: SiteId, actor: str, person_id: PersonId, shown: Shown
) -> RequirementRefusal | None:
    """Keep what a person has shown, in place of what they showed for it before."""
    if shown.valid_until <= shown.valid_from:
        return RequirementRefusal.ENDS_BEFORE_IT_BEGINS
    if len(shown.note) > MAX_NOTE:
        return RequirementRefusal.NOTE_TOO_LONG
    if people_rows.get(session, site_id, person_id) is None:
        return RequirementRefusal.UNKNOWN_PERSON
    if not repository.exists(session, site_id, shown.requirement):
        return RequirementRefusal.UNKNOWN_REQUIREMENT
    row = {
        "person_id": person_id, "requirement_id": shown.requirement, "valid_from": shown.valid_from,
        "valid_until": shown.valid_until, "note": shown.note,
    }  # fmt: skip
    old = repository.put_proof(session, site_id, row)
    deed = Deed(
        actor,
        "requirement_shown",
        f"person:{person_id}",
        _told(old),
        _told({**row, "requirement_id": shown.requirement}),
    )
    _published(session, system, site_id, person_id, deed)
    return None


def withdraw(
    session: WriteSession, system: System, site_id: SiteId, actor: str, person_id: PersonId, requirement: str
) -> RequirementRefusal | None:
    """Take back what a person has shown."""
    if people_rows.get(session, site_id, person_id) is None:
        return RequirementRefusal.UNKNOWN_PERSON
    old = repository.drop_proof(session, person_id, requirement)
    if old is None:
        return RequirementRefusal.NOT_SHOWN
    _published(
        session, system, site_id, person_id, Deed(actor, "requirement_withdrawn", f"person:{person_id}", _told(old))
    )
    return None


def shown_by(session: ReadSession, site_id: SiteId, person_id: PersonId) -> list[Shown]:
    """Return what a person has shown, whether it is still valid or not."""
    return [_shown(row) for row in repository.proofs_of(session, site_id, person_id)]


def ending(session: ReadSession, site_id: SiteId, begins: datetime, ends: datetime) -> list[Ending]:
    """Return what ends in a window of time, soonest first."""
    rows = repository.ending(session, site_id, begins, ends, MAX_LISTED)
    return [Ending(row["number"], row["name"], _shown(row)) for row in rows]


def set_extended(
    session: WriteSession, system: System, site_id: SiteId, actor: str, person_id: PersonId, *, extended: bool
) -> RequirementRefusal | None:
    """Say whether a person needs lanes to stay open for longer (A43)."""
    row = people_rows.lock(session, site_id, person_id)
    if row is None:
        return RequirementRefusal.UNKNOWN_PERSON
    repository.set_extended(session, person_id, extended=extended)
    before, after = {"extended": row["extended"]}, {"extended": extended}
    _published(
        session, system, site_id, person_id, Deed(actor, "passage_time_set", f"person:{person_id}", before, after)
    )
    return None


def _published(session: WriteSession, system: System, site_id: SiteId, person_id: PersonId, deed: Deed) -> None:
    record(session, system, site_id, deed)
    cards = [row["id"] for row in card_rows.cards_of_person(session, site_id, person_id)]
    policy.refresh_cards(session, system, site_id, cards)


def _shown(row: RowMapping) -> Shown:
    return Shown(row["requirement_id"], row["valid_from"], row["valid_until"], row["note"])


def _told(row: RowMapping | dict[str, object] | None) -> dict[str, str] | None:
    if row is None:
        return None
    return {name: str(row[name]) for name in ("requirement_id", "valid_from", "valid_until", "note")}
