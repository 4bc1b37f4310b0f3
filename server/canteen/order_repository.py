"""The SQL of meals ordered ahead and of the counts that units report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, text

Rows = Sequence[RowMapping]


def upsert_order(session: Connection, row: Mapping[str, Any]) -> None:
    """Add an order or change its portions."""
    session.execute(_UPSERT_ORDER, row)


def collected(session: Connection, site_id: UUID, person_id: UUID, day: date, meal_id: str, stall_id: str) -> int:
    """Count a person's charges in force at a stall for a meal of a day."""
    parameters = {"site_id": site_id, "person_id": person_id, "day": day, "meal_id": meal_id, "stall_id": stall_id}
    return int(session.execute(_COLLECTED, parameters).scalar_one())


def upsert_forecast(session: Connection, row: Mapping[str, Any]) -> None:
    """Add or change what a unit reports."""
    session.execute(_UPSERT_FORECAST, row)


def totals(session: Connection, site_id: UUID, day: date) -> Rows:
    """Return, a meal of a day: portions ordered, collected, and reported by units."""
    return session.execute(_TOTALS, {"site_id": site_id, "day": day}).mappings().all()


_UPSERT_ORDER = text("""
    insert into meal_order (id, site_id, person_id, business_day, meal_id, stall_id, portions, ordered_at, ordered_by)
    values (:id, :site_id, :person_id, :business_day, :meal_id, :stall_id, :portions, :ordered_at, :ordered_by)
    on conflict (site_id, person_id, business_day, meal_id, stall_id)
    do update set portions = excluded.portions, ordered_at = excluded.ordered_at, ordered_by = excluded.ordered_by
""")
_COLLECTED = text("""
    select coalesce(sum(case when revision % 2 = 0 then 1 else -1 end), 0) from charge
    where site_id = :site_id and person_id = :person_id and coalesce(event_day, business_day) = :day
        and meal_id = :meal_id and stall_id = :stall_id
""")
_UPSERT_FORECAST = text("""
    insert into meal_forecast (site_id, department_id, business_day, meal_id, count, reported_at, reported_by)
    values (:site_id, :department_id, :business_day, :meal_id, :count, :reported_at, :reported_by)
    on conflict (site_id, department_id, business_day, meal_id)
    do update set count = excluded.count, reported_at = excluded.reported_at, reported_by = excluded.reported_by
""")
_TOTALS = text("""
    with ordered as (
        select o.meal_id, sum(o.portions) as portions,
               sum(least(o.portions, (
                   select coalesce(sum(case when c.revision % 2 = 0 then 1 else -1 end), 0) from charge c
                   where c.site_id = o.site_id and c.person_id = o.person_id
                       and coalesce(c.event_day, c.business_day) = o.business_day
                       and c.meal_id = o.meal_id and c.stall_id = o.stall_id
               ))) as collected
        from meal_order o where o.site_id = :site_id and o.business_day = :day group by o.meal_id
    ), reported as (
        select meal_id, sum(count) as count from meal_forecast
        where site_id = :site_id and business_day = :day group by meal_id
    )
    select coalesce(o.meal_id, r.meal_id) as meal_id, cast(coalesce(o.portions, 0) as bigint) as ordered,
           cast(coalesce(o.collected, 0) as bigint) as collected, cast(coalesce(r.count, 0) as bigint) as reported
    from ordered o full join reported r on r.meal_id = o.meal_id order by 1
""")
