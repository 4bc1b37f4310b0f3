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
    """Return lines in order of their keys: charges, reversals, charged, reversed, and key_n, en_n, zh_n."""
    parameters = {**_parameters(query), "limit": limit, "offset": offset}
    return session.execute(_statement(query, "limit :limit offset :offset"), parameters).mappings().all()


def every_sum(session: Connection, query: SumQuery) -> Iterator[RowMapping]:
    """Yield all lines, a few thousand in memory at a time."""
    options = {"stream_results": True, "yield_per": FETCHED_AT_ONCE}
    yield from session.execute(_statement(query, ""), _parameters(query), execution_options=options).mappings()


class _Dimension(NamedTuple):
    """How charges are told apart: a key, what it needs, and the table (alias {n}) that names it."""

    key: str
    needs_person: bool = False
    named_in: str = ""


def _names_of(table: str) -> str:
    return f"{table} {{n}} on {{n}}.site_id = :site_id and {{n}}.id"


_DIMENSIONS: Mapping[str, _Dimension] = {
    "stall": _Dimension("c.stall_id", named_in=_names_of("stall")),
    "meal": _Dimension("c.meal_id", named_in=_names_of("meal_period")),
    "till": _Dimension("c.till_id", named_in=_names_of("till")),
    "department": _Dimension(
        "coalesce(p.department_id, '')",
        needs_person=True,
        named_in=_names_of("department"),
    ),
    "category": _Dimension("coalesce(p.category_id, '')", needs_person=True, named_in=_names_of("category")),
    "person": _Dimension(
        "coalesce(p.number, '')",
        needs_person=True,
        named_in="(select number as id, name as name_en, name as name_zh from person where site_id = :site_id) {n}"
        " on {n}.id",
    ),
    "hour": _Dimension("to_char(c.at at time zone s.time_zone, 'HH24')"),
    "day": _Dimension("to_char(c.business_day, 'YYYY-MM-DD')"),
    "month": _Dimension("to_char(c.business_day, 'YYYY-MM')"),
}
_FILTERS: Mapping[str, tuple[str, bool]] = {
    "stall": ("c.stall_id = :stall", False),
    "meal": ("c.meal_id = :meal", False),
    "till": ("c.till_id = :till", False),
    "department": ("p.department_id = :department", True),
    "category": ("p.category_id = :category", True),
    "person": ("c.person_id = :person", False),
}
"""A condition, and whether it needs the person's row."""


def _statement(query: SumQuery, window: str) -> TextClause:
    chosen = [_DIMENSIONS[name] for name in query.dimensions]
    conditions = [_FILTERS[name][0] for name in query.wanted]
    needs_person = any(one.needs_person for one in chosen) or any(_FILTERS[name][1] for name in query.wanted)
    person = "left join person p on p.id = c.person_id" if needs_person else ""
    site = "join site s on s.id = c.site_id" if "hour" in query.dimensions else ""
    keys = "".join(f"{one.key} as key_{n}, " for n, one in enumerate(chosen))
    grouped = f"group by {', '.join(str(n + 1) for n in range(len(chosen)))}" if chosen else ""
    names = "".join(
        f", coalesce(n{n}.name_en, key_{n}) as en_{n}, coalesce(n{n}.name_zh, key_{n}) as zh_{n}"
        if one.named_in
        else f", key_{n} as en_{n}, key_{n} as zh_{n}"
        for n, one in enumerate(chosen)
    )
    joins = " ".join(
        f"left join {one.named_in.format(n=f'n{n}')} = key_{n}" for n, one in enumerate(chosen) if one.named_in
    )
    order = f"order by {', '.join(f'key_{n}' for n in range(len(chosen)))}" if chosen else ""
    return text(f"""
        with summed as (
            select {keys} count(*) filter (where c.revision % 2 = 0) as charges,
                   count(*) filter (where c.revision % 2 = 1) as reversals,
                   cast(coalesce(sum(c.amount_fen) filter (where c.revision % 2 = 0), 0) as bigint) as charged,
                   cast(coalesce(sum(c.amount_fen) filter (where c.revision % 2 = 1), 0) as bigint) as reversed
            from charge c {person} {site}
            where c.site_id = :site_id and c.business_day between :from_day and :through_day
                {"".join(f"and {condition} " for condition in conditions)}
            {grouped}
        )
        select summed.* {names} from summed {joins} {order} {window}
    """)  # noqa: S608 - constants of this module


def _parameters(query: SumQuery) -> dict[str, Any]:
    days = {"site_id": query.site_id, "from_day": query.from_day, "through_day": query.through_day}
    return {**days, **query.wanted}
