"""The SQL of lists and counts over taps and charges. Reads only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, RowMapping, text

Rows = Sequence[RowMapping]

CLOCK_TOLERANCE = timedelta(minutes=10)
"""A record may be stored this long before it happened, by a device whose clock is ahead; matches the tap path's."""


class Span(NamedTuple):
    """A half-open span of instants."""

    start: datetime
    end: datetime


def tap_totals(session: Connection, site_id: UUID, span: Span) -> RowMapping:
    """Return taps, refused, passages and offline of a span."""
    return session.execute(_TOTALS, _span(site_id, span)).mappings().one()


def taps_by_hour(session: Connection, site_id: UUID, span: Span, time_zone: str) -> Rows:
    """Return local hour, granted and refused, in order of the hour."""
    return session.execute(_BY_HOUR, {**_span(site_id, span), "time_zone": time_zone}).mappings().all()


def taps_by_reason(session: Connection, site_id: UUID, span: Span) -> dict[str, int]:
    """Return how many taps ended with each reason, grants included."""
    return {row[0]: row[1] for row in session.execute(_BY_REASON, _span(site_id, span))}


def charge_totals(session: Connection, site_id: UUID, wanted: Mapping[str, Any]) -> RowMapping:
    """Return count and sum of the charges in force, and the count of all; `wanted`: day, till_id, person_id."""
    return session.execute(_CHARGE_TOTALS, {"site_id": site_id, **wanted}).mappings().one()


def charges(session: Connection, site_id: UUID, wanted: Mapping[str, Any], limit: int, offset: int) -> Rows:
    """Return the newest revision of each tap's charge, newest first."""
    parameters = {"site_id": site_id, **wanted, "limit": limit, "offset": offset}
    return session.execute(_CHARGES, parameters).mappings().all()


def filtered(day: date, till_id: str | None, person_id: UUID | None) -> dict[str, Any]:
    """Return the parameters of a filter."""
    return {"day": day, "till_id": till_id, "person_id": person_id}


def _span(site_id: UUID, span: Span) -> dict[str, Any]:
    return {"site_id": site_id, "start": span.start, "end": span.end, "received": span.start - CLOCK_TOLERANCE}


_TAPS = """
    with held as (
        select device_id, epoch, seq, kind, tap_seq, granted, reason, offline, outcome, at from record
        where site_id = :site_id and received_at >= :received and at >= :start and at < :end
    ), later as (
        select distinct on (device_id, epoch, tap_seq) device_id, epoch, tap_seq, granted, reason, offline, outcome
        from held where kind in ('decided', 'outcome')
        order by device_id, epoch, tap_seq, seq desc
    ), tap as (
        select i.at, coalesce(l.granted, i.granted, false) as granted, coalesce(l.reason, i.reason) as reason,
               coalesce(l.offline, i.offline, false) as offline, l.outcome
        from held i left join later l on (l.device_id, l.epoch, l.tap_seq) = (i.device_id, i.epoch, i.seq)
        where i.kind = 'intent'
    )
"""
_TOTALS = text(f"""{_TAPS}
    select count(*) as taps, count(*) filter (where not granted) as refused,
           count(*) filter (where outcome = 'passed') as passages, count(*) filter (where offline) as offline
    from tap
""")  # noqa: S608 - constants of this module
_BY_HOUR = text(f"""{_TAPS}
    select cast(extract(hour from at at time zone :time_zone) as integer) as hour,
           count(*) filter (where granted) as granted, count(*) filter (where not granted) as refused
    from tap group by 1 order by 1
""")  # noqa: S608 - the same
_BY_REASON = text(f"""{_TAPS}
    select reason, count(*) from tap where reason is not null group by 1 order by 1
""")  # noqa: S608 - the same
_NEWEST = """
    c.site_id = :site_id and c.business_day = :day
    and (cast(:till_id as text) is null or c.till_id = :till_id)
    and (cast(:person_id as uuid) is null or c.person_id = :person_id)
    and not exists (select from charge n where n.device_id = c.device_id and n.epoch = c.epoch and n.seq = c.seq
                    and n.revision > c.revision)
"""
_CHARGE_TOTALS = text(f"""
    select count(*) as total, count(*) filter (where c.revision % 2 = 0) as in_force,
           cast(coalesce(sum(c.amount_fen) filter (where c.revision % 2 = 0), 0) as bigint) as sum_fen
    from charge c where {_NEWEST}
""")  # noqa: S608 - constants of this module
_CHARGES = text(f"""
    select c.id, c.at, c.business_day, c.revision, c.amount_fen, c.offline, c.person_id, c.flag,
           coalesce(t.name_zh, c.till_id) as till_zh, coalesce(t.name_en, c.till_id) as till_en,
           coalesce(s.name_zh, c.stall_id) as stall_zh, coalesce(s.name_en, c.stall_id) as stall_en,
           coalesce(m.name_zh, c.meal_id) as meal_zh, coalesce(m.name_en, c.meal_id) as meal_en,
           p.name as person_name, r.credential,
           exists (select from record o where o.device_id = c.device_id and o.epoch = c.epoch
                   and o.kind = 'outcome' and o.tap_seq = c.seq) as confirmed
    from charge c
    left join till t on t.site_id = c.site_id and t.id = c.till_id
    left join stall s on s.site_id = c.site_id and s.id = c.stall_id
    left join meal_period m on m.site_id = c.site_id and m.id = c.meal_id
    left join person p on p.id = c.person_id
    left join record r on r.device_id = c.device_id and r.epoch = c.epoch and r.seq = c.seq
    where {_NEWEST} order by c.at desc, c.id desc limit :limit offset :offset
""")  # noqa: S608 - the same
