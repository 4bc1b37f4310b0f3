"""The SQL of garages and of the passages that fill and empty them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, text

Rows = Sequence[RowMapping]


def garages(session: Connection, site_id: UUID) -> Rows:
    """Return a site's garages in order."""
    return session.execute(_GARAGES, {"site_id": site_id}).mappings().all()


def lock_garages(session: Connection, site_id: UUID) -> Rows:
    """Lock a site's garages in order: whoever counts holds them."""
    return session.execute(_LOCK, {"site_id": site_id}).mappings().all()


def lanes(session: Connection, site_id: UUID) -> Rows:
    """Return the lanes that count: garage_id, lane_id, side."""
    return session.execute(_LANES, {"site_id": site_id}).mappings().all()


def upsert_garage(session: Connection, row: Mapping[str, Any]) -> None:
    """Add or change a garage: site_id, id, name_en, name_zh, capacity."""
    session.execute(_UPSERT, row)


def replace_lanes(session: Connection, site_id: UUID, garage_id: str, rows: Sequence[tuple[str, str]]) -> None:
    """Say which lanes count for a garage, and on which side."""
    session.execute(_CLEAR_LANES, {"site_id": site_id, "garage_id": garage_id})
    lanes_, sides = [lane for lane, _ in rows], [side for _, side in rows]
    values = {"site_id": site_id, "garage_id": garage_id, "lanes": lanes_, "sides": sides}
    session.execute(_INSERT_LANES, values)


def set_occupied(session: Connection, site_id: UUID, garage_id: str, occupied: int, at: datetime | None) -> None:
    """Set how many vehicles are in; `at` when somebody counted them."""
    session.execute(_SET_OCCUPIED, {"site_id": site_id, "id": garage_id, "occupied": occupied, "at": at})


def new_passages(session: Connection, site_id: UUID, most: int) -> Rows:
    """Count passages at counting lanes in records since the marks: lane_id, garage_id, side, at_day, count.

    At most `most` records a journal are looked through; `move_marks` must follow in the same transaction.
    """
    return session.execute(_NEW_PASSAGES, {"site_id": site_id, "most": most}).mappings().all()


def move_marks(session: Connection, site_id: UUID, most: int) -> None:
    """Set the marks to where `new_passages` looked."""
    session.execute(_MOVE_MARKS, {"site_id": site_id, "most": most})


def begin_marks(session: Connection, site_id: UUID) -> None:
    """Set the marks to the end of every journal that has none: what passed before a garage existed does not count."""
    session.execute(_BEGIN_MARKS, {"site_id": site_id})


def add_flow(session: Connection, row: Mapping[str, Any]) -> None:
    """Add passages of a business day at a lane."""
    session.execute(_ADD_FLOW, row)


def flow(session: Connection, site_id: UUID, day: date) -> Rows:
    """Return the passages of a business day by garage and lane, with the lane's names."""
    return session.execute(_FLOW, {"site_id": site_id, "day": day}).mappings().all()


_GARAGES = text("select * from garage where site_id = :site_id order by id")
_LOCK = text("select * from garage where site_id = :site_id order by id for update")
_LANES = text("select garage_id, lane_id, side from garage_lane where site_id = :site_id order by garage_id, lane_id")
_UPSERT = text("""
    insert into garage (site_id, id, name_en, name_zh, capacity) values (:site_id, :id, :name_en, :name_zh, :capacity)
    on conflict (site_id, id) do update
    set name_en = excluded.name_en, name_zh = excluded.name_zh, capacity = excluded.capacity
""")
_CLEAR_LANES = text("delete from garage_lane where site_id = :site_id and garage_id = :garage_id")
_INSERT_LANES = text("""
    insert into garage_lane (site_id, garage_id, lane_id, side)
    select :site_id, :garage_id, lane, side from unnest(cast(:lanes as text[]), cast(:sides as text[])) k(lane, side)
""")
_SET_OCCUPIED = text("""
    update garage set occupied = :occupied, counted_at = coalesce(:at, counted_at) where site_id = :site_id and id = :id
""")
_SPANS = """
    select e.device_id, e.epoch, coalesce(m.seq, 0) as after,
        least(e.acked_through, coalesce(m.seq, 0) + :most) as through
    from device_epoch e join device d on d.id = e.device_id
    left join garage_mark m on m.device_id = e.device_id and m.epoch = e.epoch
    where d.site_id = :site_id and 'gate' = any(d.purposes) and e.acked_through > coalesce(m.seq, 0)
"""
_NEW_PASSAGES = text(f"""
    with span as ({_SPANS})
    select l.garage_id, l.lane_id, l.side, count(*) as count,
        cast((r.at at time zone s.time_zone) - make_interval(secs => s.day_starts_seconds) as date) as day
    from span join record r on r.device_id = span.device_id and r.epoch = span.epoch
        and r.seq > span.after and r.seq <= span.through
    join garage_lane l on l.site_id = :site_id and l.lane_id = r.place join site s on s.id = :site_id
    where r.kind = 'outcome' and r.outcome = 'passed'
        or r.kind = 'event' and r.reason in ('forced_passage', 'free_passage', 'operator_opening_passed')
    group by l.garage_id, l.lane_id, l.side, day order by l.garage_id, l.lane_id, day
""")  # noqa: S608 - constants of this module
_MOVE_MARKS = text(f"""
    insert into garage_mark (device_id, epoch, seq) select device_id, epoch, through from ({_SPANS}) span
    on conflict (device_id, epoch) do update set seq = excluded.seq
""")  # noqa: S608 - constants of this module
_BEGIN_MARKS = text("""
    insert into garage_mark (device_id, epoch, seq)
    select e.device_id, e.epoch, e.acked_through from device_epoch e join device d on d.id = e.device_id
    where d.site_id = :site_id on conflict (device_id, epoch) do nothing
""")
_ADD_FLOW = text("""
    insert into garage_flow (site_id, garage_id, lane_id, business_day, passages)
    values (:site_id, :garage_id, :lane_id, :day, :count)
    on conflict (site_id, garage_id, lane_id, business_day)
    do update set passages = garage_flow.passages + excluded.passages
""")
_FLOW = text("""
    select f.garage_id, f.lane_id, l.side, f.passages, n.name_en, n.name_zh
    from garage_flow f join garage_lane l on l.site_id = f.site_id and l.lane_id = f.lane_id
    join lane n on n.site_id = f.site_id and n.id = f.lane_id
    where f.site_id = :site_id and f.business_day = :day order by f.garage_id, f.lane_id
""")
