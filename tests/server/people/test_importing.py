"""People from a sheet (A12): a dry run by row, headers in two languages, all or nothing, only what was looked at."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from cardcore.access.items import Product
from cardcore.ids import CategoryId, CredentialKey, SiteId
from server.database import Database, WriteSession
from server.people import importing, service
from server.people.import_rows import HEADERS, Known, RowProblem, Wanted, columns_of, wanted_of
from server.people.importing import ImportReport, RowReport, StaleReportError
from server.policy import service as policy
from server.subsidies.cells import Cell, CellKind, SheetRow
from server.system import System

HEADER = ("工号", "姓名", "人员类别", "部门", "卡号", "卡片标识", "卡类")
WANG = ("10001", "王小明", "职工", "财政局", "00000001", "uid:04a1b2c3", "一卡通")
LI = ("10002", "李红", "staff", "", "", "", "")


@pytest.fixture
def ready(database: Database, system: System, site: SiteId) -> SiteId:
    def write(session: WriteSession) -> None:
        service.put_category(session, system, site, CategoryId("staff"), service.Named("Staff", "职工"), "test")
        service.put_department(session, system, site, "d01", service.Named("Finance", "财政局"), "test")

    database.write(write)
    return site


def csv_of(*rows: Sequence[str], encoding: str = "utf-8-sig") -> bytes:
    return "\n".join(",".join(row) for row in rows).encode(encoding)


def xlsx_of(*rows: Sequence[object]) -> bytes:
    book, target = Workbook(), io.BytesIO()
    sheet = book.active
    assert sheet is not None
    for row in rows:
        sheet.append(list(row))
    book.save(target)
    return target.getvalue()


def look(database: Database, site: SiteId, content: bytes) -> ImportReport:
    return database.read(lambda session: importing.dry_run(session, site, content))


def do(database: Database, system: System, site: SiteId, content: bytes, seal: str) -> ImportReport:
    return database.write(lambda session: importing.import_people(session, system, site, content, seal, "test"))


def people_of(database: Database, site: SiteId) -> list[tuple[str, str, str]]:
    rows = database.read(lambda session: service.search(session, site, "", 1)).rows
    return sorted((row["number"], row["name"], row["department_id"] or "") for row in rows)


@pytest.mark.parametrize(
    "content",
    [
        csv_of(HEADER, WANG, LI),
        csv_of(HEADER, WANG, LI, encoding="gb18030"),
        xlsx_of(HEADER, WANG, LI),
        xlsx_of(HEADER, (10001, *WANG[1:]), (10002, "李红", "staff")),
    ],
    ids=["utf-8", "gb18030", "xlsx", "xlsx with numbers"],
)
def test_a12_a_sheet_becomes_people_and_cards(
    database: Database, system: System, ready: SiteId, content: bytes
) -> None:
    report = look(database, ready, content)
    assert report.counts == {"create": 2}
    assert people_of(database, ready) == []
    assert do(database, system, ready, content, report.seal).counts == {"create": 2}
    assert people_of(database, ready) == [("10001", "王小明", "d01"), ("10002", "李红", "")]
    item = database.read(lambda session: policy.load_snapshot(session, ready)).card(CredentialKey("uid:04a1b2c3"))
    assert item is not None
    assert item.product is Product.COMBINED


def test_a_second_run_changes_only_what_is_different(database: Database, system: System, ready: SiteId) -> None:
    first = csv_of(HEADER[:4], WANG[:4], LI[:4])
    do(database, system, ready, first, look(database, ready, first).seal)
    again = look(database, ready, first)
    assert again.counts == {"same": 2}
    moved = csv_of(HEADER[:4], ("10001", "王小明", "职工", ""), LI[:4], ("10003", "赵六", "职工", "财政局"))
    report = look(database, ready, moved)
    assert [(row.number, row.action) for row in report.rows] == [
        ("10001", "change"), ("10002", "same"), ("10003", "create"),
    ]  # fmt: skip
    do(database, system, ready, moved, report.seal)
    assert people_of(database, ready)[0] == ("10001", "王小明", "")


@pytest.mark.parametrize(
    ("row", "column", "problem"),
    [
        (("", "王", "职工"), "number", "missing"),
        (("1", "", "职工"), "name", "missing"),
        (("1", "王", "老板"), "category", "unknown"),
        (("1", "王", "职工", "无此部门"), "department", "unknown"),
        (("1" * 41, "王", "职工"), "number", "too_long"),
        (("1", "王" * 101, "职工"), "name", "too_long"),
        (("1", "王", "职工", "", "5", "", ""), "credential", "incomplete"),
        (("1", "王", "职工", "", "5", "uid:xyz", ""), "credential", "unreadable"),
        (("1", "王", "职工", "", "5", "uid:04a1b2c4", "金卡"), "product", "unknown"),
        (("10001", "王", "职工"), "number", "twice"),
        (("1", "王", "职工", "", "00000001", "uid:04a1b2c4", ""), "card", "twice"),
        (("1", "王", "职工", "", "5", "uid:04a1b2c3", ""), "credential", "twice"),
    ],
)
def test_one_wrong_row_is_named_and_nothing_is_done(
    database: Database, system: System, ready: SiteId, row: tuple[str, ...], column: str, problem: str
) -> None:
    content = csv_of(HEADER, WANG, row)
    report = look(database, ready, content)
    wrong = [(one.row, one.column, one.problem) for one in report.rows if one.action == "refused"]
    assert wrong == [(3, column, problem)]
    assert (report.refused, report.seal) == (1, "")
    with pytest.raises(StaleReportError):
        do(database, system, ready, content, report.seal)
    assert people_of(database, ready) == []


def test_a_formula_is_not_believed(database: Database, ready: SiteId) -> None:
    report = look(database, ready, xlsx_of(HEADER[:3], ("10001", "=A1", "职工")))
    assert report.rows == (RowReport(2, "", "refused", "name", "formula", "=A1"),)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "empty"),
        (csv_of(HEADER), "empty"),
        (csv_of(("甲", "乙"), ("1", "2")), "no_header"),
        (csv_of(("工号", "姓名"), ("1", "王")), "missing_column:category"),
        (csv_of(("工号", "number", "姓名", "类别"), ("1", "1", "王", "职工")), "same_header_twice"),
        (b"PK\x03\x04 and nothing more", "broken"),
        (b"x" * (5 * 1024 * 1024 + 1), "too_large"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(database: Database, ready: SiteId, content: bytes, problem: str) -> None:
    assert look(database, ready, content).file_problem == problem


def test_what_was_not_looked_at_is_not_done(database: Database, system: System, ready: SiteId) -> None:
    content = csv_of(HEADER[:3], WANG[:3])
    seal = look(database, ready, content).seal
    with pytest.raises(StaleReportError):
        do(database, system, ready, csv_of(HEADER[:3], WANG[:3], LI[:3]), seal)
    do(database, system, ready, content, seal)
    with pytest.raises(StaleReportError):  # the same file again would now do something else
        do(database, system, ready, content, seal)


KNOWN = Known({"staff": "staff", "职工": "staff"}, {"d01": "d01"})
COLUMNS = {column: at for at, column in enumerate(HEADERS)}
CELLS = st.builds(Cell, st.sampled_from(CellKind), st.text(max_size=120))


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(CELLS, max_size=10))
def test_any_row_ends_in_a_person_or_a_named_problem(cells: list[Cell]) -> None:
    outcome = wanted_of(SheetRow(7, tuple(cells)), COLUMNS, KNOWN)
    assert outcome.row == 7
    if isinstance(outcome, RowProblem):
        assert outcome.column in HEADERS
    else:
        assert isinstance(outcome, Wanted)
        assert outcome.number
        assert outcome.name


def test_every_header_is_known_in_both_languages_and_means_one_column() -> None:
    names = [name for aliases in HEADERS.values() for name in aliases]
    assert len(set(names)) == len(names)
    for column, aliases in HEADERS.items():
        for alias in aliases:
            header = SheetRow(1, tuple(Cell(CellKind.TEXT, text) for text in (alias.upper(), *_others(column))))
            places = columns_of(header)
            assert isinstance(places, dict)
            assert places[column] == 0


def _others(column: str) -> list[str]:
    return [name for name in ("number", "name", "category") if name != column]
