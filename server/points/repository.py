"""The SQL of marked points and their taps."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, RowMapping, text

Rows = Sequence[RowMapping]


def points(session: Connection, site_id: UUID) -> Rows:
    """Return marked points by purpose, with the lane's names."""
    return session.execute(_POINTS, {"site_id": site_id}).mappings().all()


def replace(session: Connection, site_id: UUID, purpose: str, lanes: Sequence[str]) -> None:
    """Say which lanes serve a purpose."""
    session.execute(_CLEAR, {"site_id": site_id, "purpose": purpose})
    session.execute(_INSERT, {"site_id": site_id, "purpose": purpose, "lanes": list(lanes)})


def lock_site(session: Connection, site_id: UUID) -> bool:
    """Be the only one to gather a site's taps; tell whether there is a marked point at all."""
    return session.execute(_LOCK_POINTS, {"site_id": site_id}).first() is not None


def gather(session: Connection, site_id: UUID, most: int) -> int:
    """Keep the taps at marked points in records since the marks, and move the marks; return how many taps."""
    count = session.execute(_GATHER, {"site_id": site_id, "most": most}).rowcount
    session.execute(_MOVE_MARKS, {"site_id": site_id, "most": most})
    return count


def begin_marks(session: Connection, site_id: UUID) -> None:
    """Set the marks to the end of every journal that has none."""
    session.execute(_BEGIN_MARKS, {"site_id": site_id})


def taps(session: Connection, site_id: UUID, lanes: Sequence[str], since: datetime, until: datetime) -> Rows:
    """Return taps at these lanes, since <= at < until, in order of time."""
    parameters = {"site_id": site_id, "lanes": list(lanes), "since": since, "until": until}
    return session.execute(_TAPS, parameters).mappings().all()


def delete_before(session: Connection, site_id: UUID, before: datetime) -> int:
    """Delete taps of before an instant; return how many."""
    return session.execute(_DELETE, {"site_id": site_id, "before": before}).rowcount


_POINTS = text("""
    select m.lane_id, m.purpose, l.name_en, l.name_zh from marked_point m
    join lane l on l.site_id = m.site_id and l.id = m.lane_id where m.site_id = :site_id order by m.purpose, m.lane_id
""")
_CLEAR = text("delete from marked_point where site_id = :site_id and purpose = :purpose")
_INSERT = text("""
    insert into marked_point (site_id, lane_id, purpose) select :site_id, unnest(cast(:lanes as text[])), :purpose
""")
_LOCK_POINTS = text("select 1 from marked_point where site_id = :site_id order by lane_id, purpose for update")
_SPANS = """
    select e.device_id, e.epoch, coalesce(m.seq, 0) as after,
        least(e.acked_through, coalesce(m.seq, 0) + :most) as through
    from device_epoch e join device d on d.id = e.device_id
    left join point_mark m on m.device_id = e.device_id and m.epoch = e.epoch
    where d.site_id = :site_id and 'gate' = any(d.purposes) and e.acked_through > coalesce(m.seq, 0)
"""
_GATHER = text(f"""
    with span as ({_SPANS})
    insert into point_tap (device_id, epoch, seq, site_id, lane_id, person_id, at)
    select r.device_id, r.epoch, r.seq, r.site_id, r.place, r.person_id, r.at
    from span join record r on r.device_id = span.device_id and r.epoch = span.epoch
        and r.seq > span.after and r.seq <= span.through
    where r.kind = 'intent' and r.person_id is not null and exists (
        select 1 from marked_point p where p.site_id = :site_id and p.lane_id = r.place)
    on conflict do nothing
""")  # noqa: S608 - constants of this module
_MOVE_MARKS = text(f"""
    insert into point_mark (device_id, epoch, seq) select device_id, epoch, through from ({_SPANS}) span
    on conflict (device_id, epoch) do update set seq = excluded.seq
""")  # noqa: S608 - constants of this module
_BEGIN_MARKS = text("""
    insert into point_mark (device_id, epoch, seq)
    select e.device_id, e.epoch, e.acked_through from device_epoch e join device d on d.id = e.device_id
    where d.site_id = :site_id on conflict (device_id, epoch) do nothing
""")
_TAPS = text("""
    select lane_id, person_id, at from point_tap
    where site_id = :site_id and lane_id = any(cast(:lanes as text[])) and at >= :since and at < :until
    order by at, seq
""")
_DELETE = text("delete from point_tap where site_id = :site_id and at < :before")
