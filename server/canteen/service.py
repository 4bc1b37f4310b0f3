"""Where and when meals are sold and at which price. Every change publishes in its own transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from itertools import pairwise
from typing import Any

from cardcore.access.items import MealItem
from cardcore.access.snapshot import valid_meals
from cardcore.calendar import DAY_SECONDS
from cardcore.canteen.selling import NO_MEAL
from cardcore.ids import MealId, SiteId, StallId, TillId
from cardcore.money import MAX_AMOUNT_FEN, Fen
from server.access import repository as access_rows
from server.audit.service import Deed, record
from server.canteen import repository
from server.database import WriteSession
from server.ledger.service import ensure_ledger_account
from server.policy import service as policy
from server.system import System

ANY = "*"
"""Any stall, or any category."""
RESERVED_MEALS = frozenset({ANY, NO_MEAL, "unknown"})
"""Names that the books use for charges of no meal."""


@dataclass(frozen=True, slots=True)
class Stall:
    """A merchant."""

    id: StallId
    name_en: str
    name_zh: str


@dataclass(frozen=True, slots=True)
class Till:
    """A counter that charges for a stall, with the reader on it."""

    id: TillId
    name_en: str
    name_zh: str
    reader: str
    stall_id: StallId


@dataclass(frozen=True, slots=True)
class MealPeriod:
    """A meal, half-open in local seconds of the day; one that ends before it starts crosses midnight."""

    id: MealId
    name_en: str
    name_zh: str
    start_seconds: int
    end_seconds: int
    limit_count: int = 0
    counts_as: str = ""
    """The meal whose hours this period moves on its days of validity; empty = a meal of its own."""
    valid_from: date | None = None
    valid_until: date | None = None
    """Business days, from <= day < until."""


@dataclass(frozen=True, slots=True)
class Tariff:
    """What a meal costs a category at a stall; `ANY` stands for all of them."""

    meal_id: MealId
    price_fen: Fen
    stall_id: str = ANY
    category_id: str = ANY


def put_stalls(session: WriteSession, system: System, site_id: SiteId, stalls: Sequence[Stall], actor: str) -> None:
    """Add or rename stalls, each with the ledger account that its takings go to."""
    repository.upsert_stalls(session, site_id, [asdict(stall) for stall in stalls])
    for stall in stalls:
        ensure_ledger_account(session, system, site_id, "stall", stall.id)
        record(session, system, site_id, Deed(actor, "stall_put", f"stall:{stall.id}", after=asdict(stall)))


def put_tills(session: WriteSession, system: System, site_id: SiteId, tills: Sequence[Till], actor: str) -> str | None:
    """Add or change tills; refused when a stall is unknown."""
    unknown = {till.stall_id for till in tills} - {row["id"] for row in repository.stall_rows(session, site_id)}
    if unknown:
        return f"there is no stall {min(unknown)}"
    repository.upsert_tills(session, site_id, [asdict(till) for till in tills])
    for till in tills:
        record(session, system, site_id, Deed(actor, "till_put", f"till:{till.id}", after=asdict(till)))
    policy.refresh(session, system, site_id, {"till"})
    return None


def put_meals(
    session: WriteSession, system: System, site_id: SiteId, meals: Sequence[MealPeriod], actor: str
) -> str | None:
    """Add or change meal periods; refused when one is out of range or would overlap another on any day.

    A period lies within one business day (C12): one that would cross its start is refused.
    """
    repository.lock_meals(session, site_id)
    day_starts = access_rows.site_rows(session, site_id)[0]["day_starts_seconds"]
    standing = {row["id"]: _standing(row) for row in repository.meal_rows(session, site_id)}
    for meal in meals:
        problem = _meal_problem(meal, standing, day_starts)
        if problem is not None:
            return problem
        standing[meal.id] = meal
    for day in _days_of_change(standing.values()):
        clash = overlapping([standing[item.id] for item in valid_meals(map(_item, standing.values()), day)])
        if clash is not None:
            return f"meals {clash[0].id} and {clash[1].id} overlap"
    repository.upsert_meals(session, site_id, [asdict(meal) for meal in meals])
    for meal in meals:
        record(session, system, site_id, Deed(actor, "meal_put", f"meal:{meal.id}", after=asdict(meal)))
    policy.refresh(session, system, site_id, {"meal"})
    return None


def put_tariffs(
    session: WriteSession, system: System, site_id: SiteId, tariffs: Sequence[Tariff], actor: str
) -> str | None:
    """Add or change prices; refused when a meal is unknown or a price is out of range."""
    meals = {row["id"] for row in repository.meal_rows(session, site_id)} | {NO_MEAL}
    unknown = {tariff.meal_id for tariff in tariffs} - meals
    if unknown:
        return f"there is no meal {min(unknown)}"
    if any(not 0 < tariff.price_fen <= MAX_AMOUNT_FEN for tariff in tariffs):
        return "a price is more than nothing and at most one million yuan"
    repository.upsert_tariffs(session, site_id, [asdict(tariff) for tariff in tariffs])
    for tariff in tariffs:
        name = f"tariff:{tariff.meal_id}/{tariff.stall_id}/{tariff.category_id}"
        record(session, system, site_id, Deed(actor, "tariff_put", name, after=asdict(tariff)))
    policy.refresh(session, system, site_id, {"tariff"})
    return None


def remove_tariff(session: WriteSession, system: System, site_id: SiteId, tariff: Tariff, actor: str) -> bool:
    """Take a price away; tell whether it was there."""
    if not repository.delete_tariff(session, site_id, tariff.meal_id, tariff.stall_id, tariff.category_id):
        return False
    name = f"tariff:{tariff.meal_id}/{tariff.stall_id}/{tariff.category_id}"
    record(session, system, site_id, Deed(actor, "tariff_removed", name, before=asdict(tariff)))
    policy.refresh(session, system, site_id, {"tariff"})
    return True


def overlapping(meals: Sequence[MealPeriod]) -> tuple[MealPeriod, MealPeriod] | None:
    """Return two meals that share a second of the day, or None."""
    parts = sorted((part for meal in meals for part in _parts(meal)), key=lambda part: part[:2])
    for (_, end, first), (start, _, second) in pairwise(parts):
        if start < end:
            return first, second
    return None


def _parts(meal: MealPeriod) -> list[tuple[int, int, MealPeriod]]:
    """Split a meal that crosses midnight into its two parts of the day."""
    if meal.start_seconds < meal.end_seconds:
        return [(meal.start_seconds, meal.end_seconds, meal)]
    parts = [(meal.start_seconds, DAY_SECONDS, meal), (0, meal.end_seconds, meal)]
    return [part for part in parts if part[0] < part[1]]


def _meal_problem(meal: MealPeriod, standing: Mapping[str, MealPeriod], day_starts: int) -> str | None:
    start, end = meal.start_seconds, meal.end_seconds
    if meal.id in RESERVED_MEALS or not meal.id.strip():
        return f"no meal can be named {meal.id!r}"
    if not 0 <= start < DAY_SECONDS or not 0 <= end <= DAY_SECONDS:
        return f"meal {meal.id} is outside the day"
    if start == end:
        return f"meal {meal.id} ends when it starts"
    if (start - day_starts) % DAY_SECONDS >= ((end - day_starts) % DAY_SECONDS or DAY_SECONDS):
        return f"meal {meal.id} would belong to two business days: one begins at {_clock(day_starts)}"
    if meal.counts_as:
        base = standing.get(meal.counts_as)
        if base is None or base.counts_as or meal.counts_as == meal.id:
            return f"meal {meal.id} counts as {meal.counts_as}, which is no meal of its own"
        if meal.valid_from is None and meal.valid_until is None:
            return f"meal {meal.id} moves the hours of {meal.counts_as}: say on which days"
    if meal.valid_from is not None and meal.valid_until is not None and meal.valid_from >= meal.valid_until:
        return f"meal {meal.id} ends on a day before it begins"
    return None


def _days_of_change(meals: Iterable[MealPeriod]) -> list[date]:
    """Return the days on which the set of periods that hold can change: the set is the same between two of them."""
    days = {day for meal in meals for day in (meal.valid_from, meal.valid_until) if day is not None}
    return [date.min, *sorted(days)]


def _item(meal: MealPeriod) -> MealItem:
    return MealItem(
        meal.id, meal.start_seconds, meal.end_seconds, counts_as=meal.counts_as, valid_from=meal.valid_from,
        valid_until=meal.valid_until,
    )  # fmt: skip


def _standing(row: Mapping[Any, Any]) -> MealPeriod:
    return MealPeriod(
        row["id"], row["name_en"], row["name_zh"], row["start_seconds"], row["end_seconds"], row["limit_count"],
        row["counts_as"], row["valid_from"], row["valid_until"],
    )  # fmt: skip


def _clock(second: int) -> str:
    return f"{second // 3600:02d}:{second // 60 % 60:02d}"
