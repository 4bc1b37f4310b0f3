"""The SQL of counts and sums over charges. Reads only; put together from the constants below and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, RowMapping, TextClause, text

FETCHED_AT_ONCE = 2_000
"""Rows an export holds in memory."""


@dataclass(frozen=True, slots=True)
class SumQuery:
    """Days, both included; names of dimensions; and values that a dimension must have."""

    site_id: UUID
    from_day: date
    through_day: date
    dimensions: tuple[str, ...]
    wanted: Mapping[str, Any] = field(default_factory=dict)


def sums(session: Connection, query: SumQuery, limit: int, offset: int) -> Sequence[RowMapping]:
    """Return lines in order of their keys: the columns of `_FIGURES`, and key_n, en_n, zh_n."""
    parameters = {**_parameters(session, query), "limit": limit, "offset": offset}
    return session.execute(_statement(query, "limit :limit offset :offset"), parameters).mappings().all()


def every_sum(session: Connection, query: SumQuery) -> Iterator[RowMapping]:
    """Yield all lines, a few thousand in memory at a time."""
    options = {"stream_results": True, "yield_per": FETCHED_AT_ONCE}
    parameters = _parameters(session, query)
    yield from session.execute(_statement(query, ""), parameters, execution_options=options).mappings()


def keep_day(session: Connection, site_id: UUID, day: date) -> None:
    """Write down the sums of a day that takes no postings any more, in place of those of an earlier close."""
    parameters = {"site_id": site_id, "from_day": day, "through_day": day}
    session.execute(_DROP_SUMS, parameters)
    session.execute(_KEEP_SUMS, parameters)
    session.execute(_MARK_DAY, parameters)


def forget_from(session: Connection, site_id: UUID, day: date) -> None:
    """Let reports look at the charges themselves again from a day on; a report under way still finds its sums."""
    session.execute(_UNMARK_DAYS, {"site_id": site_id, "from_day": day})


def charges(session: Connection, query: SumQuery, limit: int, offset: int) -> Sequence[RowMapping]:
    """Return the charges and reversals behind sums, newest first; `wanted` may name an `hour` too."""
    filters = [_DRILLS[name] for name in query.wanted]
    needs = " ".join(dict.fromkeys(needed for _, needed in filters if needed and needed != _PERSON))
    conditions = "".join(f" and {condition}" for condition, _ in filters)
    statement = text(f"""
        select c.id, c.at, c.business_day, c.offline, c.flag, c.person_id, p.name as person_name,
               case when c.revision % 2 = 1 then -c.amount_fen else c.amount_fen end as amount_fen,
               coalesce(t.name_zh, c.till_id) as till_zh, coalesce(t.name_en, c.till_id) as till_en,
               coalesce(m.name_zh, c.meal_id) as meal_zh, coalesce(m.name_en, c.meal_id) as meal_en,
               cast(coalesce((select sum(r.amount_fen) from refund r where r.charge_id = c.id), 0) as bigint)
                   as refunded_fen
        from charge c {_PERSON} {needs}
        left join till t on t.site_id = c.site_id and t.id = c.till_id
        left join meal_period m on m.site_id = c.site_id and m.id = c.meal_id
        where c.site_id = :site_id and c.business_day between :from_day and :through_day {conditions}
        order by c.at desc, c.id desc limit :limit offset :offset
    """)  # noqa: S608 - constants of this module
    parameters = {**_given(query), "limit": limit, "offset": offset}
    return session.execute(statement, parameters).mappings().all()


class _Dimension(NamedTuple):
    """How charges are told apart: by what rows are summed, how that is shown, what it needs, and which table names it.

    A million rows are summed by what is cheap to compare; texts are made of the few sums that are left.
    """

    summed_by: str
    shown: str = "{key}"
    needs: str = ""
    named_in: str = ""


_CHARGED = """
    count(*) filter (where c.revision % 2 = 0) as charges, count(*) filter (where c.revision % 2 = 1) as reversals,
    0 as refunds, coalesce(sum(c.amount_fen) filter (where c.revision % 2 = 0), 0) as charged,
    coalesce(sum(c.amount_fen) filter (where c.revision % 2 = 1), 0) as reversed, 0 as refunded
