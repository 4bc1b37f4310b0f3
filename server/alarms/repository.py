"""The SQL of alarms. Raising and ending is shared with the tap path, which writes in a pipeline of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Connection, RowMapping, text

from server.alarms.rows import AlarmRows

Rows = Sequence[RowMapping]

_COLUMNS = "id uuid, site_id uuid, kind text, place text, subject text, late boolean, occurrence text, severity text, person_id uuid, detail text, device_id uuid, epoch bigint, seq bigint, first_at timestamptz, last_at timestamptz, count integer, over_at timestamptz, raised_at timestamptz"  # noqa: E501
RAISE = f"""
    insert into alarm (id, site_id, kind, place, subject, late, occurrence, severity, person_id, detail, device_id,
        epoch, seq, first_at, last_at, count, over_at, raised_at, masked)
    select r.*, exists (
        select 1 from alarm_mask m where m.site_id = r.site_id and m.kind in ('*', r.kind)
            and m.place in ('*', r.place) and m.until > r.raised_at
    )
    from json_to_recordset(%s) r({_COLUMNS}) order by r.site_id, r.kind, r.place, r.subject, r.late
    on conflict (site_id, kind, place, subject, late) where acknowledged_at is null do update
    set count = alarm.count + excluded.count, last_at = greatest(alarm.last_at, excluded.last_at),
        first_at = least(alarm.first_at, excluded.first_at), occurrence = excluded.occurrence,
        detail = excluded.detail, over_at = excluded.over_at, masked = excluded.masked
"""  # noqa: S608 - the columns are a constant of this module
END = """
    update alarm a set over_at = r.at
    from json_to_recordset(%s) r(site_id uuid, kind text, place text, at timestamptz)
    where a.site_id = r.site_id and a.kind = r.kind and a.place = r.place
        and a.acknowledged_at is null and a.over_at is null and a.last_at <= r.at
"""
_json = msgspec.json.Encoder()


def documents(rows: AlarmRows) -> list[tuple[str, str]]:
    """Return the statements to run, with their one parameter, in order."""
    found = []
    if rows.raised:
        found.append((RAISE, _json.encode(list(rows.raised.values())).decode()))
    if rows.ended:
        found.append((END, _json.encode(rows.ended).decode()))
    return found


def write(session: Connection, rows: AlarmRows) -> None:
    """Raise and end alarms."""
    for statement, document in documents(rows):
        session.execute(text(statement.replace("%s", "cast(:rows as json)")), {"rows": document})


def listed(session: Connection, wanted: Mapping[str, Any]) -> Rows:
    """Return alarms, newest first: site_id, open, kind, place ('' = any), from, until, before (id or None), limit."""
    return session.execute(_LISTED, wanted).mappings().all()


def get(session: Connection, site_id: UUID, alarm_id: UUID) -> RowMapping | None:
    """Find one alarm."""
    return session.execute(_GET, {"site_id": site_id, "id": alarm_id}).mappings().one_or_none()


def lock(session: Connection, site_id: UUID, alarm_ids: Sequence[UUID]) -> Rows:
    """Lock and return alarms in id order."""
    return session.execute(_LOCK, {"site_id": site_id, "ids": list(alarm_ids)}).mappings().all()


def acknowledge(session: Connection, alarm_ids: Sequence[UUID], at: datetime, actor: str, note: str) -> None:
    """Mark alarms as looked at."""
    session.execute(_ACKNOWLEDGE, {"ids": list(alarm_ids), "at": at, "actor": actor, "note": note})


def escalate(session: Connection, site_id: UUID, now: datetime, before: datetime) -> Rows:
    """Mark urgent alarms that nobody looked at since `before`, and return them."""
    return session.execute(_ESCALATE, {"site_id": site_id, "now": now, "before": before}).mappings().all()


def put_mask(session: Connection, row: Mapping[str, Any]) -> None:
    """Keep a mask: site_id, kind, place, until, actor, reason."""
    session.execute(_PUT_MASK, row)


def drop_mask(session: Connection, site_id: UUID, kind: str, place: str) -> RowMapping | None:
    """Remove a mask and return it."""
    parameters = {"site_id": site_id, "kind": kind, "place": place}
    return session.execute(_DROP_MASK, parameters).mappings().one_or_none()


def masks(session: Connection, site_id: UUID, now: datetime) -> Rows:
    """Return the masks in force."""
    return session.execute(_MASKS, {"site_id": site_id, "now": now}).mappings().all()


def devices_gone(session: Connection, site_id: UUID, before: datetime) -> Rows:
    """Return devices in use without a link since `before` for which no alarm is open: id, name, since."""
    return session.execute(_DEVICES_GONE, {"site_id": site_id, "before": before}).mappings().all()


def devices_back(session: Connection, site_id: UUID) -> Rows:
    """Return devices with a link again whose alarm is not over: name, since."""
    return session.execute(_DEVICES_BACK, {"site_id": site_id}).mappings().all()


_SELECT = (
    "select a.*, p.name as person_name, p.number as person_number from alarm a left join person p on p.id = a.person_id"
)
_LISTED = text(f"""
    {_SELECT}
    where a.site_id = :site_id and (not :open or (a.acknowledged_at is null and not a.masked))
        and (:kind = '' or a.kind = :kind) and (:place = '' or a.place = :place)
        and (cast(:from as timestamptz) is null or a.last_at >= :from)
        and (cast(:until as timestamptz) is null or a.last_at < :until)
        and (cast(:before as uuid) is null or a.id < :before)
    order by a.id desc limit :limit
""")
_GET = text(f"{_SELECT} where a.site_id = :site_id and a.id = :id")
_LOCK = text("select * from alarm where site_id = :site_id and id = any(:ids) order by id for update")
_ACKNOWLEDGE = text("""
    update alarm set acknowledged_at = :at, acknowledged_by = :actor, note = :note where id = any(:ids)
""")
_ESCALATE = text("""
    update alarm set escalated_at = :now
    where site_id = :site_id and acknowledged_at is null and escalated_at is null and not masked
        and severity = 'urgent' and not late and raised_at <= :before
    returning *
""")
_PUT_MASK = text("""
    insert into alarm_mask (site_id, kind, place, until, actor, reason)
    values (:site_id, :kind, :place, :until, :actor, :reason)
    on conflict (site_id, kind, place) do update
    set until = excluded.until, actor = excluded.actor, reason = excluded.reason
""")
_DROP_MASK = text("""
    delete from alarm_mask where site_id = :site_id and kind = :kind and place = :place returning *
""")
_MASKS = text("select * from alarm_mask where site_id = :site_id and until > :now order by until, kind, place")
_DEVICES_GONE = text("""
    select d.id, d.name, s.last_seen_at as since
    from device d join device_status s on s.device_id = d.id
    where d.site_id = :site_id and d.state = 'active' and s.last_seen_at < :before and not exists (
        select 1 from alarm a where a.site_id = d.site_id and a.kind = 'device_offline' and a.place = d.name
            and a.last_at = s.last_seen_at
    )
    order by d.name
""")
_DEVICES_BACK = text("""
    select d.name, max(s.last_seen_at) as since
    from alarm a join device d on d.site_id = a.site_id and d.name = a.place
        join device_status s on s.device_id = d.id
    where a.site_id = :site_id and a.kind = 'device_offline' and a.over_at is null and a.acknowledged_at is null
        and s.last_seen_at > a.last_at
    group by d.name order by d.name
""")
