"""Weekly menus with published prices, and what was sold of them (C5, S5). A day gone by is never changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta

from sqlalchemy import RowMapping

from cardcore.ids import SiteId, StallId
from cardcore.journal import MAX_CODE_CHARACTERS
from cardcore.money import MAX_AMOUNT_FEN, Fen
from server.audit.service import Deed, record
from server.canteen import menu_repository, repository
from server.database import ReadSession, WriteSession
from server.ledger.service import business_day
from server.policy import service as policy
from server.system import System

WEEK_DAYS = 7
MAX_DISHES = 600
"""Lines of one stall's week."""


@dataclass(frozen=True, slots=True)
class MenuLine:
    """A dish on a day: the number that a cashier keys, its names and its price."""

    day: date
    meal_id: str
    code: str
    name_en: str
    name_zh: str
    price_fen: Fen


def publish_week(
    session: WriteSession, system: System, site_id: SiteId, stall_id: StallId, monday: date,
    lines: Sequence[MenuLine], actor: str,
) -> str | None:  # fmt: skip
    """Publish a stall's menu of the week from `monday`; return what is wrong (with its line), or None.

    It replaces what was published for the week's days that have not begun; days gone by must be left out.
    """
    today = business_day(session, system, site_id)
    days = [monday + timedelta(days=ahead) for ahead in range(WEEK_DAYS)]
    ahead = [day for day in days if day >= today]
    problem = _problem(session, site_id, stall_id, monday, lines, ahead)
    if problem is not None:
        return problem
    own = {"site_id": site_id, "stall_id": stall_id, "published_at": system.clock.now()}
    menu_repository.replace_lines(session, site_id, stall_id, ahead, [{**asdict(line), **own} for line in lines])
    menu_repository.end_days_before(session, site_id, today - timedelta(days=1))
    deed = Deed(actor, "menu_published", f"menu:{stall_id}/{monday.isoformat()}", after={"lines": len(lines)})
    record(session, system, site_id, deed)
    policy.refresh(session, system, site_id, {"menu"})
    return None


def menu_of(session: ReadSession, site_id: SiteId, stall_id: StallId, first: date, days: int) -> Sequence[RowMapping]:
    """Return what a stall published for some days, old prices included; for pages and the public screen."""
    return menu_repository.lines(session, site_id, stall_id, first, first + timedelta(days=days))


def dishes_sold(session: ReadSession, site_id: SiteId, first: date, until: date) -> Sequence[RowMapping]:
    """Return portions and list price of the dishes of charges in force, first <= business day < until."""
    return menu_repository.sold(session, site_id, first, until)


def _problem(
    session: WriteSession, site_id: SiteId, stall_id: str, monday: date, lines: Sequence[MenuLine], ahead: list[date]
) -> str | None:
    if monday.weekday() != 0:
        return f"{monday} is no Monday"
    if stall_id not in {row["id"] for row in repository.stall_rows(session, site_id)}:
        return f"there is no stall {stall_id}"
    if len(lines) > MAX_DISHES:
        return f"a week has at most {MAX_DISHES} lines"
    meals = {row["id"] for row in repository.meal_rows(session, site_id)}
    seen: set[tuple[date, str, str]] = set()
    for number, line in enumerate(lines, 1):
        problem = _line_problem(line, meals, ahead)
        if problem is None and (line.day, line.meal_id, line.code) in seen:
            problem = f"number {line.code} stands twice in {line.meal_id} of {line.day}"
        if problem is not None:
            return f"line {number}: {problem}"
        seen.add((line.day, line.meal_id, line.code))
    return None


def _line_problem(line: MenuLine, meals: set[str], ahead: list[date]) -> str | None:
    if line.day not in ahead:
        return f"{line.day} is over or not of this week"
    if line.meal_id not in meals:
        return f"there is no meal {line.meal_id}"
    if not line.code.isascii() or not line.code.isdecimal() or len(line.code) > MAX_CODE_CHARACTERS:
        return f"a dish's number has 1 to {MAX_CODE_CHARACTERS} digits"
    if not line.name_en.strip() or not line.name_zh.strip():
        return "a dish needs both names"
    if not 0 < line.price_fen <= MAX_AMOUNT_FEN:
        return "a price is more than nothing and at most one million yuan"
    return None
