"""What stalls buy, entered or imported, and the gross margin by stall and meal that follows (S14). All or nothing.

A purchase is for one meal or, as `*`, for all: those are laid on the meals by what each took, to the fen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from cardcore.ids import MealId, SiteId, StaffId, StallId
from cardcore.money import Fen, split_by_weight
from server.audit.service import Deed, record, staff_actor
from server.canteen import repository as canteen_rows
from server.database import ReadSession, WriteSession
from server.reports.sums import Dimension, Scope, all_charge_sums
from server.settlement import repository
from server.settlement.models import SettlementRefusal
from server.settlement.sheet_rows import MAX_PROBLEMS, Headed, Problem, headed_rows
from server.staff import service as staff
from server.staff.roles import Permission
from server.system import System

ALL_MEALS = "*"
MAX_LINES = 20_000
"""Lines of one import."""

HEADERS = {
    "stall": ("stall", "档口"),
    "day": ("day", "date", "日期"),
    "meal": ("meal", "餐次"),
    "document": ("document", "单据号"),
    "item": ("item", "品名"),
    "supplier": ("supplier", "供应商"),
    "cost": ("cost", "amount", "金额"),
}
"""Columns by any of their names, in any order; meal and supplier may be missing."""
OPTIONAL = frozenset({"meal", "supplier"})


@dataclass(frozen=True, slots=True)
class Purchase:
    """One line of a supplier's document. Negative to correct one entered before, under another line number."""

    stall_id: StallId
    day: date
    meal: str
    document: str
    line: int
    item: str
    supplier: str
    cost: Fen


@dataclass(frozen=True, slots=True)
class Margin:
    """Gross margin of a stall's meal: what it took less what was bought for it."""

    stall_id: StallId
    meal: MealId
    revenue: Fen
    cost: Fen

    @property
    def margin(self) -> Fen:
        """What is left before wages, rent and power."""
        return Fen(self.revenue - self.cost)


def enter(
    session: WriteSession, system: System, site_id: SiteId, purchases: Sequence[Purchase], maker: StaffId
) -> int | SettlementRefusal:
    """Put down purchases and return how many were new: a document's line counts once."""
    if not staff.may(session, maker, site_id, Permission.STALLS_WRITE):
        return SettlementRefusal.NOT_ALLOWED
    if len(purchases) > MAX_LINES:
        return SettlementRefusal.TOO_LONG
    known = {row["id"] for row in canteen_rows.stall_rows(session, site_id)}
    if any(one.stall_id not in known for one in purchases):
        return SettlementRefusal.STALL_UNKNOWN
    actor, now = staff_actor(maker), system.clock.now()
    rows = [
        {
            "id": system.ids.uuid7(), "site_id": site_id, "stall_id": one.stall_id, "day": one.day,
            "meal_id": one.meal, "document": one.document, "line": one.line, "item": one.item,
            "supplier": one.supplier, "cost_fen": one.cost, "made_by": actor, "made_at": now,
        }
        for one in purchases
    ]  # fmt: skip
    new = repository.insert_purchases(session, rows) if rows else 0
    after = {"lines": len(rows), "new": new, "cost_fen": sum(one.cost for one in purchases)}
    record(session, system, site_id, Deed(actor, "purchases_entered", f"site:{site_id}", after=after))
    return new


def read_file(content: bytes, stalls: frozenset[str], meals: frozenset[str]) -> list[Purchase] | list[Problem]:
    """Read a CSV or XLSX file of purchases; either every line is good, or the problems are returned, row by row."""
    rows = headed_rows(content, HEADERS, OPTIONAL)
    if isinstance(rows, Problem):
        return [rows]
    purchases: list[Purchase] = []
    problems: list[Problem] = []
    lines: dict[tuple[str, str], int] = {}
    for row in rows[: MAX_LINES + 1]:
        read = _purchase(row, stalls, meals)
        if isinstance(read, Problem):
            problems.append(read)
            if len(problems) == MAX_PROBLEMS:
                break
            continue
        line = lines[read.stall_id, read.document] = lines.get((read.stall_id, read.document), 0) + 1
        purchases.append(replace(read, line=line))
    if len(rows) > MAX_LINES:
        problems.append(Problem(rows[MAX_LINES].row, "", f"at most {MAX_LINES} lines; split the file"))
    return problems or purchases


def margins(session: ReadSession, site_id: SiteId, from_day: date, through_day: date) -> list[Margin]:
    """Return the gross margin of every stall and meal that took or cost anything."""
    revenue: dict[str, dict[str, int]] = {}
    scope = Scope(from_day, through_day)
    for row in all_charge_sums(session, site_id, scope, (Dimension.STALL, Dimension.MEAL)):
        stall, meal = (label.key for label in row.labels)
        revenue.setdefault(stall, {})[meal] = row.net
    cost: dict[str, dict[str, int]] = {}
    shared: dict[str, int] = {}
    for found in repository.costs(session, site_id, from_day, through_day):
        if found["meal_id"] == ALL_MEALS:
            shared[found["stall_id"]] = found["fen"]
        else:
            cost.setdefault(found["stall_id"], {})[found["meal_id"]] = found["fen"]
    for stall, fen in shared.items():
        for meal, part in _laid_out(fen, revenue.get(stall, {})).items():
            meals = cost.setdefault(stall, {})
            meals[meal] = meals.get(meal, 0) + part
    keys = sorted({(stall, meal) for side in (revenue, cost) for stall, meals in side.items() for meal in meals})
    return [
        Margin(
            StallId(stall),
            MealId(meal),
            Fen(revenue.get(stall, {}).get(meal, 0)),
            Fen(cost.get(stall, {}).get(meal, 0)),
        )
        for stall, meal in keys
    ]


def _laid_out(fen: int, revenue: dict[str, int]) -> dict[str, int]:
    """Lay a shared cost on meals by what they took; where nothing was taken it stands under all meals."""
    meals = sorted(meal for meal, taken in revenue.items() if taken > 0)
    if not meals:
        return {ALL_MEALS: fen}
    parts = split_by_weight(Fen(abs(fen)), [revenue[meal] for meal in meals])
    return {meal: part if fen >= 0 else -part for meal, part in zip(meals, parts, strict=True)}


def _purchase(row: Headed, stalls: frozenset[str], meals: frozenset[str]) -> Purchase | Problem:
    stall, meal = row.values["stall"], row.values["meal"] or ALL_MEALS
    if stall not in stalls:
        return Problem(row.row, "stall", f"there is no stall {stall!r}")
    if meal != ALL_MEALS and meal not in meals:
        return Problem(row.row, "meal", f"there is no meal {meal!r}; leave it empty for all meals")
    column = ""
    try:
        column = "document"
        document = row.text(column)
        column = "item"
        item = row.text(column)
        column = "supplier"
        supplier = row.text(column, needed=False)
        column = "day"
        day = row.day(column)
        column = "cost"
        cost = row.amount(column)
    except ValueError as error:
        return Problem(row.row, column, str(error))
    return Purchase(StallId(stall), day, meal, document, 0, item, supplier, cost)
