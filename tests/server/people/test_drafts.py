"""A sheet whose columns a person assigns: guessed, corrected, dry run, imported; and the letters of Chinese names."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cardcore.ids import CategoryId, SiteId
from server.database import Database, WriteSession
from server.people import drafts, importing, service
from server.people.drafts import DraftId
from server.people.initials import initials_of
from server.staff.roles import Role
from server.subsidies.cells import SheetProblem
from server.system import System
from tests.server.conftest import Hire, StillClock

SHEET = "编号,全名,身份,备注\n10001,王小明,职工,甲\n10002,李红,职工,乙\n".encode("utf-8-sig")


@pytest.mark.parametrize(
    ("name", "letters"),
    [("王小明", "wxm"), ("欧阳 娜娜", "oynn"), ("Anna Lee", "al"), ("！", ""), ("王" * 40, "w" * 20)],
)
def test_initials_are_the_first_letters_of_the_pinyin(name: str, letters: str) -> None:
    assert initials_of(name) == letters


def test_columns_are_guessed_corrected_and_imported(
    database: Database, system: System, site: SiteId, hire: Hire, clock: StillClock
) -> None:
    who, _ = hire(Role.ISSUER)
    other, _ = hire(Role.ISSUER)

    def keep(session: WriteSession) -> DraftId | SheetProblem:
        service.put_category(session, system, site, CategoryId("staff"), service.Named("Staff", "职工"), "test")
        return drafts.keep(session, system, site, who, "人员.csv", SHEET)

    kept = database.write(keep)
    assert not isinstance(kept, SheetProblem)
    draft = database.read(lambda session: drafts.get(session, site, kept, who))
    assert draft is not None
    assert (draft.headers, draft.guessed, draft.rows) == (
        ("编号", "全名", "身份", "备注"),
        {"number": 0, "category": 2},
        2,
    )
    assert database.read(lambda session: drafts.get(session, site, kept, other)) is None

    guessed = database.read(lambda session: importing.dry_run(session, site, SHEET, draft.guessed))
    assert guessed.file_problem == "missing_column:name"
    twice = database.read(lambda session: importing.dry_run(session, site, SHEET, {**draft.guessed, "name": 0}))
    assert twice.file_problem == "column_twice:number"
    right = {**draft.guessed, "name": 1}
    report = database.read(lambda session: importing.dry_run(session, site, SHEET, right))
    assert report.counts == {"create": 2}
    database.write(lambda session: importing.import_people(session, system, site, SHEET, report.seal, "test", right))
    found = database.read(lambda session: service.search(session, site, "wxm", 1))
    assert [row["number"] for row in found.rows] == ["10001"]

    clock.forward(seconds=(drafts.LIFE + timedelta(seconds=1)).total_seconds())
    database.write(lambda session: drafts.keep(session, system, site, who, "b.csv", SHEET))
    assert database.read(lambda session: drafts.get(session, site, kept, who)) is None


def test_a_file_that_is_no_sheet_is_not_kept(database: Database, system: System, site: SiteId, hire: Hire) -> None:
    who, _ = hire(Role.ISSUER)
    kept = database.write(lambda session: drafts.keep(session, system, site, who, "a", b"\xd0\xcf\x11\xe0old"))
    assert kept is SheetProblem.OLD_EXCEL
