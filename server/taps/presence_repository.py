"""The tap path's SQL of where people are and what lanes remember, for use inside its pipeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import psycopg

from cardcore.access.moments import HostPassage, LaneMoment
from cardcore.access.presence import Position
from cardcore.ids import LaneId, PersonId, SiteId, ZoneId
from server.taps.arrivals import SiteCrowd, Writes

Connection = psycopg.Connection[tuple[Any, ...]]

_json = msgspec.json.Encoder()


def crowd(
    connection: Connection, site: SiteId, people: Sequence[PersonId], counted: Mapping[ZoneId, datetime]
) -> SiteCrowd:
    """Read positions, and of the `counted` zones the heads by passages since each one's instant."""
    positions = connection.execute(_POSITIONS, (list(people),))
    states = connection.execute(_STATES, (site,))
    heads = connection.execute(_HEADS, (site, list(counted), list(counted.values()))) if counted else None
    found: dict[PersonId, Position] = {PersonId(row[0]): Position(ZoneId(row[1]), row[2]) for row in positions}
    rows = [(ZoneId(row[0]), row[1], row[2]) for row in states]
    unknown = {zone: count for zone, count, _ in rows}
    inside: dict[ZoneId, int] = {ZoneId(row[0]): row[1] for row in heads} if heads is not None else {}
    inside = {zone: count + unknown.get(zone, 0) for zone, count in inside.items()}
    return SiteCrowd(found, inside, unknown, {zone for zone, _, uncertain in rows if uncertain})


def lane_moments(connection: Connection, site: SiteId) -> dict[LaneId, LaneMoment]:
    """Lock and read what a site's lanes remember."""
    rows = connection.execute(_LOCK_MOMENTS, (site,))
    return {LaneId(lane): LaneMoment(*rest)._replace(hosts=_hosts(hosts)) for lane, *rest, hosts in rows}


def write(connection: Connection, writes: Writes) -> None:
    """Move people, in the order of their passages, and unknown heads."""
    if writes.presence:
        rows = [row for _, row in sorted(writes.presence.items())]  # one order of locks for everybody
        connection.execute(_MOVE, (_json.encode(rows).decode(),))
    if writes.zone_state:
        rows = [{"uncertain_since": None, **row} for _, row in sorted(writes.zone_state.items())]
        document = _json.encode(rows).decode()
        connection.execute(_ZONE_STATE, (document, document))
    if writes.moments:
        moments = [
            {"site_id": site, "lane_id": lane, **moment._asdict()}
            for (site, lane), moment in sorted(writes.moments.items())
        ]
        connection.execute(_KEEP_MOMENTS, (_json.encode(moments).decode(),))


def _hosts(stored: list[list[str]]) -> tuple[HostPassage, ...]:
    return msgspec.convert(stored, tuple[HostPassage, ...])


_POSITIONS = "select person_id, zone_id, at from presence where person_id = any(%s) order by person_id"
_STATES = "select zone_id, unknown, uncertain_since is not null from zone_state where site_id = %s order by zone_id"
_HEADS = """
    select k.zone, (
        select count(*) from presence p where p.site_id = %s and p.zone_id = k.zone and p.at > k.since
    ) from unnest(%s::text[], %s::timestamptz[]) k(zone, since) order by 1
"""
_MOVE = """
    insert into presence (person_id, site_id, zone_id, at, assumed)
    select * from json_to_recordset(%s) r(person_id uuid, site_id uuid, zone_id text, at timestamptz, assumed boolean)
    on conflict (person_id) do update
    set site_id = excluded.site_id, zone_id = excluded.zone_id, at = excluded.at, assumed = excluded.assumed
    where presence.at <= excluded.at
"""
_ZONE_STATE = """
    insert into zone_state (site_id, zone_id, unknown, uncertain_since)
    select site_id, zone_id, greatest(0, moved), uncertain_since
    from json_to_recordset(%s) r(site_id uuid, zone_id text, moved integer, uncertain_since timestamptz)
    on conflict (site_id, zone_id) do update
    set unknown = greatest(0, zone_state.unknown + (
            select moved from json_to_recordset(%s) m(site_id uuid, zone_id text, moved integer)
            where m.site_id = zone_state.site_id and m.zone_id = zone_state.zone_id)),
        uncertain_since = coalesce(zone_state.uncertain_since, excluded.uncertain_since)
"""
_LOCK_MOMENTS = """
    select lane_id, open_until, waiting, waiting_since, partner, escort, escort_at, supervised_at, hosts
    from lane_moment where site_id = %s order by lane_id for update
"""
_KEEP_MOMENTS = """
    insert into lane_moment (site_id, lane_id, open_until, waiting, waiting_since, partner, escort, escort_at,
        supervised_at, hosts)
    select * from json_to_recordset(%s) r(site_id uuid, lane_id text, open_until timestamptz, waiting uuid,
        waiting_since timestamptz, partner uuid, escort uuid, escort_at timestamptz, supervised_at timestamptz,
        hosts jsonb)
    on conflict (site_id, lane_id) do update
    set open_until = excluded.open_until, waiting = excluded.waiting, waiting_since = excluded.waiting_since,
        partner = excluded.partner, escort = excluded.escort, escort_at = excluded.escort_at,
        supervised_at = excluded.supervised_at, hosts = excluded.hosts
"""
