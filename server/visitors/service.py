"""Registering visitors and saying yes or no to them. Passes are `passes`, the end of a visit is `ending`.

A visitor is a person of the site's own kind, so that lanes, presence and the muster list know one like anybody else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import RowMapping

from cardcore.ids import CategoryId, LevelId, PersonId, SiteId, ZoneId
from server.access import repository as access_rows
from server.audit.service import Deed, record
from server.database import ReadSession, WriteSession
from server.outbox import repository as outbox
from server.people import repository as people_rows
from server.people import service as people
from server.people.service import NewPerson, PersonRefusal
from server.system import System
from server.visitors import repository
from server.visitors.documents import cleaned_number, masked_number, number_hash
from server.visitors.models import (
    MAX_DAYS_AHEAD,
    MAX_PLATE,
    MAX_TEXT,
    TOPIC,
    NewVisit,
    VisitId,
    VisitorRules,
    VisitRefusal,
    VisitState,
)

NUMBER_BYTES = 5


@dataclass(frozen=True, slots=True)
class Desk:
    """Who registers, and the key under which document numbers are hashed."""

    actor: str
    number_key: bytes
    host: PersonId | None = None
    """The person behind the login; a host who registers a visitor of their own has said yes by that."""


def put_rules(
    session: WriteSession, system: System, site_id: SiteId, new: VisitorRules, actor: str
) -> VisitRefusal | None:
    """Set how the site takes visitors, or say what is wrong with it."""
    if new.category not in people_rows.category_ids(session, site_id):
        return VisitRefusal.CATEGORY_UNKNOWN
    if new.outside_zone not in {row["id"] for row in access_rows.zone_rows(session, site_id)}:
        return VisitRefusal.ZONE_UNKNOWN
    known = {row["id"]: row["privileged"] for row in access_rows.level_rows(session, site_id)}
    wanted = {*new.levels, *new.always_levels}
    if not new.levels or not wanted <= known.keys():
        return VisitRefusal.LEVEL_UNKNOWN
    if any(known[level] for level in wanted):
        return VisitRefusal.LEVEL_PRIVILEGED
    if not _in_range(new):
        return VisitRefusal.NUMBER_OUT_OF_RANGE
    before = rules(session, site_id)
    row = {**asdict(new), "levels": list(new.levels), "always_levels": list(new.always_levels), "site_id": site_id}
    repository.upsert_rules(session, row)
    old = None if before is None else asdict(before)
    record(session, system, site_id, Deed(actor, "visitor_rules_set", f"site:{site_id}", old, asdict(new)))
    return None


def rules(session: ReadSession | WriteSession, site_id: SiteId) -> VisitorRules | None:
    """Return how the site takes visitors, or None where it has not said."""
    row = repository.rules(session, site_id)
    if row is None:
        return None
    names = (
        "approval_needed", "escorted", "early_minutes", "grace_minutes", "overstay_minutes", "longest_hours",
        "most_per_host", "keep_days",
    )  # fmt: skip
    return VisitorRules(
        CategoryId(row["category_id"]),
        ZoneId(row["outside_zone"]),
        tuple(LevelId(level) for level in row["levels"]),
        tuple(LevelId(level) for level in row["always_levels"]),
        **{name: row[name] for name in names},
    )


def register(
    session: WriteSession, system: System, site_id: SiteId, new: NewVisit, desk: Desk
) -> VisitId | VisitRefusal:
    """Write a visitor and a visit into the register: announced until the host agrees, where the site asks for that."""
    how = rules(session, site_id)
    if how is None:
        return VisitRefusal.NO_RULES
    refusal = _text_refusal(new) or _time_refusal(system, new, how) or _host_refusal(session, site_id, new, how)
    if refusal is not None:
        return refusal
    levels = new.levels or how.levels
    if not set(levels) <= set(how.levels):
        return VisitRefusal.LEVEL_NOT_FOR_VISITORS
    person = _person(session, system, site_id, new, how, desk)
    if isinstance(person, VisitRefusal):
        return person
    visit_id, now = VisitId(system.ids.uuid7()), system.clock.now()
    agreed = not how.approval_needed or desk.host == new.host
    escorted = how.escorted if new.escorted is None else new.escorted
    row = {
        "id": visit_id, "site_id": site_id, "person_id": person, "host_id": new.host, "purpose": new.purpose.strip(),
        "levels": sorted({*levels, *how.always_levels}),
        "led_levels": sorted(set(levels) - set(how.always_levels)) if escorted else [], "escorted": escorted,
        "reentry": new.reentry, "plate": new.plate.strip().upper(), "starts_at": new.starts_at, "ends_at": new.ends_at,
        "state": VisitState.APPROVED if agreed else VisitState.ANNOUNCED,
        "registered_at": now, "registered_by": desk.actor,
    }  # fmt: skip
    repository.insert_visit(session, row)
    after = {"visitor": str(person), "host": str(new.host), "purpose": row["purpose"], "levels": row["levels"],
             "from": new.starts_at.isoformat(), "until": new.ends_at.isoformat(), "state": row["state"]}  # fmt: skip
    note(session, system, site_id, visit_id, Deed(desk.actor, "visit_registered", f"visit:{visit_id}", after=after))
    return visit_id


def answer(
    session: WriteSession,
    system: System,
    site_id: SiteId,
    visit_id: VisitId,
    by: tuple[str, PersonId | None],
    *,
    agreed: bool,
    for_host: bool = False,
) -> VisitRefusal | None:
    """Say yes or no to a visit; `by` is the actor and the person behind it.

    The host may; for the host may whoever is allowed to (`for_host`) and did not register the visit.
    """
    actor, person = by
    row = repository.lock_visit(session, site_id, visit_id)
    if row is None:
        return VisitRefusal.NOT_FOUND
    if row["state"] != VisitState.ANNOUNCED:
        return VisitRefusal.WRONG_STATE
    is_host = person is not None and row["host_id"] == person
    if not is_host and not for_host:
        return VisitRefusal.NOT_YOUR_VISITOR
    if not is_host and agreed and row["registered_by"] == actor:
        return VisitRefusal.SAME_PERSON
    state = VisitState.APPROVED if agreed else VisitState.DECLINED
    repository.decide(session, visit_id, state, actor, system.clock.now())
    deed = Deed(actor, "visit_answered", f"visit:{visit_id}", {"state": row["state"]}, {"state": state})
    note(session, system, site_id, visit_id, deed)
    return None


def cancel(
    session: WriteSession, system: System, site_id: SiteId, visit_id: VisitId, actor: str
) -> VisitRefusal | None:
    """Strike out a visit that has not begun."""
    row = repository.lock_visit(session, site_id, visit_id)
    if row is None:
        return VisitRefusal.NOT_FOUND
    if row["state"] not in {VisitState.ANNOUNCED, VisitState.APPROVED}:
        return VisitRefusal.WRONG_STATE
    repository.decide(session, visit_id, VisitState.CANCELLED, actor, system.clock.now())
    deed = Deed(actor, "visit_cancelled", f"visit:{visit_id}", {"state": row["state"]}, {"state": "cancelled"})
    note(session, system, site_id, visit_id, deed)
    return None


def set_unwanted(
    session: WriteSession, system: System, site_id: SiteId, person: PersonId, why: str, actor: str
) -> VisitRefusal | None:
    """Turn a visitor away for good, or (with nothing said) let them come again."""
    if len(why) > MAX_TEXT:
        return VisitRefusal.TOO_LONG
    if not repository.set_unwanted(session, site_id, person, why.strip()):
        return VisitRefusal.NOT_FOUND
    record(
        session, system, site_id, Deed(actor, "visitor_unwanted_set", f"person:{person}", after=bool(why), reason=why)
    )
    return None


def note(session: WriteSession, system: System, site_id: SiteId, visit_id: VisitId, deed: Deed) -> None:
    """Write a deed into the trail and tell whoever follows visits."""
    record(session, system, site_id, deed)
    outbox.append(session, system, site_id, TOPIC, {"visit": str(visit_id), "change": deed.action})


def get(session: ReadSession | WriteSession, site_id: SiteId, visit_id: VisitId) -> RowMapping | None:
    """Return a visit with the names of visitor and host and the masked document, or None."""
    return repository.get(session, site_id, visit_id)


def overstays(session: ReadSession, site_id: SiteId) -> Sequence[RowMapping]:
    """Return the open visits whose visitor should have left, longest first."""
    return repository.overstays(session, site_id)


def _in_range(new: VisitorRules) -> bool:
    return (
        all(0 <= value <= 1_440 for value in (new.early_minutes, new.grace_minutes, new.overstay_minutes))  # noqa: PLR2004 - minutes of a day
        and 1 <= new.longest_hours <= 744  # noqa: PLR2004 - hours of a month
        and 0 <= new.most_per_host <= 1_000  # noqa: PLR2004
        and 1 <= new.keep_days <= 3_650  # noqa: PLR2004 - days of ten years
    )


def _text_refusal(new: NewVisit) -> VisitRefusal | None:
    if not new.name.strip():
        return VisitRefusal.NAME_MISSING
    if not new.purpose.strip():
        return VisitRefusal.PURPOSE_MISSING
    if max(len(new.name), len(new.purpose), len(new.company)) > MAX_TEXT or len(new.plate.strip()) > MAX_PLATE:
        return VisitRefusal.TOO_LONG
    if cleaned_number(new.document_kind, new.document_number) is None:
        return VisitRefusal.DOCUMENT_WRONG
    return None


def _time_refusal(system: System, new: NewVisit, how: VisitorRules) -> VisitRefusal | None:
    now = system.clock.now()
    if new.ends_at <= new.starts_at:
        return VisitRefusal.ENDS_BEFORE_START
    if new.ends_at <= now:
        return VisitRefusal.IN_THE_PAST
    if new.ends_at - new.starts_at > timedelta(hours=how.longest_hours):
        return VisitRefusal.TOO_LONG_A_VISIT
    return VisitRefusal.TOO_FAR_AHEAD if new.starts_at > now + timedelta(days=MAX_DAYS_AHEAD) else None


def _host_refusal(session: WriteSession, site_id: SiteId, new: NewVisit, how: VisitorRules) -> VisitRefusal | None:
    if new.host is None:
        return VisitRefusal.HOST_MISSING
    host = people_rows.lock(session, site_id, new.host)
    if host is None:
        return VisitRefusal.HOST_UNKNOWN
    if host["state"] != "active":
        return VisitRefusal.HOST_LEFT
    if repository.is_visitor(session, new.host):
        return VisitRefusal.HOST_IS_VISITOR
    others = repository.host_count(session, site_id, new.host, new.starts_at, new.ends_at)
    return VisitRefusal.HOST_FULL if 0 < how.most_per_host <= others else None


def _person(
    session: WriteSession, system: System, site_id: SiteId, new: NewVisit, how: VisitorRules, desk: Desk
) -> PersonId | VisitRefusal:
    """Return the visitor with this document, new or known, or why there can be none."""
    number = cleaned_number(new.document_kind, new.document_number)
    assert number is not None, "checked before"
    hashed = number_hash(desk.number_key, site_id, new.document_kind, number)
    known = repository.visitor_by_document(session, site_id, new.document_kind, hashed)
    if known is not None:
        return _known_visitor(session, known, new)
    personal = f"V{system.ids.random_bytes(NUMBER_BYTES).hex().upper()}"
    created = people.create_person(
        session, system, site_id, NewPerson(personal, new.name.strip(), how.category), desk.actor
    )
    assert not isinstance(created, PersonRefusal), "name and category were checked, the number is drawn"
    row: dict[str, Any] = {
        "person_id": created, "site_id": site_id, "company": new.company.strip(),
        "document_kind": new.document_kind, "document_mask": masked_number(number), "document_hash": hashed,
    }  # fmt: skip
    repository.insert_visitor(session, row)
    return created


def _known_visitor(session: WriteSession, known: RowMapping, new: NewVisit) -> PersonId | VisitRefusal:
    if known["unwanted"]:
        return VisitRefusal.NOT_WANTED
    if known["name"] != new.name.strip():
        return VisitRefusal.DOCUMENT_OF_ANOTHER
    if new.company.strip():
        repository.set_company(session, known["person_id"], new.company.strip())
    return PersonId(known["person_id"])
