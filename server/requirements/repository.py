"""The SQL of requirements and of what people have shown for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, text

Rows = Sequence[RowMapping]


def listed(session: Connection, site_id: UUID) -> Rows:
    """Return the requirements of a site with the number of people who meet each: id, name_en, name_zh, holders."""
    return session.execute(_LISTED, {"site_id": site_id}).mappings().all()


def upsert(session: Connection, site_id: UUID, row: Mapping[str, Any]) -> None:
    """Add or change a requirement: id, name_en, name_zh."""
    session.execute(_UPSERT, {**row, "site_id": site_id})


def exists(session: Connection, site_id: UUID, requirement: str) -> bool:
    """Tell whether a site has a requirement."""
    return bool(session.execute(_EXISTS, {"site_id": site_id, "id": requirement}).scalar_one())


def put_proof(session: Connection, site_id: UUID, row: Mapping[str, Any]) -> RowMapping | None:
    """Keep what a person has shown, and return what stood there: person_id, requirement_id, the instants, note."""
    old = session.execute(_LOCK_PROOF, row).mappings().one_or_none()
    session.execute(_PUT_PROOF, {**row, "site_id": site_id})
    return old


def drop_proof(session: Connection, person_id: UUID, requirement: str) -> RowMapping | None:
    """Remove what a person has shown, and return it."""
    parameters = {"person_id": person_id, "requirement_id": requirement}
    return session.execute(_DROP_PROOF, parameters).mappings().one_or_none()


def proofs_of(session: Connection, site_id: UUID, person_id: UUID) -> Rows:
    """Return what a person has shown, by requirement."""
    return session.execute(_PROOFS_OF, {"site_id": site_id, "person_id": person_id}).mappings().all()


def ending(session: Connection, site_id: UUID, begins: datetime, ends: datetime, limit: int) -> Rows:
    """Return proofs that end in a window, soonest first, with number and name of the person."""
    parameters = {"site_id": site_id, "begins": begins, "ends": ends, "limit": limit}
    return session.execute(_ENDING, parameters).mappings().all()


def set_extended(session: Connection, person_id: UUID, *, extended: bool) -> None:
    """Say whether a person needs lanes open for longer."""
    session.execute(_SET_EXTENDED, {"id": person_id, "extended": extended})


_LISTED = text("""
    select r.id, r.name_en, r.name_zh, (select count(*) from person_proof p
        where p.site_id = r.site_id and p.requirement_id = r.id) as holders
    from requirement r where r.site_id = :site_id order by r.id
""")
_UPSERT = text("""
    insert into requirement (site_id, id, name_en, name_zh) values (:site_id, :id, :name_en, :name_zh)
    on conflict (site_id, id) do update set name_en = excluded.name_en, name_zh = excluded.name_zh
""")
_EXISTS = text("select exists (select 1 from requirement where site_id = :site_id and id = :id)")
_LOCK_PROOF = text("""
    select * from person_proof where person_id = :person_id and requirement_id = :requirement_id for update
""")
_PUT_PROOF = text("""
    insert into person_proof (site_id, person_id, requirement_id, valid_from, valid_until, note)
    values (:site_id, :person_id, :requirement_id, :valid_from, :valid_until, :note)
    on conflict (person_id, requirement_id) do update
    set valid_from = excluded.valid_from, valid_until = excluded.valid_until, note = excluded.note
""")
_DROP_PROOF = text("""
    delete from person_proof where person_id = :person_id and requirement_id = :requirement_id returning *
""")
_PROOFS_OF = text("""
    select * from person_proof where site_id = :site_id and person_id = :person_id order by requirement_id
""")
_ENDING = text("""
    select f.*, p.number, p.name from person_proof f join person p on p.id = f.person_id
    where f.site_id = :site_id and f.valid_until >= :begins and f.valid_until < :ends
    order by f.valid_until, p.number limit :limit
""")
_SET_EXTENDED = text("update person set extended = :extended where id = :id")
