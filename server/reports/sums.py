"""Counts and sums of charges by stall, meal, department, till, person, category, hour, day or month (C72, S6).

Reads only. A charge counts in its business day; a reversal takes its charge back in the day it was booked in, so that
the days of a month always sum to the month, and a month that was reported stays as it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

from sqlalchemy import RowMapping

from cardcore.ids import PersonId, SiteId
from cardcore.money import Fen
from server.database import ReadSession
from server.reports import sums_repository as repository
from server.reports.paging import Page, page_of

MAX_DIMENSIONS = 4
"""Dimensions of one report."""
MAX_SPAN_DAYS = 731
"""Days of one report: two years."""


class Dimension(StrEnum):
    """What a report's rows are told apart by."""

    STALL = "stall"
    MEAL = "meal"
    TILL = "till"
    DEPARTMENT = "department"
    CATEGORY = "category"
    PERSON = "person"
    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Scope:
    """Which charges: business days, both included, and of one stall, meal, till, department, category or person.

    Pages and exports share it, so that what was seen is what is exported.
    """

    from_day: date
    through_day: date
    stall: str | None = None
    meal: str | None = None
    till: str | None = None
    department: str | None = None
    category: str | None = None
    person: PersonId | None = None


class ReportRefusal(StrEnum):
    """Why a report was not made."""

    DAYS_OUT_OF_RANGE = "days_out_of_range"
    TOO_MANY_DIMENSIONS = "too_many_dimensions"


@dataclass(frozen=True, slots=True)
class Label:
    """One value of a dimension: its key, and its names as people entered them."""

    key: str
    name_en: str
    name_zh: str


@dataclass(frozen=True, slots=True)
class SumRow:
    """One line: charges and what they came to, reversals and refunds and what they gave back."""

    labels: tuple[Label, ...]
    charges: int
    reversals: int
    refunds: int
    """Meals given back by refunds of all that was left of a charge."""
    charged: Fen
    reversed: Fen
    refunded: Fen

    @property
    def meals(self) -> int:
        """Charges that stand."""
        return self.charges - self.reversals - self.refunds

    @property
    def net(self) -> Fen:
        """What the charges come to after all that was given back."""
        return Fen(self.charged - self.reversed - self.refunded)


@dataclass(frozen=True, slots=True)
class SumsFound:
    """A page of lines, and the total over all pages."""

    page: Page[SumRow]
    total: SumRow


def refused(scope: Scope, dimensions: Sequence[Dimension]) -> ReportRefusal | None:
    """Return why these lines cannot be asked for, or None."""
    if not 0 <= (scope.through_day - scope.from_day).days < MAX_SPAN_DAYS:
        return ReportRefusal.DAYS_OUT_OF_RANGE
    if len(dimensions) > MAX_DIMENSIONS or len(set(dimensions)) != len(dimensions):
        return ReportRefusal.TOO_MANY_DIMENSIONS
    return None


def charge_sums(
    session: ReadSession, site_id: SiteId, scope: Scope, dimensions: Sequence[Dimension], page: int
) -> SumsFound | ReportRefusal:
    """Return one page of lines in order of the dimensions' keys, with the total of all."""
    problem = refused(scope, dimensions)
    if problem is not None:
        return problem
    query = _query(site_id, scope, dimensions)
    found: Page[RowMapping] = page_of(
        page, lambda limit, offset: repository.sums(session, query, limit, offset), lambda: None
    )
    rows = tuple(_row(row, len(dimensions)) for row in found.rows)
    return SumsFound(Page(rows, found.number, found.has_next, None), charge_total(session, site_id, scope))


def all_charge_sums(
    session: ReadSession, site_id: SiteId, scope: Scope, dimensions: Sequence[Dimension]
) -> Iterator[SumRow]:
    """Yield every line, for exports; ask `refused` first."""
    for row in repository.every_sum(session, _query(site_id, scope, dimensions)):
        yield _row(row, len(dimensions))


def charges_behind(
    session: ReadSession, site_id: SiteId, scope: Scope, page: int, hour: int | None = None
) -> Page[RowMapping]:
    """Return the charges (and reversals, negative) that a sum is made of, newest first."""
    query = _query(site_id, scope, ())
    if hour is not None:
        query = replace(query, wanted={**query.wanted, "hour": hour})
    return page_of(page, lambda limit, offset: repository.charges(session, query, limit, offset), lambda: None)


def charge_total(session: ReadSession, site_id: SiteId, scope: Scope) -> SumRow:
    """Return the one line over everything in scope."""
    (row,) = repository.sums(session, _query(site_id, scope, ()), 1, 0)
    return _row(row, 0)


def _query(site_id: SiteId, scope: Scope, dimensions: Sequence[Dimension]) -> repository.SumQuery:
    filters = {
        "stall": scope.stall, "meal": scope.meal, "till": scope.till, "department": scope.department,
        "category": scope.category, "person": scope.person,
    }  # fmt: skip
    wanted = {name: value for name, value in filters.items() if value is not None}
    return repository.SumQuery(site_id, scope.from_day, scope.through_day, tuple(map(str, dimensions)), wanted)


def _row(row: RowMapping, count: int) -> SumRow:
    labels = tuple(Label(row[f"key_{n}"], row[f"en_{n}"], row[f"zh_{n}"]) for n in range(count))
    counts = (row["charges"], row["reversals"], row["refunds"])
    return SumRow(labels, *counts, Fen(row["charged"]), Fen(row["reversed"]), Fen(row["refunded"]))
