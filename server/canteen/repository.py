"""The SQL of stalls, tills, meal periods and tariffs.

Each `*_rows` function returns all of a site that are not retired, in fixed order; putting a retired one brings it back.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, TextClause, text

Rows = Sequence[RowMapping]
NewRows = Iterable[Mapping[str, Any]]


def stall_rows(session: Connection, site_id: UUID) -> Rows:
    """Return all stalls."""
    return session.execute(_STALLS, {"site_id": site_id}).mappings().all()


def till_rows(session: Connection, site_id: UUID) -> Rows:
    """Return all tills."""
    return session.execute(_TILLS, {"site_id": site_id}).mappings().all()


def meal_rows(session: Connection, site_id: UUID) -> Rows:
    """Return all meal periods."""
    return session.execute(_MEALS, {"site_id": site_id}).mappings().all()


def lock_meals(session: Connection, site_id: UUID) -> None:
    """Lock the site's row, so that two changes of meal periods are checked one after the other."""
    session.execute(_LOCK_SITE, {"site_id": site_id})


def tariff_rows(session: Connection, site_id: UUID) -> Rows:
    """Return all tariffs."""
    return session.execute(_TARIFFS, {"site_id": site_id}).mappings().all()


def upsert_stalls(session: Connection, site_id: UUID, rows: NewRows) -> None:
    """Add or change stalls: id, name_en, name_zh."""
    _each(session, _UPSERT_STALL, site_id, rows)


def upsert_tills(session: Connection, site_id: UUID, rows: NewRows) -> None:
    """Add or change tills: id, name_en, name_zh, reader, stall_id; device and caps stay as they are."""
    _each(session, _UPSERT_TILL, site_id, rows)


def upsert_meals(session: Connection, site_id: UUID, rows: NewRows) -> None:
    """Add or change meal periods: id, names, start_seconds, end_seconds, limit_count, counts_as and its days."""
    _each(session, _UPSERT_MEAL, site_id, rows)


def upsert_tariffs(session: Connection, site_id: UUID, rows: NewRows) -> None:
    """Add or change tariffs: meal_id, stall_id, category_id, valid_from, price_fen."""
    _each(session, _UPSERT_TARIFF, site_id, rows)


def delete_tariff(session: Connection, site_id: UUID, row: Mapping[str, Any]) -> bool:
    """Take a tariff away (meal_id, stall_id, category_id, valid_from); tell whether there was one."""
    return session.execute(_DELETE_TARIFF, {**row, "site_id": site_id}).rowcount > 0


def assign_tills(session: Connection, site_id: UUID, device_id: UUID | None, tills: Collection[str]) -> set[str]:
    """Give tills to a device, or to none, and return those that exist."""
    parameters = {"site_id": site_id, "device_id": device_id, "ids": list(tills)}
    return set(session.execute(_ASSIGN_TILLS, parameters).scalars())


def _each(session: Connection, statement: TextClause, site_id: UUID, rows: NewRows) -> None:
    parameters = [{**row, "site_id": site_id} for row in rows]
    if parameters:
        session.execute(statement, parameters)


_STALLS = text("select * from stall where site_id = :site_id and retired_at is null order by id")
_TILLS = text("select * from till where site_id = :site_id and retired_at is null order by id")
_MEALS = text("select * from meal_period where site_id = :site_id order by start_seconds, id")
_TARIFFS = text("""
    select * from tariff where site_id = :site_id order by meal_id, stall_id, category_id, valid_from
""")
_LOCK_SITE = text("select 1 from site where id = :site_id for no key update")
_UPSERT_STALL = text("""
    insert into stall (site_id, id, name_en, name_zh) values (:site_id, :id, :name_en, :name_zh)
    on conflict (site_id, id) do update set name_en = excluded.name_en, name_zh = excluded.name_zh, retired_at = null
""")
_UPSERT_TILL = text("""
    insert into till (site_id, id, name_en, name_zh, reader, stall_id)
    values (:site_id, :id, :name_en, :name_zh, :reader, :stall_id)
    on conflict (site_id, id) do update set name_en = excluded.name_en, name_zh = excluded.name_zh,
        reader = excluded.reader, stall_id = excluded.stall_id, retired_at = null
""")
_UPSERT_MEAL = text("""
    insert into meal_period (site_id, id, name_en, name_zh, start_seconds, end_seconds, limit_count, counts_as,
        valid_from, valid_until)
    values (:site_id, :id, :name_en, :name_zh, :start_seconds, :end_seconds, :limit_count, :counts_as, :valid_from,
        :valid_until)
    on conflict (site_id, id) do update set name_en = excluded.name_en, name_zh = excluded.name_zh,
        start_seconds = excluded.start_seconds, end_seconds = excluded.end_seconds, limit_count = excluded.limit_count,
        counts_as = excluded.counts_as, valid_from = excluded.valid_from, valid_until = excluded.valid_until
""")
_UPSERT_TARIFF = text("""
    insert into tariff (site_id, meal_id, stall_id, category_id, valid_from, price_fen)
    values (:site_id, :meal_id, :stall_id, :category_id, :valid_from, :price_fen)
    on conflict (site_id, meal_id, stall_id, category_id, valid_from) do update set price_fen = excluded.price_fen
""")
_DELETE_TARIFF = text("""
    delete from tariff
    where site_id = :site_id and meal_id = :meal_id and stall_id = :stall_id and category_id = :category_id
        and valid_from = :valid_from
""")
_ASSIGN_TILLS = text("""
    update till set device_id = :device_id where site_id = :site_id and id = any(:ids) returning id
""")
