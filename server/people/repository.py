"""The SQL of people, departments and categories."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Connection, RowMapping, text

Rows = Sequence[RowMapping]


def upsert_categories(session: Connection, site_id: UUID, rows: Iterable[Mapping[str, Any]]) -> None:
    """Add or rename categories: id, name_en, name_zh."""
    session.execute(_UPSERT_CATEGORY, [{**row, "site_id": site_id} for row in rows])


def upsert_departments(session: Connection, site_id: UUID, rows: Iterable[Mapping[str, Any]]) -> None:
    """Add or rename departments: id, name_en, name_zh."""
    session.execute(_UPSERT_DEPARTMENT, [{**row, "site_id": site_id} for row in rows])


def category_ids(session: Connection, site_id: UUID) -> set[str]:
    """Return the ids of all categories."""
    return set(session.execute(_CATEGORIES, {"site_id": site_id}).scalars())


def department_ids(session: Connection, site_id: UUID) -> set[str]:
    """Return the ids of all departments."""
    return set(session.execute(_DEPARTMENTS, {"site_id": site_id}).scalars())


def category_rows(session: Connection, site_id: UUID) -> Rows:
    """Return all categories: id, name_en, name_zh."""
    return session.execute(_CATEGORY_ROWS, {"site_id": site_id}).mappings().all()


def department_rows(session: Connection, site_id: UUID) -> Rows:
    """Return all departments: id, name_en, name_zh."""
    return session.execute(_DEPARTMENT_ROWS, {"site_id": site_id}).mappings().all()


def by_numbers(session: Connection, site_id: UUID, numbers: Sequence[str]) -> dict[str, RowMapping]:
    """Return the people with these numbers."""
    rows = session.execute(_BY_NUMBERS, {"site_id": site_id, "numbers": list(numbers)}).mappings()
    return {row["number"]: row for row in rows}


def change_person(session: Connection, person_id: UUID, values: Mapping[str, Any]) -> None:
    """Set name, initials, category_id and department_id of a person."""
    session.execute(_CHANGE_PERSON, {**values, "id": person_id})


def number_taken(session: Connection, site_id: UUID, number: str) -> bool:
    """Tell whether a person with this number exists."""
    return session.execute(_NUMBER_TAKEN, {"site_id": site_id, "number": number}).first() is not None


def by_number(session: Connection, site_id: UUID, number: str) -> RowMapping | None:
    """Find a person by number."""
    return session.execute(_BY_NUMBER, {"site_id": site_id, "number": number}).mappings().one_or_none()


def insert_people(session: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add people: id, site_id, number, name, initials, department_id, category_id, state, created_at."""
    session.execute(_INSERT_PEOPLE, {"rows": msgspec.json.encode(rows).decode()})


def get(session: Connection, site_id: UUID, person_id: UUID) -> RowMapping | None:
    """Return a person with the names of department and category, or None if unknown or of another site."""
    return session.execute(_GET, {"site_id": site_id, "id": person_id}).mappings().one_or_none()


def lock(session: Connection, site_id: UUID, person_id: UUID) -> RowMapping | None:
    """Lock and return a person's own row."""
    return session.execute(_LOCK, {"site_id": site_id, "id": person_id}).mappings().one_or_none()


def set_state(session: Connection, person_id: UUID, state: str) -> None:
    """Set whether a person is here or has left."""
    session.execute(_SET_STATE, {"id": person_id, "state": state})


def set_validity(
    session: Connection, person_id: UUID, valid_from: datetime | None, valid_until: datetime | None
) -> None:
    """Set from when and until when a person's cards are good at most."""
    session.execute(_SET_VALIDITY, {"id": person_id, "valid_from": valid_from, "valid_until": valid_until})


def levels(session: Connection, person_id: UUID) -> list[str]:
    """Return the ids of a person's access levels."""
    return list(session.execute(_LEVELS, {"person_id": person_id}).scalars())


def level_names(session: Connection, site_id: UUID, person_id: UUID) -> Rows:
    """Return a person's access levels: id, name_en, name_zh, privileged."""
    return session.execute(_LEVEL_NAMES, {"site_id": site_id, "person_id": person_id}).mappings().all()


