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
from server.access.fields import FieldProblem, FieldRefusal
from server.audit.service import Deed, record
from server.canteen import repository
from server.database import WriteSession
from server.ledger.service import business_day, ensure_ledger_account
from server.policy import service as policy
from server.system import System

ANY = "*"
"""Any stall, or any category."""
SINCE_EVER = date.min
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
    valid_from: date = SINCE_EVER
    """The business day on which it begins; it holds until the next one of its place begins."""

    @property
    def name(self) -> str:
        """Return what the trail calls it."""
        begins = f"/{self.valid_from.isoformat()}" if self.valid_from > SINCE_EVER else ""
        return f"tariff:{self.meal_id}/{self.stall_id}/{self.category_id}{begins}"


def put_stalls(session: WriteSession, system: System, site_id: SiteId, stalls: Sequence[Stall], actor: str) -> None:
    """Add or rename stalls, each with the ledger account that its takings go to."""
    repository.upsert_stalls(session, site_id, [asdict(stall) for stall in stalls])
    for stall in stalls:
        ensure_ledger_account(session, system, site_id, "stall", stall.id)
        record(session, system, site_id, Deed(actor, "stall_put", f"stall:{stall.id}", after=asdict(stall)))


def put_tills(
    session: WriteSession, system: System, site_id: SiteId, tills: Sequence[Till], actor: str
) -> FieldProblem | None:
    """Add or change tills: all or none; refused when a stall is unknown or another till has the reader."""
    stalls = {row["id"] for row in repository.stall_rows(session, site_id)}
    readers = {row["reader"]: row["id"] for row in repository.till_rows(session, site_id)}
    for till in tills:
        if till.stall_id not in stalls:
            return _problem(till, "stall_id", FieldRefusal.UNKNOWN, f"there is no stall {till.stall_id}", till.stall_id)
        if readers.get(till.reader, till.id) != till.id:
            taken = readers[till.reader]
            return _problem(till, "reader", FieldRefusal.TAKEN, f"till {taken} has the reader {till.reader}", taken)
        readers[till.reader] = till.id
    repository.upsert_tills(session, site_id, [asdict(till) for till in tills])
    for till in tills:
        record(session, system, site_id, Deed(actor, "till_put", f"till:{till.id}", after=asdict(till)))
    policy.refresh(session, system, site_id, {"till"})
    return None


def put_meals(
    session: WriteSession, system: System, site_id: SiteId, meals: Sequence[MealPeriod], actor: str
) -> FieldProblem | None:
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
            changed = {meal.id for meal in meals}
            mine, other = clash if clash[0].id in changed else reversed(clash)
            advice = f"meals {clash[0].id} and {clash[1].id} overlap"
            return _problem(mine, "start_seconds", FieldRefusal.OVERLAP, advice, other.id)
    repository.upsert_meals(session, site_id, [asdict(meal) for meal in meals])
    for meal in meals:
        record(session, system, site_id, Deed(actor, "meal_put", f"meal:{meal.id}", after=asdict(meal)))
    policy.refresh(session, system, site_id, {"meal"})
    return None


def put_tariffs(
    session: WriteSession, system: System, site_id: SiteId, tariffs: Sequence[Tariff], actor: str
) -> FieldProblem | None:
    """Add or change prices: all or none; refused for an unknown meal, a price out of range, a day that is over."""
    meals = {row["id"] for row in repository.meal_rows(session, site_id)} | {NO_MEAL}
    today = business_day(session, system, site_id)
    for tariff in tariffs:
        if tariff.meal_id not in meals:
            advice = f"there is no meal {tariff.meal_id}"
            return FieldProblem(tariff.name, "meal_id", FieldRefusal.UNKNOWN, advice, tariff.meal_id)
        if not 0 < tariff.price_fen <= MAX_AMOUNT_FEN:
            advice = "a price is more than nothing and at most one million yuan"
            return FieldProblem(tariff.name, "price_fen", FieldRefusal.OUT_OF_RANGE, advice, "0.01 – 1000000.00")
        if SINCE_EVER < tariff.valid_from < today:
            advice = f"days before {today} keep their prices"
            return FieldProblem(tariff.name, "valid_from", FieldRefusal.IN_THE_PAST, advice, today.isoformat())
    repository.upsert_tariffs(session, site_id, [asdict(tariff) for tariff in tariffs])
    for tariff in tariffs:
        record(session, system, site_id, Deed(actor, "tariff_put", tariff.name, after=_told(tariff)))
    policy.refresh(session, system, site_id, {"tariff"})
    return None


def remove_tariff(session: WriteSession, system: System, site_id: SiteId, tariff: Tariff, actor: str) -> bool:
    """Take a price away; tell whether it was there."""
    if not repository.delete_tariff(session, site_id, asdict(tariff)):
        return False
    record(session, system, site_id, Deed(actor, "tariff_removed", tariff.name, before=_told(tariff)))
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


def _meal_problem(meal: MealPeriod, standing: Mapping[str, MealPeriod], day_starts: int) -> FieldProblem | None:
    start, end = meal.start_seconds, meal.end_seconds
    if meal.id in RESERVED_MEALS or not meal.id.strip():
        return _problem(meal, "id", FieldRefusal.NAME_UNUSABLE, f"no meal can be named {meal.id!r}")
    if not 0 <= start < DAY_SECONDS or not 0 <= end <= DAY_SECONDS:
        return _problem(meal, "start_seconds", FieldRefusal.WRONG_INTERVAL, f"meal {meal.id} is outside the day")
    if start == end:
        return _problem(meal, "end_seconds", FieldRefusal.WRONG_INTERVAL, f"meal {meal.id} ends when it starts")
    if (start - day_starts) % DAY_SECONDS >= ((end - day_starts) % DAY_SECONDS or DAY_SECONDS):
        advice = f"meal {meal.id} would belong to two business days: one begins at {_clock(day_starts)}"
        return _problem(meal, "end_seconds", FieldRefusal.TWO_DAYS, advice, _clock(day_starts))
    if meal.counts_as:
        base = standing.get(meal.counts_as)
        if base is None or base.counts_as or meal.counts_as == meal.id:
            advice = f"meal {meal.id} counts as {meal.counts_as}, which is no meal of its own"
            return _problem(meal, "counts_as", FieldRefusal.UNKNOWN, advice, meal.counts_as)
        if meal.valid_from is None and meal.valid_until is None:
            advice = f"meal {meal.id} moves the hours of {meal.counts_as}: say on which days"
            return _problem(meal, "valid_from", FieldRefusal.MISSING, advice)
    if meal.valid_from is not None and meal.valid_until is not None and meal.valid_from >= meal.valid_until:
        return _problem(meal, "valid_until", FieldRefusal.WRONG_INTERVAL, f"meal {meal.id} ends before it begins")
    return None


def _problem(about: Till | MealPeriod, where: str, refusal: FieldRefusal, advice: str, named: str = "") -> FieldProblem:
    return FieldProblem(f"{type(about).__name__.lower()} {about.id}", where, refusal, advice, named)


def _told(tariff: Tariff) -> dict[str, object]:
    dated = tariff.valid_from > SINCE_EVER
    return {**asdict(tariff), "valid_from": tariff.valid_from.isoformat() if dated else None}


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
