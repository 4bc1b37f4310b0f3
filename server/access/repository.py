"""The SQL of sites, zones, lanes, schedules, calendar days and access levels.

Each `*_rows` function returns all rows of a site that are not retired, in a fixed order: there are few of each.
Putting a retired row in place brings it back.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import Connection, RowMapping, TextClause, text

from cardcore.ids import SiteId

Rows = Sequence[RowMapping]
NewRows = Iterable[Mapping[str, Any]]


def insert_site(session: Connection, row: Mapping[str, Any]) -> None:
    """Add a site with the heads of its policy and of its outbox."""
    session.execute(_INSERT_SITE, row)
    session.execute(_INSERT_OUTBOX_HEAD, {"site_id": row["id"]})


class SiteName(NamedTuple):
    """A site as pages head their page and turn their days."""

    id: SiteId
    name_en: str
    name_zh: str
    time_zone: str
    day_starts_seconds: int


def site_names(session: Connection) -> list[SiteName]:
    """Return all sites, oldest first."""
    rows = session.execute(
        text("select id, name_en, name_zh, time_zone, day_starts_seconds from site order by created_at, id")
    )
    return [SiteName(SiteId(row[0]), *row[1:]) for row in rows]


def site_rows(session: Connection, site_id: UUID) -> Rows:
    """Return the site itself."""
    return session.execute(_SITE, {"site_id": site_id}).mappings().all()


def site_by_slug(session: Connection, slug: str) -> UUID | None:
    """Find a site by its short name."""
    found: UUID | None = session.execute(_SITE_BY_SLUG, {"slug": slug}).scalar_one_or_none()
    return found


def zone_rows(session: Connection, site_id: UUID) -> Rows:
    """Return all zones."""
    return session.execute(_ZONES, {"site_id": site_id}).mappings().all()


def schedule_rows(session: Connection, site_id: UUID) -> Rows:
    """Return all schedules; `intervals` is a list of objects."""
    return session.execute(_SCHEDULES, {"site_id": site_id}).mappings().all()


def day_rows(session: Connection, site_id: UUID) -> Rows:
    """Return all calendar days."""
    return session.execute(_DAYS, {"site_id": site_id}).mappings().all()


def level_rows(session: Connection, site_id: UUID) -> Rows:
    """Return all access levels."""
    return session.execute(_LEVELS, {"site_id": site_id}).mappings().all()


def lane_rows(session: Connection, site_id: UUID) -> Rows:
    """Return all lanes."""
    return session.execute(_LANES, {"site_id": site_id}).mappings().all()


def requirement_ids(session: Connection, site_id: UUID) -> frozenset[str]:
    """Return what zones of a site may ask people to have shown."""
    return frozenset(session.execute(_REQUIREMENT_IDS, {"site_id": site_id}).scalars())


def holders_of_levels(session: Connection, site_id: UUID) -> dict[str, int]:
    """Return how many people in service hold each level that anybody holds, by themselves or by their group."""
    rows = session.execute(_HOLDERS_OF_LEVELS, {"site_id": site_id})
    return {row[0]: row[1] for row in rows}


def threat_rows(session: Connection, site_id: UUID) -> Rows:
    """Return the threat plans in force."""
    return session.execute(_THREATS, {"site_id": site_id}).mappings().all()


def upsert_zones(session: Connection, site_id: UUID, rows: NewRows) -> None:
    """Add or change zones: the columns of `Zone`."""
    _each(session, _UPSERT_ZONE, site_id, ({**row, "requires": list(row["requires"])} for row in rows))


def upsert_schedules(session: Connection, site_id: UUID, rows: NewRows) -> None:
    """Add or change schedules: id, name_en, name_zh, intervals (a tuple of `Interval`)."""
    _each(session, _UPSERT_SCHEDULE, site_id, ({**row, "intervals": _json(row["intervals"])} for row in rows))


def upsert_days(session: Connection, site_id: UUID, rows: NewRows) -> None:
    """Add or change calendar days: day, kind, name."""
    _each(session, _UPSERT_DAY, site_id, rows)


def delete_days(session: Connection, site_id: UUID, days: Collection[Any]) -> None:
    """Make days ordinary again."""
    session.execute(_DELETE_DAYS, {"site_id": site_id, "days": list(days)})


def upsert_levels(session: Connection, site_id: UUID, rows: NewRows) -> None:
    """Add or change access levels: the columns of `AccessLevel`; once privileged, always."""
    _each(session, _UPSERT_LEVEL, site_id, rows)


def upsert_lanes(session: Connection, site_id: UUID, rows: NewRows) -> None:
    """Add or change lanes; the device, and what an operator holds them at, stay as they are."""
    kept = list(rows)
    _each(session, _UPSERT_LANE, site_id, kept)
    _each(session, _INSERT_MOMENT, site_id, [{"id": row["id"]} for row in kept])


def set_lane_mode(session: Connection, site_id: UUID, lane_id: str, mode: str) -> str | None:
    """Set a lane's mode and return the old one, or None for an unknown lane."""
    parameters = {"site_id": site_id, "id": lane_id, "mode": mode}
    old: str | None = session.execute(_LOCK_LANE, parameters).scalar_one_or_none()
    if old is not None:
        session.execute(_SET_LANE_MODE, parameters)
    return old


