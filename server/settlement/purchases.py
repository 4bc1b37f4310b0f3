"""What stalls buy, entered or imported, and the gross margin by stall and meal that follows (S14). All or nothing.

A purchase is for one meal or, as `*`, for all: those are laid on the meals by what each took, to the fen.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from cardcore.ids import MealId, SiteId, StaffId, StallId
from cardcore.money import Fen, parse_yuan, split_by_weight
from server.audit.service import Deed, record, staff_actor
from server.canteen import repository as canteen_rows
from server.database import ReadSession, WriteSession
from server.reports.sums import Dimension, Scope, all_charge_sums
from server.settlement import repository
from server.settlement.models import SettlementRefusal
from server.staff import service as staff
from server.staff.roles import Permission
from server.system import System

ALL_MEALS = "*"
MAX_FILE_BYTES = 4_000_000
MAX_LINES = 20_000
"""Lines of one import."""
MAX_TEXT = 200
MAX_PROBLEMS = 50
"""Problems named before an import gives up."""
ENCODINGS = ("utf-8-sig", "gb18030")
"""What spreadsheets write; anything else is refused."""

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
_OPTIONAL = {"meal", "supplier"}


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
class Problem:
    """Why an import was refused: the row in the file (1 = the header), the column, what to do."""

    row: int
    column: str
    message: str


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
    """Read a CSV file of purchases; either every line is good, or the problems are returned, row by row."""
    text = _decoded(content)
    if isinstance(text, Problem):
        return [text]
    rows = csv.reader(io.StringIO(text, newline=""))
    columns = _columns(next(rows, []))
    if isinstance(columns, Problem):
        return [columns]
    purchases: list[Purchase] = []
    problems: list[Problem] = []
    lines: dict[tuple[str, str], int] = {}
    for number, cells in enumerate(rows, 2):
        if not any(cell.strip() for cell in cells):
            continue
        if len(purchases) >= MAX_LINES or len(problems) >= MAX_PROBLEMS:
            problems.append(Problem(number, "", f"at most {MAX_LINES} lines; split the file"))
            break
        values = {name: cells[at].strip() if at < len(cells) else "" for name, at in columns.items()}
        read = _purchase(number, values, stalls, meals)
        if isinstance(read, Problem):
            problems.append(read)
            continue
        line = lines[read.stall_id, read.document] = lines.get((read.stall_id, read.document), 0) + 1
        purchases.append(
            Purchase(read.stall_id, read.day, read.meal, read.document, line, read.item, read.supplier, read.cost)
        )
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


def _decoded(content: bytes) -> str | Problem:
    if len(content) > MAX_FILE_BYTES:
        return Problem(1, "", f"the file has more than {MAX_FILE_BYTES} bytes; split it")
    for encoding in ENCODINGS:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    return Problem(1, "", "the file is neither UTF-8 nor GBK; save it as CSV UTF-8")


def _columns(header: Sequence[str]) -> dict[str, int] | Problem:
    titles = [title.strip().lower() for title in header]
    columns: dict[str, int] = {}
    for name, words in HEADERS.items():
        at = [index for index, title in enumerate(titles) if title in words]
        if len(at) > 1 or (not at and name not in _OPTIONAL):
            return Problem(1, name, f"the header needs one column named {' or '.join(words)}")
        if at:
            columns[name] = at[0]
    return columns


def _purchase(number: int, values: dict[str, str], stalls: frozenset[str], meals: frozenset[str]) -> Purchase | Problem:
    meal = values.get("meal", "") or ALL_MEALS
    if values["stall"] not in stalls:
        return Problem(number, "stall", f"there is no stall {values['stall']!r}")
    if meal != ALL_MEALS and meal not in meals:
        return Problem(number, "meal", f"there is no meal {meal!r}; leave it empty for all meals")
    for name in ("document", "item"):
        if not 0 < len(values[name]) <= MAX_TEXT:
            return Problem(number, name, f"1 to {MAX_TEXT} characters are needed")
    if len(values.get("supplier", "")) > MAX_TEXT:
        return Problem(number, "supplier", f"at most {MAX_TEXT} characters")
    try:
        day = date.fromisoformat(values["day"].replace("/", "-"))
    except ValueError:
        return Problem(number, "day", f"{values['day']!r} is no date: write it as 2026-03-04")
    try:
        cost = parse_yuan(values["cost"])
    except ValueError as error:
        return Problem(number, "cost", str(error))
    return Purchase(
        StallId(values["stall"]), day, meal, values["document"], 0, values["item"], values.get("supplier", ""), cost
    )