"""
# Few rows beside the charges: a refund counts in the day it was booked in, under stall, meal, till and person of its
# charge. A reversal gives back only what was not refunded before, and the meal only unless a refund did.
_CORRECTIONS = """
    select r.site_id, r.business_day, r.at, o.stall_id, o.meal_id, o.till_id, o.person_id, 0 as reversals,
           case when r.is_rest then 1 else 0 end as refunds, 0 as reversed, r.amount_fen as refunded
    from refund r join charge o on o.id = r.charge_id
    where r.site_id = :site_id and r.business_day between :from_day and :through_day
    union all
    select v.site_id, v.business_day, v.at, v.stall_id, v.meal_id, v.till_id, v.person_id,
           case when r.is_rest then -1 else 0 end, 0, -r.amount_fen, 0
    from refund r join charge o on o.id = r.charge_id
    join charge v on (v.device_id, v.epoch, v.seq, v.revision) = (o.device_id, o.epoch, o.seq, o.revision + 1)
    where r.site_id = :site_id and v.business_day between :from_day and :through_day and r.at <= v.posted_at
"""
_CORRECTED = """
    0, coalesce(sum(c.reversals), 0), coalesce(sum(c.refunds), 0), 0, coalesce(sum(c.reversed), 0),
    coalesce(sum(c.refunded), 0)
"""
_FIGURES = """
    cast(sum(charges) as bigint) as charges, cast(sum(reversals) as bigint) as reversals,
    cast(sum(refunds) as bigint) as refunds, cast(sum(charged) as bigint) as charged,
    cast(sum(reversed) as bigint) as reversed, cast(sum(refunded) as bigint) as refunded
"""


def _names_of(table: str) -> str:
    return f"{table} {{n}} on {{n}}.site_id = :site_id and {{n}}.id"


_PERSON = "left join person p on p.id = c.person_id"
_SITE = "join site s on s.id = c.site_id"
# `offset 0` keeps the text of a day from being made again for each of its charges.
_MONTH = """join (
    select cast(d as date) as day, to_char(d, 'YYYY-MM') as month
    from generate_series(cast(:from_day as timestamp), cast(:through_day as timestamp), interval '1 day') d
    offset 0
) calendar on calendar.day = c.business_day"""
_DIMENSIONS: Mapping[str, _Dimension] = {
    "stall": _Dimension("c.stall_id", named_in=_names_of("stall")),
    "meal": _Dimension("c.meal_id", named_in=_names_of("meal_period")),
    "till": _Dimension("c.till_id", named_in=_names_of("till")),
    "department": _Dimension("coalesce(p.department_id, '')", needs=_PERSON, named_in=_names_of("department")),
    "category": _Dimension("coalesce(p.category_id, '')", needs=_PERSON, named_in=_names_of("category")),
    "person": _Dimension(
        "c.person_id",
        shown="coalesce((select number from person where id = {key}), '')",
        named_in="(select id, name as name_en, name as name_zh from person where site_id = :site_id) {n} on {n}.id",
    ),
    "hour": _Dimension("date_part('hour', c.at at time zone s.time_zone)", "lpad(cast({key} as text), 2, '0')", _SITE),
    "day": _Dimension("c.business_day", "to_char({key}, 'YYYY-MM-DD')"),
    "month": _Dimension("calendar.month", needs=_MONTH),
}
_FILTERS: Mapping[str, tuple[str, str]] = {
    "stall": ("c.stall_id = :stall", ""),
    "meal": ("c.meal_id = :meal", ""),
    "till": ("c.till_id = :till", ""),
    "department": ("p.department_id = :department", _PERSON),
    "category": ("p.category_id = :category", _PERSON),
    "person": ("c.person_id = :person", ""),
}
"""A condition, and what it needs."""
_DRILLS: Mapping[str, tuple[str, str]] = {
    **_FILTERS,
    "department": ("coalesce(p.department_id, '') = :department", _PERSON),
    "category": ("coalesce(p.category_id, '') = :category", _PERSON),
    "hour": ("date_part('hour', c.at at time zone s.time_zone) = :hour", _SITE),
}


_KEPT = """
    coalesce(sum(c.charges), 0), coalesce(sum(c.reversals), 0), coalesce(sum(c.refunds), 0),
    coalesce(sum(c.charged), 0), coalesce(sum(c.reversed), 0), coalesce(sum(c.refunded), 0)
"""
_KEPT_BY: Mapping[str, str] = {
    "department": "c.department_id", "category": "c.category_id", "hour": "cast(c.hour as double precision)",
}  # fmt: skip
"""How kept sums are told apart, where that is otherwise than for charges."""
_ALL_OF = "c.stall_id, c.meal_id, c.till_id, coalesce(p.department_id, ''), coalesce(p.category_id, ''),"
_HOUR = "date_part('hour', c.at at time zone s.time_zone)"
_COLUMNS = "stall_id, meal_id, till_id, department_id, category_id, hour"
_KEEP_SUMS = text(f"""
    insert into charge_sum (site_id, business_day, {_COLUMNS}, charges, reversals, refunds, charged, reversed, refunded)
    with parts (stall, meal, till, department, category, hour, charges, reversals, refunds, charged, reversed, refunded)
    as (
        select {_ALL_OF} {_HOUR}, {_CHARGED} from charge c {_PERSON} {_SITE}
        where c.site_id = :site_id and c.business_day between :from_day and :through_day group by 1, 2, 3, 4, 5, 6
        union all
        select {_ALL_OF} {_HOUR}, {_CORRECTED} from ({_CORRECTIONS}) c {_PERSON} {_SITE} group by 1, 2, 3, 4, 5, 6
    )
    select :site_id, :from_day, stall, meal, till, department, category, hour, {_FIGURES} from parts
    group by stall, meal, till, department, category, hour