def assign_lanes(session: Connection, site_id: UUID, device_id: UUID | None, lanes: Collection[str]) -> set[str]:
    """Give lanes to a device, or to none, and return those that exist."""
    parameters = {"site_id": site_id, "device_id": device_id, "ids": list(lanes)}
    return set(session.execute(_ASSIGN_LANES, parameters).scalars())


def replace_person_levels(session: Connection, site_id: UUID, person_id: UUID, levels: Collection[str]) -> list[str]:
    """Give a person exactly these levels and return the ones held before."""
    parameters = {"site_id": site_id, "person_id": person_id, "levels": list(levels)}
    old = list(session.execute(_DELETE_PERSON_LEVELS, parameters).scalars())
    session.execute(_INSERT_PERSON_LEVELS, parameters)
    return sorted(old)


def levels_of_person(session: Connection, site_id: UUID, person_id: UUID) -> list[str]:
    """Return the levels that a person has."""
    return list(session.execute(_LEVELS_OF_PERSON, {"site_id": site_id, "person_id": person_id}).scalars())


def insert_person_levels(session: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add many rows at once: site_id, person_id, level_id."""
    session.execute(_INSERT_MANY_PERSON_LEVELS, {"rows": _json(rows)})


def _each(session: Connection, statement: TextClause, site_id: UUID, rows: NewRows) -> None:
    parameters = [{**row, "site_id": site_id} for row in rows]
    if parameters:
        session.execute(statement, parameters)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


_INSERT_SITE = text("""
    insert into site (id, slug, name_en, name_zh, time_zone, created_at)
    values (:id, :slug, :name_en, :name_zh, :time_zone, :created_at)
""")
_INSERT_OUTBOX_HEAD = text("insert into outbox_head (site_id) values (:site_id) on conflict do nothing")
_SITE = text("select * from site where id = :site_id")
_SITE_BY_SLUG = text("select id from site where slug = :slug")
_ZONES = text("select * from zone where site_id = :site_id and retired_at is null order by id")
_SCHEDULES = text("select * from schedule where site_id = :site_id and retired_at is null order by id")
_DAYS = text("select * from calendar_day where site_id = :site_id order by day")
_LEVELS = text("select * from access_level where site_id = :site_id and retired_at is null order by id")
_THREATS = text("select * from threat_plan where site_id = :site_id and active_since is not null order by id")
_HOLDERS_OF_LEVELS = text("""
    select h.level_id, count(*) from (
        select l.level_id, l.person_id from person_level l where l.site_id = :site_id
        union select g.level_id, q.id from level_grant g join person q on q.site_id = g.site_id
            and q.category_id = g.key where g.site_id = :site_id and g.kind = 'category'
        union select g.level_id, q.id from level_grant g join person q on q.site_id = g.site_id
            and q.department_id = g.key where g.site_id = :site_id and g.kind = 'department'
        union select g.level_id, c.person_id from level_grant g join card c on c.site_id = g.site_id
            and c.product = g.key where g.site_id = :site_id and g.kind = 'product'
    ) h join person p on p.id = h.person_id
    where p.state = 'active' group by h.level_id
""")
_REQUIREMENT_IDS = text("select id from requirement where site_id = :site_id")
_LANES = text("select * from lane where site_id = :site_id and retired_at is null order by id")
_UPSERT_ZONE = text("""
    insert into zone (site_id, id, name_en, name_zh, low_assurance_allowed, passback, passback_minutes,
        passback_forgets_hours, occupancy_limit, occupancy_hard, nightly_reset, requires, pairs, pair_seconds)
    values (:site_id, :id, :name_en, :name_zh, :low_assurance_allowed, :passback, :passback_minutes,
        :passback_forgets_hours, :occupancy_limit, :occupancy_hard, :nightly_reset, :requires, :pairs,
        :pair_seconds)
    on conflict (site_id, id) do update set name_en = excluded.name_en, name_zh = excluded.name_zh,
        low_assurance_allowed = excluded.low_assurance_allowed, passback = excluded.passback,
        passback_minutes = excluded.passback_minutes, passback_forgets_hours = excluded.passback_forgets_hours,
        occupancy_limit = excluded.occupancy_limit, occupancy_hard = excluded.occupancy_hard,
        nightly_reset = excluded.nightly_reset, requires = excluded.requires, pairs = excluded.pairs,
        pair_seconds = excluded.pair_seconds, retired_at = null
""")
_UPSERT_SCHEDULE = text("""
    insert into schedule (site_id, id, name_en, name_zh, intervals)
    values (:site_id, :id, :name_en, :name_zh, cast(:intervals as jsonb))
    on conflict (site_id, id) do update set name_en = excluded.name_en, name_zh = excluded.name_zh,
        intervals = excluded.intervals, retired_at = null
""")
_UPSERT_DAY = text("""
    insert into calendar_day (site_id, day, kind, name) values (:site_id, :day, :kind, :name)
    on conflict (site_id, day) do update set kind = excluded.kind, name = excluded.name
""")
_DELETE_DAYS = text("delete from calendar_day where site_id = :site_id and day = any(:days)")
_UPSERT_LEVEL = text("""
    insert into access_level (site_id, id, name_en, name_zh, schedule_id, zones, privileged, passback_exempt,
        overrides_lockdown, needs_escort, escorts, supervises)
    values (:site_id, :id, :name_en, :name_zh, :schedule_id, :zones, :privileged, :passback_exempt,
        :overrides_lockdown, :needs_escort, :escorts, :supervises)
    on conflict (site_id, id) do update set name_en = excluded.name_en, name_zh = excluded.name_zh,
        schedule_id = excluded.schedule_id, zones = excluded.zones,
        privileged = access_level.privileged or excluded.privileged, passback_exempt = excluded.passback_exempt,
        overrides_lockdown = excluded.overrides_lockdown, needs_escort = excluded.needs_escort,
        escorts = excluded.escorts, supervises = excluded.supervises, retired_at = null
""")
_UPSERT_LANE = text("""
    insert into lane (site_id, id, name_en, name_zh, reader, from_zone, to_zone, mode, degraded, open_window_ms,
        pulse_ms, has_pass_sensor, has_ready_input, locked_hours, free_hours, first_person, interlock,
        escort_seconds, extended_window_ms, held_open_ms)
    values (:site_id, :id, :name_en, :name_zh, :reader, :from_zone, :to_zone, :mode, :degraded, :open_window_ms,
        :pulse_ms, :has_pass_sensor, :has_ready_input, :locked_hours, :free_hours, :first_person, :interlock,
        :escort_seconds, :extended_window_ms, :held_open_ms)
    on conflict (site_id, id) do update set name_en = excluded.name_en, name_zh = excluded.name_zh,
        reader = excluded.reader, from_zone = excluded.from_zone, to_zone = excluded.to_zone,
        mode = excluded.mode, degraded = excluded.degraded, open_window_ms = excluded.open_window_ms,
        pulse_ms = excluded.pulse_ms, has_pass_sensor = excluded.has_pass_sensor,
        has_ready_input = excluded.has_ready_input, locked_hours = excluded.locked_hours,
        free_hours = excluded.free_hours, first_person = excluded.first_person, interlock = excluded.interlock,
        escort_seconds = excluded.escort_seconds, extended_window_ms = excluded.extended_window_ms,
        held_open_ms = excluded.held_open_ms, retired_at = null
""")
_INSERT_MOMENT = text("insert into lane_moment (site_id, lane_id) values (:site_id, :id) on conflict do nothing")
_LOCK_LANE = text("select mode from lane where site_id = :site_id and id = :id for update")
_SET_LANE_MODE = text("update lane set mode = :mode where site_id = :site_id and id = :id")
_ASSIGN_LANES = text("""
    update lane set device_id = :device_id where site_id = :site_id and id = any(:ids) returning id
""")
_DELETE_PERSON_LEVELS = text("""
    delete from person_level where site_id = :site_id and person_id = :person_id returning level_id
""")
_LEVELS_OF_PERSON = text("select level_id from person_level where site_id = :site_id and person_id = :person_id")
_INSERT_PERSON_LEVELS = text("""
    insert into person_level (site_id, person_id, level_id)
    select :site_id, :person_id, level_id from unnest(cast(:levels as text[])) as given(level_id)
""")
_INSERT_MANY_PERSON_LEVELS = text("""
    insert into person_level (site_id, person_id, level_id)
    select site_id, person_id, level_id from json_populate_recordset(null::person_level, cast(:rows as json))
""")
