"""Drawing up permits for outside crews, giving and taking what they open. A second person approves (`approved`).

A worker's rights are those of the permits in force, else of the next one to come: levels, and the window in which any
card of theirs is good. So a permit ends to the second at every lane, also at one that is alone, and a worker without
one has no right at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import RowMapping

from cardcore.ids import CategoryId, LevelId, PersonId, SiteId
from server.access import repository as access_rows
from server.access import service as access
from server.audit.service import SYSTEM_ACTOR, Deed, record
from server.contractors import repository
from server.contractors.models import (
    MAX_CREW,
    MAX_DAYS,
    MAX_TEXT,
    TOPIC,
    CrewProblem,
    NewPermit,
    PermitId,
    PermitRefusal,
    PermitState,
    Worker,
)
from server.database import ReadSession, WriteSession
from server.outbox import repository as outbox
from server.people import repository as people_rows
from server.people import service as people
from server.people.service import NewPerson, PersonRefusal
from server.reports.paging import Page, page_of
from server.system import System
from server.visitors.documents import cleaned_number, masked_number, number_hash

NUMBER_BYTES = 5
MOST_AT_ONCE = 500
"""Workers whose rights one call sets anew."""


def draw_up(
    session: WriteSession, system: System, site_id: SiteId, new: NewPermit, desk: tuple[str, bytes]
) -> PermitId | PermitRefusal | CrewProblem:
    """Write a permit as a draft, with its crew; `desk` is the actor and the key of document numbers. All or nothing."""
    actor, number_key = desk
    starts_at, ends_at = _span(session, site_id, new)
    refusal = _refusal(session, site_id, new) or _time_refusal(system, new, ends_at)
    if refusal is not None:
        return refusal
    problem = _crew_problem(new.crew)
    if problem is not None:
        return problem
    crew: list[PersonId] = []
    for line, worker in enumerate(new.crew, 1):
        person = _worker(session, system, site_id, (worker, CategoryId(new.category)), (actor, number_key))
        if isinstance(person, PermitRefusal):
            return CrewProblem(line, person)
        if person in crew:
            return CrewProblem(line, PermitRefusal.WORKER_TWICE)
        crew.append(person)
    permit_id = PermitId(system.ids.uuid7())
    row = {
        "id": permit_id, "site_id": site_id, "firm": new.firm.strip(), "work": new.work.strip(), "host_id": new.host,
        "starts_on": new.starts_on, "ends_on": new.ends_on, "starts_at": starts_at, "ends_at": ends_at,
        "levels": sorted(set(new.levels)), "drawn_up_at": system.clock.now(), "drawn_up_by": actor,
    }  # fmt: skip
    repository.insert_permit(session, row, crew)
    after = {"firm": row["firm"], "work": row["work"], "from": str(new.starts_on), "until": str(new.ends_on),
             "levels": row["levels"], "crew": len(crew)}  # fmt: skip
    note(session, system, site_id, permit_id, Deed(actor, "permit_drawn_up", f"permit:{permit_id}", after=after))
    return permit_id


def give(session: WriteSession, system: System, site_id: SiteId, permit_id: PermitId, deed: tuple[str, str]) -> None:
    """Put an approved permit into force for its crew; only for what two people agreed to."""
    actor, reason = deed
    values = {"state": PermitState.APPROVED, "at": system.clock.now(), "by": actor, "note": reason}
    repository.set_state(session, permit_id, values)
    for person in repository.crew_ids(session, permit_id):
        apply_rights(session, system, site_id, PersonId(person), actor)
    done = Deed(actor, "permit_approved", f"permit:{permit_id}", {"state": "draft"}, {"state": "approved"}, reason)
    note(session, system, site_id, permit_id, done)


def end(
    session: WriteSession, system: System, site_id: SiteId, permit_id: PermitId, deed: tuple[str, str]
) -> PermitRefusal | None:
    """Take a permit back at once, or strike out a draft; one person may, with a reason."""
    actor, reason = deed
    row = repository.lock_permit(session, site_id, permit_id)
    if row is None:
        return PermitRefusal.NOT_FOUND
    if row["state"] == PermitState.ENDED:
        return PermitRefusal.WRONG_STATE
    if len(reason) > MAX_TEXT:
        return PermitRefusal.TOO_LONG
    values = {"state": PermitState.ENDED, "at": system.clock.now(), "by": actor, "note": reason}
    repository.set_state(session, permit_id, values)
    for person in repository.crew_ids(session, permit_id):
        apply_rights(session, system, site_id, PersonId(person), actor)
    done = Deed(actor, "permit_ended", f"permit:{permit_id}", {"state": row["state"]}, {"state": "ended"}, reason)
    note(session, system, site_id, permit_id, done)
    return None


def remove_worker(
    session: WriteSession, system: System, site_id: SiteId, permit_id: PermitId, person: PersonId, actor: str
) -> PermitRefusal | None:
    """Take somebody off a crew list at once. Whoever is to be added needs a permit of their own."""
    if repository.lock_permit(session, site_id, permit_id) is None:
        return PermitRefusal.NOT_FOUND
    if not repository.remove_worker(session, permit_id, person):
        return PermitRefusal.NOT_FOUND
    apply_rights(session, system, site_id, person, actor)
    done = Deed(actor, "permit_worker_removed", f"permit:{permit_id}", before={"worker": str(person)})
    note(session, system, site_id, permit_id, done)
    return None


def apply_rights(session: WriteSession, system: System, site_id: SiteId, person: PersonId, actor: str) -> None:
    """Give a worker what the permits in force say, else what the next one will; nothing when there is none."""
    now = system.clock.now()
    permits = repository.permits_of(session, person, now)
    chosen = [row for row in permits if row["starts_at"] <= now] or permits[:1]
    levels = sorted({LevelId(level) for row in chosen for level in row["levels"]})
    starts = min((row["starts_at"] for row in chosen), default=None)
    ends = max((row["ends_at"] for row in chosen), default=None)
    access.set_person_levels(session, system, site_id, person, levels, actor)
    people.set_validity(session, system, site_id, person, (starts, ends), actor)
    turns = [at for row in permits for at in (row["starts_at"], row["ends_at"]) if at > now]
    repository.note_applied(session, person, min(turns, default=None))


def look(session: WriteSession, system: System, site_id: SiteId) -> int:
    """Set the rights of workers anew for whom a permit began or ended; return how many that were."""
    people_due = repository.unapplied(session, site_id, system.clock.now(), MOST_AT_ONCE)
    for person in people_due:
        apply_rights(session, system, site_id, PersonId(person), SYSTEM_ACTOR)
    return len(people_due)


def get(
    session: ReadSession | WriteSession, site_id: SiteId, permit_id: PermitId
) -> tuple[RowMapping, Sequence[RowMapping]] | None:
    """Return a permit and its crew, or None."""
    row = repository.get(session, site_id, permit_id)
    return None if row is None else (row, repository.crew(session, permit_id))


def search(
    session: ReadSession, site_id: SiteId, wanted: tuple[str, str], now: datetime, page: int
) -> Page[RowMapping]:
    """Return a page of permits; `wanted` is a term (firm, work, worker) and '' / `draft` / `in_force`."""
    term = wanted[0].strip()
    prefix = term.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_") + "%"
    values = {"site_id": site_id, "term": term, "prefix": prefix, "only": wanted[1], "now": now}
    return page_of(
        page,
        lambda limit, offset: repository.search(session, values, limit, offset),
        lambda: repository.count(session, values),
    )


def note(session: WriteSession, system: System, site_id: SiteId, permit_id: UUID, deed: Deed) -> None:
    """Write a deed into the trail and tell whoever follows permits."""
    record(session, system, site_id, deed)
    outbox.append(session, system, site_id, TOPIC, {"permit": str(permit_id), "change": deed.action})


def _span(session: WriteSession, site_id: SiteId, new: NewPermit) -> tuple[datetime, datetime]:
    (site,) = access_rows.site_rows(session, site_id)
    zone = ZoneInfo(site["time_zone"])

    def midnight(day: date) -> datetime:
        return datetime.combine(day, time(), zone)

    return midnight(new.starts_on), midnight(new.ends_on + timedelta(days=1))


def _refusal(session: WriteSession, site_id: SiteId, new: NewPermit) -> PermitRefusal | None:
    if not new.firm.strip():
        return PermitRefusal.FIRM_MISSING
    if not new.work.strip():
        return PermitRefusal.WORK_MISSING
    if max(len(new.firm), len(new.work)) > MAX_TEXT:
        return PermitRefusal.TOO_LONG
    if new.host is None:
        return PermitRefusal.HOST_MISSING
    host = people_rows.lock(session, site_id, new.host)
    if host is None or host["state"] != "active":
        return PermitRefusal.HOST_UNKNOWN
    known = {row["id"]: row["privileged"] for row in access_rows.level_rows(session, site_id)}
    if not new.levels:
        return PermitRefusal.LEVEL_MISSING
    if not set(new.levels) <= known.keys():
        return PermitRefusal.LEVEL_UNKNOWN
    if any(known[level] for level in new.levels):
        return PermitRefusal.LEVEL_PRIVILEGED
    unknown = new.category not in people_rows.category_ids(session, site_id)
    return PermitRefusal.CATEGORY_UNKNOWN if unknown else None


def _time_refusal(system: System, new: NewPermit, ends_at: datetime) -> PermitRefusal | None:
    if new.ends_on < new.starts_on:
        return PermitRefusal.ENDS_BEFORE_START
    if ends_at <= system.clock.now():
        return PermitRefusal.IN_THE_PAST
    if new.ends_on - new.starts_on >= timedelta(days=MAX_DAYS):
        return PermitRefusal.TOO_LONG_A_PERMIT
    return None


def _crew_problem(crew: Sequence[Worker]) -> PermitRefusal | CrewProblem | None:
    if not crew:
        return PermitRefusal.CREW_EMPTY
    if len(crew) > MAX_CREW:
        return PermitRefusal.CREW_TOO_LARGE
    for line, worker in enumerate(crew, 1):
        if not worker.name.strip() or len(worker.name) > MAX_TEXT:
            return CrewProblem(line, PermitRefusal.WORKER_NAME_MISSING)
        if cleaned_number(worker.document_kind, worker.document_number) is None:
            return CrewProblem(line, PermitRefusal.DOCUMENT_WRONG)
    numbers = [(one.document_kind, cleaned_number(one.document_kind, one.document_number)) for one in crew]
    twice = next((line for line, number in enumerate(numbers, 1) if number in numbers[: line - 1]), None)
    return None if twice is None else CrewProblem(twice, PermitRefusal.WORKER_TWICE)


def _worker(
    session: WriteSession, system: System, site_id: SiteId, who: tuple[Worker, CategoryId], desk: tuple[str, bytes]
) -> PersonId | PermitRefusal:
    """Return the worker with this document, new or known."""
    worker, category = who
    actor, number_key = desk
    number = cleaned_number(worker.document_kind, worker.document_number)
    assert number is not None, "checked before"
    hashed = number_hash(number_key, site_id, worker.document_kind, number)
    known = repository.worker_by_document(session, site_id, worker.document_kind, hashed)
    if known is not None:
        same = known["name"] == worker.name.strip()
        return PersonId(known["person_id"]) if same else PermitRefusal.DOCUMENT_OF_ANOTHER
    personal = f"W{system.ids.random_bytes(NUMBER_BYTES).hex().upper()}"
    created = people.create_person(session, system, site_id, NewPerson(personal, worker.name.strip(), category), actor)
    assert not isinstance(created, PersonRefusal), "name and category were checked, the number is drawn"
    row = {
        "person_id": created, "site_id": site_id, "document_kind": worker.document_kind,
        "document_mask": masked_number(number), "document_hash": hashed,
    }  # fmt: skip
    repository.insert_worker(session, row)
    return created
