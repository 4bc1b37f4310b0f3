"""Reports: the same filters on screen and as a file, and from every figure the way down to its charges."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from enum import StrEnum
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, HTTPException, Query, Response

from admin_web.area import Area, Group, Place, allow
from admin_web.files import FileKind, table_file
from admin_web.i18n import Language
from admin_web.pages.searching import page_number
from admin_web.visits import StaffVisit, Visit
from cardcore.clock import site_time
from cardcore.ids import PersonId
from server.canteen import menus
from server.canteen import repository as canteen_rows
from server.database import ReadSession
from server.exports import report_tables
from server.exports.table import Kind, Table, Value
from server.people import repository as people_rows
from server.reports import books, sums
from server.reports.sums import Dimension, Label, ReportRefusal, Scope, SumRow, SumsFound
from server.settlement import purchases
from server.staff.roles import Permission

router = APIRouter()


class Report(StrEnum):
    """The tables beside the sums."""

    TRIAL_BALANCE = "trial_balance"
    DISHES = "dishes"
    MARGINS = "margins"


AREA = Area(
    router,
    allow(dict.fromkeys(("reports", "reports_file", "reports_charges", "report_table"), Permission.BOOKS_READ)),
    (Place("/reports", "report-analytics", "nav.reports", Permission.BOOKS_READ, Group.FINANCE, "r"),),
    (Dimension, Report, ReportRefusal),
)
SHOWN_ROWS = 500
"""Of a table on screen; the files have all."""
FILTERS = ("stall", "meal", "till", "department", "category", "person")
Text = Annotated[str, Query(max_length=64)]


@router.get("/reports", name="reports")
async def reports(visit: StaffVisit, page: str = "") -> Response:
    """Show counts and sums, told apart by up to four things, the total below."""
    scope, dimensions, number = _scope(visit), _dimensions(visit), page_number(page)
    found = await visit.read(lambda session: sums.charge_sums(session, visit.site_id, scope, dimensions, number))
    lists = await visit.read(lambda session: _lists(session, visit))
    refusal = found if isinstance(found, ReportRefusal) else None
    people = await _people(visit, dimensions, found)
    return visit.page(
        "reports/reports.html", 422 if refusal is not None else 200, found=found, refusal=refusal, scope=scope,
        dimensions=dimensions, all_dimensions=_offered(visit), lists=lists, address=_address(scope, dimensions),
        drill=lambda row: _drill(scope, dimensions, row, people), name_of=lambda label: _name_of(visit, label),
        files=list(FileKind), tables=list(Report),
    )  # fmt: skip


@router.get("/reports/file", name="reports_file")
async def reports_file(visit: StaffVisit, kind: FileKind) -> Response:
    """Send the same lines as a file, all of them."""
    scope, dimensions = _scope(visit), _dimensions(visit)
    if sums.refused(scope, dimensions) is not None:
        raise HTTPException(404)

    def make(session: ReadSession) -> Table:
        return report_tables.sums_table(dimensions, sums.all_charge_sums(session, visit.site_id, scope, dimensions))

    title = visit.web.renderer.text(visit.language, "nav.reports")
    return await table_file(visit, make, kind, title, (scope.from_day, scope.through_day))


@router.get("/reports/charges", name="reports_charges")
async def reports_charges(
    visit: StaffVisit, page: str = "", hour: Annotated[str, Query(max_length=2)] = ""
) -> Response:
    """Show the charges behind a figure."""
    scope, number = _scope(visit), page_number(page)
    at_hour = int(hour) if hour.isascii() and hour.isdecimal() else None
    if sums.refused(scope, ()) is not None:
        raise HTTPException(404)
    found = await visit.read(lambda session: sums.charges_behind(session, visit.site_id, scope, number, at_hour))
    total = await visit.read(lambda session: sums.charge_total(session, visit.site_id, scope))
    address = _address(scope, (), "/reports/charges") + (f"&hour={at_hour}" if at_hour is not None else "")
    shown = total if at_hour is None else None
    return visit.page("reports/charges.html", found=found, scope=scope, total=shown, address=address)


@router.get("/reports/tables/{report}", name="report_table")
async def report_table(visit: StaffVisit, report: Report, kind: Text = "") -> Response:
    """Show a table of the books, or send it as a file."""
    scope = _scope(visit)
    if sums.refused(scope, ()) is not None:
        raise HTTPException(404)

    def make(session: ReadSession) -> Table:
        return TABLES[report](session, visit, scope)

    if kind in set(FileKind):
        title = visit.web.renderer.text(visit.language, f"report.{report}")
        return await table_file(visit, make, FileKind(kind), title, (scope.from_day, scope.through_day))

    def read(session: ReadSession) -> tuple[Table, list[tuple[Value, ...]]]:
        table = make(session)
        rows = [tuple(row) for row, _ in zip(table.rows, range(SHOWN_ROWS + 1), strict=False)]
        return table, rows

    table, rows = await visit.read(read)
    return visit.page(
        "reports/table.html", report=report, table=table, rows=rows[:SHOWN_ROWS], is_cut=len(rows) > SHOWN_ROWS,
        scope=scope, files=list(FileKind), Kind=Kind, tables=list(Report),
        tongue="zh" if visit.language is Language.CHINESE else "en",
    )  # fmt: skip


def _trial_balance(session: ReadSession, visit: Visit, scope: Scope) -> Table:
    lines = books.trial_balance(session, visit.site_id, scope.from_day, scope.through_day)
    return report_tables.balances_table(lines)


def _dishes(session: ReadSession, visit: Visit, scope: Scope) -> Table:
    until = scope.through_day + timedelta(days=1)
    return report_tables.dishes_table(menus.dishes_sold(session, visit.site_id, scope.from_day, until))


def _margins(session: ReadSession, visit: Visit, scope: Scope) -> Table:
    found = purchases.margins(session, visit.site_id, scope.from_day, scope.through_day)
    return report_tables.margins_table(found)


TABLES: Mapping[Report, Callable[[ReadSession, Visit, Scope], Table]] = {
    Report.TRIAL_BALANCE: _trial_balance,
    Report.DISHES: _dishes,
    Report.MARGINS: _margins,
}


def _scope(visit: Visit) -> Scope:
    """Read days and filters from the address; this month up to today where none are given."""
    asked, today = visit.request.query_params, _today(visit)
    days = []
    for name, default in (("from", today.replace(day=1)), ("through", today)):
        try:
            days.append(date.fromisoformat(asked[name]) if asked.get(name) else default)
        except ValueError as fault:
            raise HTTPException(404) from fault
    values = {name: asked[name][:64] for name in FILTERS if asked.get(name)}
    try:
        person = PersonId(UUID(values.pop("person"))) if "person" in values else None
    except ValueError as fault:
        raise HTTPException(404) from fault
    return Scope(days[0], days[1], person=person, **values)


def _dimensions(visit: Visit) -> tuple[Dimension, ...]:
    asked = visit.request.query_params.getlist("by")
    if not asked:
        return (Dimension.DAY,)
    offered = _offered(visit)
    return tuple(one for one in offered if one.value in asked) or (Dimension.DAY,)


def _offered(visit: Visit) -> list[Dimension]:
    """Return what reports can be told apart by; people by name only for who may see people."""
    return [one for one in Dimension if one is not Dimension.PERSON or visit.may(Permission.PEOPLE_READ)]


def _address(scope: Scope, dimensions: tuple[Dimension, ...], path: str = "/reports") -> str:
    pairs = [("from", scope.from_day.isoformat()), ("through", scope.through_day.isoformat())]
    pairs += [(name, str(value)) for name in FILTERS if (value := getattr(scope, name)) is not None]
    pairs += [("by", one.value) for one in dimensions]
    return f"{path}?{urlencode(pairs)}"


def _drill(scope: Scope, dimensions: tuple[Dimension, ...], row: SumRow, people: Mapping[str, str]) -> str:
    """Return the address of the charges behind one line; `people` are ids by number, which no address may hold."""
    pairs: dict[str, str] = {"from": scope.from_day.isoformat(), "through": scope.through_day.isoformat()}
    pairs |= {name: str(value) for name in FILTERS if (value := getattr(scope, name)) is not None}
    for dimension, label in zip(dimensions, row.labels, strict=True):
        match dimension:
            case Dimension.DAY:
                pairs |= {"from": label.key, "through": label.key}
            case Dimension.MONTH:
                first = date.fromisoformat(f"{label.key}-01")
                last = first.replace(day=monthrange(first.year, first.month)[1])
                if "day" not in dimensions:
                    pairs["from"] = max(first, scope.from_day).isoformat()
                    pairs["through"] = min(last, scope.through_day).isoformat()
            case Dimension.PERSON:
                pairs["person"] = people.get(label.key, "")
            case _:
                pairs[dimension.value] = label.key
    return "/reports/charges?" + urlencode(pairs)


async def _people(visit: Visit, dimensions: tuple[Dimension, ...], found: object) -> dict[str, str]:
    """Return the ids of the people on a page of sums, by number."""
    if Dimension.PERSON not in dimensions or not isinstance(found, SumsFound):
        return {}
    place = dimensions.index(Dimension.PERSON)
    numbers = [row.labels[place].key for row in found.page.rows]
    rows = await visit.read(lambda session: people_rows.by_numbers(session, visit.site_id, numbers))
    return {number: str(row["id"]) for number, row in rows.items()}


def _lists(session: ReadSession, visit: Visit) -> dict[str, list[tuple[str, str]]]:
    site, tongue = visit.site_id, "zh" if visit.language is Language.CHINESE else "en"

    def named(rows: object) -> list[tuple[str, str]]:
        return [(row["id"], row[f"name_{tongue}"]) for row in rows]  # type: ignore[attr-defined]

    return {
        "stall": named(canteen_rows.stall_rows(session, site)),
        "meal": named(canteen_rows.meal_rows(session, site)),
        "till": named(canteen_rows.till_rows(session, site)),
        "department": named(people_rows.department_rows(session, site)),
        "category": named(people_rows.category_rows(session, site)),
    }


def _name_of(visit: Visit, label: Label) -> str:
    return label.name_zh if visit.language is Language.CHINESE else label.name_en


def _today(visit: Visit) -> date:
    settings = visit.web.settings
    return site_time(visit.web.clock.now(), settings.zone, settings.day_starts_at).business_day
