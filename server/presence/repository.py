"""The SQL of positions and of what is known of zones. The tap path moves people; this reads, and puts right."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, text


def lock_position(session: Connection, site_id: UUID, person_id: UUID) -> RowMapping | None:
    """Lock and return a person's position, or None when nobody knows it."""
    return session.execute(_LOCK, {"site_id": site_id, "person_id": person_id}).mappings().one_or_none()


def position(session: Connection, site_id: UUID, person_id: UUID) -> RowMapping | None:
    """Return a person's position, or None when nobody knows it."""
    return session.execute(_POSITION, {"site_id": site_id, "person_id": person_id}).mappings().one_or_none()


def double_entries(session: Connection, site_id: UUID, since: datetime, limit: int) -> Sequence[RowMapping]:
    """Return passages into a zone that holds anti-passback by people who had passed into it last, newest first.

    Only where one of the two was decided by a box alone: another is refused or noted when it happens.
    """
    return session.execute(_DOUBLE_ENTRIES, {"site_id": site_id, "since": since, "limit": limit}).mappings().all()


def forget(session: Connection, person_id: UUID) -> None:
    """Forget a person's position."""
    session.execute(_FORGET, {"person_id": person_id})


def forget_zone(session: Connection, site_id: UUID, zone_id: str, before: datetime) -> int:
    """Forget everybody in a zone who came before an instant; return how many that were."""
    return session.execute(_FORGET_ZONE, {"site_id": site_id, "zone_id": zone_id, "before": before}).rowcount


def clear_zone_state(session: Connection, site_id: UUID, zone_id: str, day: date | None) -> Mapping[str, Any]:
    """Set a zone's unknown heads to none and its contents to certain; return what stood there."""
    parameters = {"site_id": site_id, "zone_id": zone_id, "day": day}
    old = session.execute(_ZONE_STATE, parameters).mappings().one_or_none()
    session.execute(_CLEAR_ZONE_STATE, parameters)
    return dict(old) if old else {"unknown": 0, "uncertain_since": None}


def zones_to_reset(session: Connection, site_id: UUID, day: date) -> list[str]:
    """Return the zones with a nightly reset that have had none on this business day, in order."""
    return list(session.execute(_TO_RESET, {"site_id": site_id, "day": day}).scalars())


def people_inside(session: Connection, site_id: UUID, zones: Collection[str], since: datetime) -> Sequence[RowMapping]:
    """Return who is in these zones by their last passage since an instant, by name."""
    parameters = {"site_id": site_id, "zones": list(zones), "since": since}
    return session.execute(_INSIDE, parameters).mappings().all()


def sites(session: Connection) -> list[UUID]:
    """Return all sites, in order."""
    return list(session.execute(_SITES).scalars())


def heads(session: Connection, site_id: UUID, since: datetime) -> Sequence[RowMapping]:
    """Return every zone with how many people are known and unknown in it."""
    return session.execute(_HEADS, {"site_id": site_id, "since": since}).mappings().all()


def lock_limited(session: Connection, site_id: UUID, now: datetime) -> Sequence[RowMapping]:
    """Lock and return the zones with a limit: id, occupancy_limit, told, and heads as the tap path counts them."""
    session.execute(_BEGIN_STATES, {"site_id": site_id})
    return session.execute(_LIMITED, {"site_id": site_id, "now": now}).mappings().all()


def set_told(session: Connection, site_id: UUID, zone_id: str, told: str) -> None:
    """Note what was told of a zone."""
    session.execute(_SET_TOLD, {"site_id": site_id, "zone_id": zone_id, "told": told})


_SITES = text("select id from site order by id")
_DOUBLE_ENTRIES = text("""
    select e.*, p.number, p.name from (
        select r.person_id, r.at, r.place, l.to_zone, coalesce(r.offline, false) as offline,
            lag(l.to_zone) over w as zone_before, lag(r.place) over w as place_before,
            lag(r.at) over w as at_before, lag(coalesce(r.offline, false)) over w as offline_before
        from record r join lane l on l.site_id = r.site_id and l.id = r.place
        where r.site_id = :site_id and r.kind = 'outcome' and r.outcome = 'passed' and r.person_id is not null
            and r.at >= :since
        window w as (partition by r.person_id order by r.at, r.device_id, r.epoch, r.seq)
    ) e join zone z on z.site_id = :site_id and z.id = e.to_zone join person p on p.id = e.person_id
    where e.zone_before = e.to_zone and (e.offline or e.offline_before)
        and (z.passback <> 'none' or z.passback_minutes > 0)
    order by e.at desc, e.person_id limit :limit
""")
_POSITION = text("select * from presence where site_id = :site_id and person_id = :person_id")
_LOCK = text("select * from presence where site_id = :site_id and person_id = :person_id for update")
_FORGET = text("delete from presence where person_id = :person_id")
_FORGET_ZONE = text("delete from presence where site_id = :site_id and zone_id = :zone_id and at < :before")
_ZONE_STATE = text("""
    select unknown, uncertain_since from zone_state where site_id = :site_id and zone_id = :zone_id for update
""")
_CLEAR_ZONE_STATE = text("""
    insert into zone_state (site_id, zone_id, reset_on) values (:site_id, :zone_id, :day)
    on conflict (site_id, zone_id) do update set unknown = 0, uncertain_since = null,
        reset_on = coalesce(excluded.reset_on, zone_state.reset_on)
""")
_TO_RESET = text("""
    select z.id from zone z left join zone_state s on s.site_id = z.site_id and s.zone_id = z.id
    where z.site_id = :site_id and z.nightly_reset and (s.reset_on is null or s.reset_on < :day) order by z.id
""")
_INSIDE = text("""
    select p.person_id, h.number, h.name, h.department_id, p.zone_id, p.at, p.assumed
    from presence p join person h on h.id = p.person_id
    where p.site_id = :site_id and p.zone_id = any(:zones) and p.at > :since order by h.name, h.number
""")
_BEGIN_STATES = text("""
    insert into zone_state (site_id, zone_id) select z.site_id, z.id from zone z
    where z.site_id = :site_id and z.occupancy_limit > 0
        and not exists (select 1 from zone_state s where s.site_id = z.site_id and s.zone_id = z.id)
    on conflict (site_id, zone_id) do nothing
""")
_LIMITED = text("""
    select z.id, z.occupancy_limit, s.told, s.unknown + (
        select count(*) from presence p where p.site_id = z.site_id and p.zone_id = z.id
            and p.at > :now - make_interval(hours => z.passback_forgets_hours)) as heads
    from zone z join zone_state s on s.site_id = z.site_id and s.zone_id = z.id
    where z.site_id = :site_id and z.occupancy_limit > 0 order by z.id for update of s
""")
_SET_TOLD = text("update zone_state set told = :told where site_id = :site_id and zone_id = :zone_id")
_HEADS = text("""
    select z.id, z.name_en, z.name_zh, z.occupancy_limit, coalesce(s.unknown, 0) as unknown, s.uncertain_since,
        (select count(*) from presence p where p.site_id = z.site_id and p.zone_id = z.id and p.at > :since) as known
    from zone z left join zone_state s on s.site_id = z.site_id and s.zone_id = z.id
    where z.site_id = :site_id order by z.id
""")
