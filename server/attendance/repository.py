"""The SQL of shifts and of who was in when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, text

Rows = Sequence[RowMapping]


def zones(session: Connection, site_id: UUID) -> list[str]:
    """Return the zones that count as being at work."""
    found: list[str] | None = session.execute(_ZONES, {"site_id": site_id}).scalar_one_or_none()
    return found or []


def set_zones(session: Connection, site_id: UUID, zones_: Sequence[str]) -> None:
    """Set the zones that count as being at work."""
    session.execute(_SET_ZONES, {"site_id": site_id, "zones": list(zones_)})


def upsert_shift(session: Connection, row: Mapping[str, Any]) -> None:
    """Add or change a shift: all columns."""
    session.execute(_UPSERT_SHIFT, row)


def shifts(session: Connection, site_id: UUID) -> Rows:
    """Return all shifts in order."""
    return session.execute(_SHIFTS, {"site_id": site_id}).mappings().all()


def put_holder(session: Connection, site_id: UUID, kind: str, key: str, shift_id: str) -> None:
    """Say who works by a shift."""
    session.execute(_PUT_HOLDER, {"site_id": site_id, "kind": kind, "key": key, "shift_id": shift_id})


def drop_holder(session: Connection, site_id: UUID, kind: str, key: str) -> bool:
    """Take that back; tell whether it was so."""
    return session.execute(_DROP_HOLDER, {"site_id": site_id, "kind": kind, "key": key}).rowcount > 0


def holders(session: Connection, site_id: UUID) -> Rows:
    """Return who works by which shift: kind, key, shift_id, and the key's names."""
    return session.execute(_HOLDERS, {"site_id": site_id}).mappings().all()


def seen(session: Connection, site_id: UUID, span: tuple[datetime, datetime], until: datetime) -> Rows:
    """Return first in and last out of everybody in a span, from records received before `until`."""
    parameters = {"site_id": site_id, "since": span[0], "until": span[1], "received": until}
    return session.execute(_SEEN, parameters).mappings().all()


def keep_day(session: Connection, site_id: UUID, day: date, rows: Sequence[RowMapping]) -> None:
    """Keep what was seen on a day; an earlier keeping is replaced."""
    people = [row["person_id"] for row in rows]
    values = {
        "site_id": site_id, "day": day, "people": people,
        "first": [row["first_in"] for row in rows], "last": [row["last_out"] for row in rows],
    }  # fmt: skip
    session.execute(_KEEP, values)


def is_kept(session: Connection, site_id: UUID, day: date) -> bool:
    """Tell whether anything of a day is kept."""
    return session.execute(_IS_KEPT, {"site_id": site_id, "day": day}).first() is not None


def kept(session: Connection, site_id: UUID, days: Sequence[date]) -> Rows:
    """Return what was kept of days: person_id, business_day, first_in, last_out."""
    return session.execute(_KEPT, {"site_id": site_id, "days": list(days)}).mappings().all()


def people(session: Connection, site_id: UUID, department: str, person_id: UUID | None) -> Rows:
    """Return active people who work by a shift: of a department, or one person, or all."""
    parameters = {"site_id": site_id, "department": department, "person_id": person_id}
    return session.execute(_PEOPLE, parameters).mappings().all()