""")  # noqa: S608 - constants of this module
_DROP_SUMS = text("delete from charge_sum where site_id = :site_id and business_day = :from_day")
_MARK_DAY = text("""
    insert into charge_sum_day (site_id, business_day) values (:site_id, :from_day) on conflict do nothing
""")
_UNMARK_DAYS = text("delete from charge_sum_day where site_id = :site_id and business_day >= :from_day")
_OPEN_DAYS = text("""
    select cast(d as date) from generate_series(
        cast(:from_day as timestamp), cast(:through_day as timestamp), interval '1 day') d
    where not exists (select from charge_sum_day k where k.site_id = :site_id and k.business_day = cast(d as date))
    order by 1
""")


def _uses_kept(query: SumQuery) -> bool:
    return "person" not in query.dimensions and "person" not in query.wanted


def _kept_part(query: SumQuery, grouped: str) -> str:
    """Return the part over closed days' sums, or nothing where persons are asked about: sums know none."""
    if not _uses_kept(query):
        return ""
    named = [(name, _DIMENSIONS[name]) for name in query.dimensions]
    raw = "".join(f"{_KEPT_BY.get(name, one.summed_by)} as raw_{n}, " for n, (name, one) in enumerate(named))
    filters = "".join(f" and c.{name}_id = :{name}" for name in query.wanted)
    return f"""
        union all
        select {raw} {_KEPT} from charge_sum c {_MONTH if "month" in query.dimensions else ""}
        where c.site_id = :site_id and c.business_day between :from_day and :through_day
            and c.business_day <> all(:open_days) {filters} {grouped}
    """  # noqa: S608 - constants of this module


def _statement(query: SumQuery, window: str) -> TextClause:
    chosen = [_DIMENSIONS[name] for name in query.dimensions]
    filters = [_FILTERS[name] for name in query.wanted]
    needs = " ".join(dict.fromkeys(filter(None, [one.needs for one in chosen] + [needed for _, needed in filters])))
    conditions = "".join(f" and {condition}" for condition, _ in filters)
    if _uses_kept(query):
        conditions += " and c.business_day = any(:open_days)"
    places = range(len(chosen))
    raw = "".join(f"{one.summed_by} as raw_{n}, " for n, one in enumerate(chosen))
    again = "".join(f"raw_{n}, " for n in places)
    grouped = f"group by {', '.join(str(n + 1) for n in places)}" if chosen else ""
    keys = "".join(f", {one.shown.format(key=f'raw_{n}')} as key_{n}" for n, one in enumerate(chosen))
    names = "".join(
        f", coalesce(n{n}.name_en, key_{n}) as en_{n}, coalesce(n{n}.name_zh, key_{n}) as zh_{n}"
        if one.named_in
        else f", key_{n} as en_{n}, key_{n} as zh_{n}"
        for n, one in enumerate(chosen)
    )
    joins = " ".join(
        f"left join {one.named_in.format(n=f'n{n}')} = raw_{n}" for n, one in enumerate(chosen) if one.named_in
    )
    order = f"order by {', '.join(f'key_{n}' for n in places)}" if chosen else ""
    return text(f"""
        with parts as (
            select {raw} {_CHARGED} from charge c {needs}
            where c.site_id = :site_id and c.business_day between :from_day and :through_day {conditions} {grouped}
            union all
            select {raw} {_CORRECTED} from ({_CORRECTIONS}) c {needs} where true {conditions} {grouped}
            {_kept_part(query, grouped)}
        ), summed as (
            select {again} {_FIGURES} from parts {grouped}
        ), shown as (
            select summed.* {keys} from summed
        )
        select shown.* {names} from shown {joins} {order} {window}
    """)  # noqa: S608 - constants of this module


def _parameters(session: Connection, query: SumQuery) -> dict[str, Any]:
    given = _given(query)
    if not _uses_kept(query):
        return given
    return {**given, "open_days": list(session.execute(_OPEN_DAYS, given).scalars())}


def _given(query: SumQuery) -> dict[str, Any]:
    days = {"site_id": query.site_id, "from_day": query.from_day, "through_day": query.through_day}
    return {**days, **query.wanted}
