"""The SQL of menus and of the dishes that were sold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, text

Rows = Sequence[RowMapping]


def menu_rows(session: Connection, site_id: UUID) -> Rows:
    """Return one row a stall and day in force: stall_id, day, and `dishes` as a list of [meal, code, fen]."""
    return session.execute(_POLICY_MENUS, {"site_id": site_id}).mappings().all()


def lines(session: Connection, site_id: UUID, stall_id: str, first: date, until: date) -> Rows:
    """Return the published lines of some days, first <= day < until, in order of day, meal and number."""
    parameters = {"site_id": site_id, "stall_id": stall_id, "first": first, "until": until}
    return session.execute(_LINES, parameters).mappings().all()


def replace_lines(
    session: Connection, site_id: UUID, stall_id: str, days: Sequence[date], rows: Sequence[Mapping[str, Any]]
) -> None:
    """Put lines in place of everything that a stall had published for these days."""
    session.execute(_DELETE_LINES, {"site_id": site_id, "stall_id": stall_id, "days": list(days)})
    if rows:
        session.execute(_INSERT_LINE, list(rows))


def end_days_before(session: Connection, site_id: UUID, day: date) -> None:
    """Take the days before one out of force; their lines stay."""
    session.execute(_END_DAYS, {"site_id": site_id, "day": day})


def sold(session: Connection, site_id: UUID, first: date, until: date) -> Rows:
    """Count the dishes of charges in force, first <= business day < until, by stall, meal and number."""
    return session.execute(_SOLD, {"site_id": site_id, "first": first, "until": until}).mappings().all()


_POLICY_MENUS = text("""
    select stall_id, day, json_agg(json_build_array(meal_id, code, price_fen) order by meal_id, code) as dishes
    from menu_line where site_id = :site_id and in_force group by stall_id, day order by stall_id, day
""")
_LINES = text("""
    select * from menu_line where site_id = :site_id and stall_id = :stall_id and day >= :first and day < :until
    order by day, meal_id, length(code), code
""")
_DELETE_LINES = text("""
    delete from menu_line where site_id = :site_id and stall_id = :stall_id and day = any(:days)
""")
_INSERT_LINE = text("""
    insert into menu_line (site_id, stall_id, day, meal_id, code, name_en, name_zh, price_fen, published_at)
    values (:site_id, :stall_id, :day, :meal_id, :code, :name_en, :name_zh, :price_fen, :published_at)
""")
_END_DAYS = text("update menu_line set in_force = false where site_id = :site_id and in_force and day < :day")
_SOLD = text("""
    select l.stall_id, l.meal_id, l.code, max(m.name_en) as name_en, max(m.name_zh) as name_zh,
           cast(sum(l.count) as bigint) as portions, cast(sum(l.count * l.price_fen) as bigint) as list_fen
    from dish_line l
    join lateral (
        select revision from charge c where (c.device_id, c.epoch, c.seq) = (l.device_id, l.epoch, l.seq)
        order by revision desc limit 1
    ) newest on newest.revision % 2 = 0
    left join menu_line m on m.site_id = l.site_id and m.stall_id = l.stall_id and m.day = l.business_day
        and m.meal_id = l.meal_id and m.code = l.code
    where l.site_id = :site_id and l.business_day >= :first and l.business_day < :until
    group by l.stall_id, l.meal_id, l.code order by 1, 2, length(l.code), 3
""")