def search(session: Connection, site_id: UUID, term: str, limit: int, offset: int) -> Rows:
    """Find people by the beginning of name, number or initials, or by department; all for an empty term. By name."""
    parameters = {"site_id": site_id, "term": term, "prefix": _prefix(term), "limit": limit, "offset": offset}
    return session.execute(_SEARCH, parameters).mappings().all()


def count(session: Connection, site_id: UUID, term: str) -> int:
    """Count what `search` finds."""
    parameters = {"site_id": site_id, "term": term, "prefix": _prefix(term)}
    return int(session.execute(_COUNT, parameters).scalar_one())


def _prefix(term: str) -> str:
    return term.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_") + "%"


_UPSERT_CATEGORY = text("""
    insert into category (site_id, id, name_en, name_zh) values (:site_id, :id, :name_en, :name_zh)
    on conflict (site_id, id) do update set name_en = excluded.name_en, name_zh = excluded.name_zh
""")
_UPSERT_DEPARTMENT = text("""
    insert into department (site_id, id, name_en, name_zh) values (:site_id, :id, :name_en, :name_zh)
    on conflict (site_id, id) do update set name_en = excluded.name_en, name_zh = excluded.name_zh
""")
_CATEGORIES = text("select id from category where site_id = :site_id")
_DEPARTMENTS = text("select id from department where site_id = :site_id")
_BY_NUMBER = text("select id from person where site_id = :site_id and number = :number")
_CATEGORY_ROWS = text("select id, name_en, name_zh from category where site_id = :site_id order by id")
_DEPARTMENT_ROWS = text("select id, name_en, name_zh from department where site_id = :site_id order by id")
_BY_NUMBERS = text("select * from person where site_id = :site_id and number = any(:numbers)")
_CHANGE_PERSON = text("""
    update person set name = :name, initials = :initials, category_id = :category_id, department_id = :department_id
    where id = :id
""")
_NUMBER_TAKEN = text("select 1 from person where site_id = :site_id and number = :number")
_INSERT_PEOPLE = text("""
    insert into person (id, site_id, number, name, initials, department_id, category_id, state, created_at)
    select id, site_id, number, name, initials, department_id, category_id, state, created_at
    from json_populate_recordset(null::person, cast(:rows as json))
""")
_LOCK = text("select * from person where site_id = :site_id and id = :id for update")
_SET_VALIDITY = text("update person set valid_from = :valid_from, valid_until = :valid_until where id = :id")
_LEVELS = text("select level_id from person_level where person_id = :person_id order by level_id")
_LEVEL_NAMES = text("""
    select l.id, l.name_en, l.name_zh, l.privileged from person_level h
    join access_level l on l.site_id = h.site_id and l.id = h.level_id
    where h.site_id = :site_id and h.person_id = :person_id order by l.id
""")
_SET_STATE = text("update person set state = :state where id = :id")
_VIEW = """
    select p.*, d.name_en as department_en, d.name_zh as department_zh, c.name_en as category_en,
           c.name_zh as category_zh, (select count(*) from card k where k.person_id = p.id) as card_count,
           exists (select 1 from person_photo f where f.person_id = p.id) as has_photo
    from person p join category c on c.site_id = p.site_id and c.id = p.category_id
    left join department d on d.site_id = p.site_id and d.id = p.department_id
"""
_MATCH = """
    p.site_id = :site_id and (:term = '' or p.name like :prefix or p.number like :prefix
        or p.initials like lower(:prefix)
        or p.department_id in (select id from department where site_id = :site_id
                               and (name_zh like '%' || :prefix or name_en ilike '%' || :prefix)))
"""
_GET = text(f"{_VIEW} where p.site_id = :site_id and p.id = :id")
_SEARCH = text(f"{_VIEW} where {_MATCH} order by p.name, p.number limit :limit offset :offset")
_COUNT = text(f"select count(*) from person p where {_MATCH}")  # noqa: S608 - a constant of this module
