"""The SQL of retiring: locking what is to go, who still needs it, and marking it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, RowMapping, text

_TABLES = {
    "zone": "zone", "schedule": "schedule", "level": "access_level", "lane": "lane", "stall": "stall", "till": "till",
}  # fmt: skip


def lock(session: Connection, part: str, site_id: UUID, identity: str) -> RowMapping | None:
    """Lock and return what is in use under a short name."""
    return session.execute(_LOCK[part], {"site_id": site_id, "id": identity}).mappings().one_or_none()


def users(session: Connection, part: str, site_id: UUID, identity: str) -> list[str]:
    """Return what still needs it, as `lane:g01`, in order."""
    if part not in _USERS:
        return []
    return list(session.execute(_USERS[part], {"site_id": site_id, "id": identity}).scalars())


def retire(session: Connection, part: str, site_id: UUID, identity: str, at: datetime) -> None:
    """Mark it as no longer used."""
    session.execute(_RETIRE[part], {"site_id": site_id, "id": identity, "at": at})


def take_from_box(session: Connection, part: str, site_id: UUID, identity: str) -> None:
    """Let no box have charge of a lane or till."""
    session.execute(_TAKE[part], {"site_id": site_id, "id": identity})


_LOCK = {
    part: text(f"select * from {table} where site_id = :site_id and id = :id and retired_at is null for update")  # noqa: S608 - constants of this module
    for part, table in _TABLES.items()
}
_RETIRE = {
    part: text(f"update {table} set retired_at = :at where site_id = :site_id and id = :id")  # noqa: S608 - constants of this module
    for part, table in _TABLES.items()
}
_TAKE = {
    part: text(f"update {part} set device_id = null where site_id = :site_id and id = :id")  # noqa: S608 - constants of this module
    for part in ("lane", "till")
}
_USERS = {
    "zone": text("""
        select 'lane:' || id from lane
            where site_id = :site_id and retired_at is null and :id in (from_zone, to_zone)
        union all select 'level:' || id from access_level
            where site_id = :site_id and retired_at is null and :id = any(zones)
        union all select 'till:' || id from till where site_id = :site_id and retired_at is null and zone_id = :id
        union all select 'plan:' || id from threat_plan where site_id = :site_id and :id = any(zones)
        union all select 'visitors' from visitor_rules where site_id = :site_id and outside_zone = :id
        union all select 'attendance' from attendance_rules where site_id = :site_id and :id = any(zones)
        order by 1
    """),
    "schedule": text("""
        select 'level:' || id from access_level where site_id = :site_id and retired_at is null and schedule_id = :id
        union all select 'lane:' || id from lane
            where site_id = :site_id and retired_at is null and :id in (locked_hours, free_hours)
        order by 1
    """),
    "level": text("""
        select 'person:' || p.number from person_level l join person p on p.id = l.person_id
            where l.site_id = :site_id and l.level_id = :id
        union all select kind || ':' || key from level_grant where site_id = :site_id and level_id = :id
        union all select 'visitors' from visitor_rules
            where site_id = :site_id and (:id = any(levels) or :id = any(always_levels))
        union all select 'permit:' || firm from crew_permit
            where site_id = :site_id and state <> 'ended' and :id = any(levels)
        order by 1 limit 20
    """),
    "lane": text("""
        select 'garage:' || garage_id from garage_lane where site_id = :site_id and lane_id = :id
        union all select 'tour:' || c.tour_id from tour_checkpoint c
            join tour t on t.site_id = c.site_id and t.id = c.tour_id
            where c.site_id = :site_id and c.lane_id = :id and t.is_active
        union all select purpose from marked_point where site_id = :site_id and lane_id = :id
        order by 1
    """),
    "stall": text("select 'till:' || id from till where site_id = :site_id and retired_at is null and stall_id = :id"),
}