_ZONES = text("select zones from attendance_rules where site_id = :site_id")
_SET_ZONES = text("""
    insert into attendance_rules (site_id, zones) values (:site_id, :zones)
    on conflict (site_id) do update set zones = excluded.zones
""")
_UPSERT_SHIFT = text("""
    insert into work_shift (site_id, id, name_en, name_zh, start_seconds, end_seconds, weekdays, late_minutes,
        early_minutes)
    values (:site_id, :id, :name_en, :name_zh, :start_seconds, :end_seconds, :weekdays, :late_minutes, :early_minutes)
    on conflict (site_id, id) do update set name_en = excluded.name_en, name_zh = excluded.name_zh,
        start_seconds = excluded.start_seconds, end_seconds = excluded.end_seconds, weekdays = excluded.weekdays,
        late_minutes = excluded.late_minutes, early_minutes = excluded.early_minutes
""")
_SHIFTS = text("select * from work_shift where site_id = :site_id order by id")
_PUT_HOLDER = text("""
    insert into shift_holder (site_id, kind, key, shift_id) values (:site_id, :kind, :key, :shift_id)
    on conflict (site_id, kind, key) do update set shift_id = excluded.shift_id
""")
_DROP_HOLDER = text("delete from shift_holder where site_id = :site_id and kind = :kind and key = :key")
_HOLDERS = text("""
    select s.kind, s.key, s.shift_id, coalesce(d.name_en, c.name_en, p.name) as name_en,
        coalesce(d.name_zh, c.name_zh, p.name) as name_zh
    from shift_holder s
    left join department d on s.kind = 'department' and d.site_id = s.site_id and d.id = s.key
    left join category c on s.kind = 'category' and c.site_id = s.site_id and c.id = s.key
    left join person p on s.kind = 'person' and p.site_id = s.site_id and cast(p.id as text) = s.key
    where s.site_id = :site_id order by s.kind, s.key
""")
_SEEN = text("""
    with moves as (
        select r.person_id, r.at, l.to_zone = any(z.zones) as goes_in
        from record r join lane l on l.site_id = r.site_id and l.id = r.place
        join attendance_rules z on z.site_id = r.site_id
        where r.site_id = :site_id and r.received_at >= :since and r.received_at < :received
            and r.kind = 'outcome' and r.outcome = 'passed' and r.person_id is not null
            and r.at >= :since and r.at < :until
            and (l.to_zone = any(z.zones)) <> (l.from_zone = any(z.zones))
        union all
        select t.person_id, t.at, null from point_tap t
        join marked_point m on m.site_id = t.site_id and m.lane_id = t.lane_id and m.purpose = 'clock'
        where t.site_id = :site_id and t.at >= :since and t.at < :until
    )
    select person_id, min(at) filter (where goes_in is not false) as first_in,
        max(at) filter (where goes_in is not true) as last_out
    from moves group by person_id order by person_id
""")
_KEEP = text("""
    insert into attendance_day (site_id, business_day, person_id, first_in, last_out)
    select :site_id, :day, k.person, k.first, k.last
    from unnest(cast(:people as uuid[]), cast(:first as timestamptz[]), cast(:last as timestamptz[]))
        k(person, first, last)
    on conflict (site_id, business_day, person_id)
    do update set first_in = excluded.first_in, last_out = excluded.last_out
""")
_IS_KEPT = text("select 1 from attendance_day where site_id = :site_id and business_day = :day limit 1")
_KEPT = text("""
    select person_id, business_day, first_in, last_out from attendance_day
    where site_id = :site_id and business_day = any(cast(:days as date[]))
""")
_PEOPLE = text("""
    select p.id, p.number, p.name, p.department_id, d.name_en as department_en, d.name_zh as department_zh,
        coalesce(a.shift_id, b.shift_id, c.shift_id) as shift_id
    from person p left join department d on d.site_id = p.site_id and d.id = p.department_id
    left join shift_holder a on a.site_id = p.site_id and a.kind = 'person' and a.key = cast(p.id as text)
    left join shift_holder b on b.site_id = p.site_id and b.kind = 'department' and b.key = p.department_id
    left join shift_holder c on c.site_id = p.site_id and c.kind = 'category' and c.key = p.category_id
    where p.site_id = :site_id and p.state = 'active' and (:department = '' or p.department_id = :department)
        and (cast(:person_id as uuid) is null or p.id = :person_id)
        and coalesce(a.shift_id, b.shift_id, c.shift_id) is not null
    order by d.id nulls last, p.name, p.number
""")
