"""The SQL of permits and crews."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, text

Rows = Sequence[RowMapping]


def worker_by_document(session: Connection, site_id: UUID, kind: str, number_hash: bytes) -> RowMapping | None:
    """Lock and return the worker who showed this document before, with the name."""
    parameters = {"site_id": site_id, "kind": kind, "hash": number_hash}
    return session.execute(_BY_DOCUMENT, parameters).mappings().one_or_none()


def insert_worker(session: Connection, row: Mapping[str, Any]) -> None:
    """Add a worker: person_id, site_id, document_kind, document_mask, document_hash."""
    session.execute(_INSERT_WORKER, row)


def insert_permit(session: Connection, row: Mapping[str, Any], crew: Sequence[UUID]) -> None:
    """Add a permit as a draft with its crew."""
    session.execute(_INSERT_PERMIT, row)
    session.execute(_INSERT_CREW, {"permit": row["id"], "crew": list(crew)})


def lock_permit(session: Connection, site_id: UUID, permit_id: UUID) -> RowMapping | None:
    """Lock and return a permit's own row."""
    return session.execute(_LOCK, {"site_id": site_id, "id": permit_id}).mappings().one_or_none()


def get(session: Connection, site_id: UUID, permit_id: UUID) -> RowMapping | None:
    """Return a permit with the host's name and the number of workers."""
    return session.execute(_GET, {"site_id": site_id, "id": permit_id}).mappings().one_or_none()


def crew(session: Connection, permit_id: UUID) -> Rows:
    """Return a permit's workers by name: person_id, name, number, document_kind, document_mask, cards."""
    return session.execute(_CREW, {"permit": permit_id}).mappings().all()


def crew_ids(session: Connection, permit_id: UUID) -> list[UUID]:
    """Return a permit's workers, in order of id."""
    return list(session.execute(_CREW_IDS, {"permit": permit_id}).scalars())


def remove_worker(session: Connection, permit_id: UUID, person_id: UUID) -> bool:
    """Take a worker off a crew list; tell whether they were on it."""
    return session.execute(_REMOVE, {"permit": permit_id, "person_id": person_id}).rowcount > 0


def set_state(session: Connection, permit_id: UUID, values: Mapping[str, Any]) -> None:
    """Set state, at, by and note of a permit."""
    session.execute(_SET_STATE, {"id": permit_id, **values})


def permits_of(session: Connection, person_id: UUID, now: datetime) -> Rows:
    """Return a worker's approved permits that are not over, earliest first."""
    return session.execute(_PERMITS_OF, {"person_id": person_id, "now": now}).mappings().all()


def unapplied(session: Connection, site_id: UUID, now: datetime, limit: int) -> list[UUID]:
    """Return workers whose rights were last set before a permit of theirs began or ended, in order."""
    return list(session.execute(_UNAPPLIED, {"site_id": site_id, "now": now, "limit": limit}).scalars())


def note_applied(session: Connection, person_id: UUID, until: datetime | None) -> None:
    """Note until when a worker's rights stand as they are."""
    session.execute(_NOTE_APPLIED, {"person_id": person_id, "until": until})


def search(session: Connection, wanted: Mapping[str, Any], limit: int, offset: int) -> Rows:
    """Return permits, newest first day first: site_id, term, prefix, now, only ('' / draft / in_force)."""
    return session.execute(_SEARCH, {**wanted, "limit": limit, "offset": offset}).mappings().all()


def count(session: Connection, wanted: Mapping[str, Any]) -> int:
    """Count what `search` finds."""
    return int(session.execute(_COUNT, wanted).scalar_one())


_BY_DOCUMENT = text("""
    select w.*, p.name from crew_worker w join person p on p.id = w.person_id
    where w.site_id = :site_id and w.document_kind = :kind and w.document_hash = :hash for update of w
""")
_INSERT_WORKER = text("""
    insert into crew_worker (person_id, site_id, document_kind, document_mask, document_hash)
    values (:person_id, :site_id, :document_kind, :document_mask, :document_hash)
""")
_INSERT_PERMIT = text("""
    insert into crew_permit (id, site_id, firm, work, host_id, starts_on, ends_on, starts_at, ends_at, levels, state,
        drawn_up_at, drawn_up_by)
    values (:id, :site_id, :firm, :work, :host_id, :starts_on, :ends_on, :starts_at, :ends_at, :levels, 'draft',
        :drawn_up_at, :drawn_up_by)
""")
_INSERT_CREW = text("""
    insert into crew_member (permit_id, person_id) select :permit, unnest(cast(:crew as uuid[]))
""")
_LOCK = text("select * from crew_permit where site_id = :site_id and id = :id for update")
_CREW = text("""
    select m.person_id, p.name, p.number, w.document_kind, w.document_mask,
        (select array_agg(c.number order by c.number) from card c
         where c.person_id = p.id and c.state = 'active') as cards
    from crew_member m join person p on p.id = m.person_id join crew_worker w on w.person_id = m.person_id
    where m.permit_id = :permit order by p.name, p.number
""")
_CREW_IDS = text("select person_id from crew_member where permit_id = :permit order by person_id")
_REMOVE = text("delete from crew_member where permit_id = :permit and person_id = :person_id")
_SET_STATE = text("""
    update crew_permit set state = :state, decided_at = :at, decided_by = :by, note = :note where id = :id
""")
_PERMITS_OF = text("""
    select p.* from crew_permit p join crew_member m on m.permit_id = p.id
    where m.person_id = :person_id and p.state = 'approved' and p.ends_at > :now order by p.starts_at, p.id
""")
_UNAPPLIED = text("""
    select person_id from crew_worker where site_id = :site_id and applied_until <= :now order by person_id limit :limit
""")
_NOTE_APPLIED = text("update crew_worker set applied_until = :until where person_id = :person_id")
_VIEW = """
    select p.*, h.name as host_name, h.number as host_number,
        (select count(*) from crew_member m where m.permit_id = p.id) as crew_count
    from crew_permit p join person h on h.id = p.host_id
"""
_MATCH = """
    p.site_id = :site_id and (:term = '' or p.firm like '%' || :prefix or p.work like '%' || :prefix
        or exists (select 1 from crew_member m join person w on w.id = m.person_id
                   where m.permit_id = p.id and w.name like :prefix))
    and (:only = '' or :only = 'draft' and p.state = 'draft' and p.ends_at > :now
         or :only = 'in_force' and p.state = 'approved' and p.starts_at <= :now and p.ends_at > :now)
"""
_GET = text(f"{_VIEW} where p.site_id = :site_id and p.id = :id")
_SEARCH = text(f"{_VIEW} where {_MATCH} order by p.starts_on desc, p.id desc limit :limit offset :offset")
_COUNT = text(f"select count(*) from crew_permit p where {_MATCH}")  # noqa: S608 - constants of this module
