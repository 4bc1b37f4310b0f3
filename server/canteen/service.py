"""Where and when meals are sold and at which price. Every change publishes in its own transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise

from cardcore.calendar import DAY_SECONDS
from cardcore.ids import MealId, SiteId, StallId, TillId
from cardcore.money import MAX_AMOUNT_FEN, Fen
from server.audit.service import Deed, record
from server.canteen import repository
from server.database import WriteSession
from server.ledger.service import ensure_ledger_account
from server.policy import service as policy
from server.system import System

ANY = "*"
"""Any stall, or any category."""


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
    """Add or change meal periods; refused when one is out of range or would overlap another."""
    repository.lock_meals(session, site_id)
    standing = {row["id"]: _meal(row["id"], row["start_seconds"], row["end_seconds"])
                for row in repository.meal_rows(session, site_id)}  # fmt: skip
    for meal in meals:
        if not 0 <= meal.start_seconds < DAY_SECONDS or not 0 <= meal.end_seconds <= DAY_SECONDS:
            return f"meal {meal.id} is outside the day"
        if meal.start_seconds == meal.end_seconds:
            return f"meal {meal.id} ends when it starts"
        standing[meal.id] = meal
    clash = overlapping(list(standing.values()))
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
    unknown = {tariff.meal_id for tariff in tariffs} - {row["id"] for row in repository.meal_rows(session, site_id)}
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


def _meal(meal_id: str, start: int, end: int) -> MealPeriod:
    return MealPeriod(MealId(meal_id), "", "", start, end)
