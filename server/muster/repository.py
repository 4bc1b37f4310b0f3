"""The SQL of roll-calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, text

Rows = Sequence[RowMapping]


def open_call(session: Connection, site_id: UUID) -> RowMapping | None:
    """Return the roll-call that runs."""
    return session.execute(_OPEN, {"site_id": site_id}).mappings().one_or_none()


def lock_open_call(session: Connection, site_id: UUID) -> RowMapping | None:
    """Lock and return the roll-call that runs."""
    return session.execute(_LOCK_OPEN, {"site_id": site_id}).mappings().one_or_none()


def insert_call(session: Connection, row: Mapping[str, Any]) -> bool:
    """Begin a roll-call; tell whether none ran."""
    return session.execute(_INSERT, row).rowcount > 0


def list_inside(session: Connection, call: Mapping[str, Any], since: datetime) -> int:
    """Put everybody who is in the call's zones on its list, unless they are on it; return how many came on."""
    return session.execute(_LIST_INSIDE, {**call, "forgotten": since}).rowcount


def note_taps(session: Connection, call: Mapping[str, Any]) -> int:
    """Note who tapped at an assembly point since the call began; return how many became safe."""
    return session.execute(_NOTE_TAPS, call).rowcount


def note_left(session: Connection, call: Mapping[str, Any]) -> int:
    """Note who passed out of the call's zones since it began; return how many became safe."""
    return session.execute(_NOTE_LEFT, call).rowcount


def mark_safe(session: Connection, call_id: UUID, person_id: UUID, at: datetime, by: str) -> bool:
    """Note that somebody was found; tell whether they were on the list and missing."""
    parameters = {"id": call_id, "person_id": person_id, "at": at, "by": by}
    return session.execute(_MARK_SAFE, parameters).rowcount > 0


def end_call(session: Connection, call_id: UUID, at: datetime, by: str, note: str) -> None:
    """End a roll-call."""
    session.execute(_END, {"id": call_id, "at": at, "by": by, "note": note})


def people(session: Connection, call_id: UUID) -> Rows:
    """Return a call's list, missing ones first, by department and name."""
    return session.execute(_PEOPLE, {"id": call_id}).mappings().all()


def get(session: Connection, site_id: UUID, call_id: UUID) -> RowMapping | None:
    """Return a roll-call."""
    return session.execute(_GET, {"site_id": site_id, "id": call_id}).mappings().one_or_none()


def calls(session: Connection, site_id: UUID, limit: int) -> Rows:
    """Return roll-calls, newest first, each with its numbers of people listed and missing."""
    return session.execute(_CALLS, {"site_id": site_id, "limit": limit}).mappings().all()


_OPEN = text("select * from roll_call where site_id = :site_id and ended_at is null")
_LOCK_OPEN = text("select * from roll_call where site_id = :site_id and ended_at is null for update")
_INSERT = text("""
    insert into roll_call (id, site_id, zones, reason, unknown, started_at, started_by)
    values (:id, :site_id, :zones, :reason, coalesce((
        select sum(unknown) from zone_state where site_id = :site_id and zone_id = any(cast(:zones as text[]))), 0),
        :started_at, :started_by)
    on conflict (site_id) where ended_at is null do nothing
""")
_LIST_INSIDE = text("""
    insert into roll_call_person (call_id, person_id, zone_id, since)
    select :id, p.person_id, p.zone_id, p.at from presence p join person h on h.id = p.person_id
    where p.site_id = :site_id and p.zone_id = any(cast(:zones as text[])) and p.at > :forgotten
    on conflict (call_id, person_id) do nothing
""")
_NOTE_TAPS = text("""
    insert into roll_call_person (call_id, person_id, safe_at, how, place)
    select distinct on (t.person_id) :id, t.person_id, t.at, 'tap', t.lane_id
    from point_tap t join marked_point m on m.site_id = t.site_id and m.lane_id = t.lane_id and m.purpose = 'assembly'
    join person h on h.id = t.person_id
    where t.site_id = :site_id and t.at >= :started_at order by t.person_id, t.at
    on conflict (call_id, person_id) do update
    set safe_at = excluded.safe_at, how = excluded.how, place = excluded.place where roll_call_person.how = ''
""")
_NOTE_LEFT = text("""
    update roll_call_person r set safe_at = p.at, how = 'left', place = p.zone_id from presence p
    where r.call_id = :id and r.how = '' and p.person_id = r.person_id and p.at >= :started_at
        and p.zone_id <> all(cast(:zones as text[]))
""")
_MARK_SAFE = text("""
    update roll_call_person set safe_at = :at, how = 'hand', by_whom = :by
    where call_id = :id and person_id = :person_id and how = ''
""")
_END = text("update roll_call set ended_at = :at, ended_by = :by, end_note = :note where id = :id")
_PEOPLE = text("""
    select r.*, h.name, h.number, d.name_en as department_en, d.name_zh as department_zh,
        z.name_en as zone_en, z.name_zh as zone_zh
    from roll_call_person r join roll_call c on c.id = r.call_id join person h on h.id = r.person_id
    left join department d on d.site_id = h.site_id and d.id = h.department_id
    left join zone z on z.site_id = c.site_id and z.id = r.zone_id
    where r.call_id = :id order by r.how <> '', d.id nulls last, h.name, h.number
""")
_GET = text("select * from roll_call where site_id = :site_id and id = :id")
_CALLS = text("""
    select c.*, (select count(*) from roll_call_person r where r.call_id = c.id) as listed,
        (select count(*) from roll_call_person r where r.call_id = c.id and r.how = '') as missing
    from roll_call c where c.site_id = :site_id order by c.started_at desc, c.id limit :limit
""")
