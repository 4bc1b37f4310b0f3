"""Reading sheets: headings in any order, numbers that keep their digits, and every bad input named with its row."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardcore.money import Fen, yuan_text
from server.subsidies import cells
from server.subsidies.cells import SheetProblem, Unreadable, read_sheet
from server.subsidies.columns import Field, Line, Lines, Mistake, RowMistake, read_lines
from tests.server.subsidies.sheets import Row, csv, xlsx

HEADINGS = ("工号", "姓名", "补贴金额(元)")
ID = "110101199003078534"
GOOD = xlsx([HEADINGS, ("1", "王", 5), ("2", "", 7.25)])


def read(content: bytes, wanted: Field = Field.AMOUNT) -> Lines | Unreadable:
    rows = read_sheet(content)
    return rows if isinstance(rows, Unreadable) else read_lines(rows, wanted)


def mistakes(*rows: Row) -> list[tuple[int, Field, Mistake]]:
    found = read(xlsx([HEADINGS, *rows]))
    assert isinstance(found, Lines)
    return [(one.row, one.field, one.mistake) for one in found.mistakes]


def test_c27_chinese_headings_in_any_order_below_a_title() -> None:
    content = xlsx(
        [("九月饭补",), ("备注", "补贴金额(元)", "姓名", "工号"), ("", "300", "王小明", ID), ("", 12.5, "", 10002)]
    )
    found = read(content)
    assert isinstance(found, Lines)
    assert found.mistakes == ()
    assert found.lines == (Line(3, ID, Fen(30_000), "王小明"), Line(4, "10002", Fen(1_250)))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "gbk"])
def test_c40_a_csv_of_either_encoding(encoding: str) -> None:
    found = read(csv([("流水号", "工号", "金额"), ("B1", ID, "1234.56"), ("合计", "", "1234.56")], encoding))
    assert isinstance(found, Lines)
    assert found.lines == (Line(2, ID, Fen(123_456), "", "B1"),)
    assert found.stated_total == 123_456


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "big5", "shift_jis"])
def test_c40_an_unknown_encoding_is_refused(encoding: str) -> None:
    rows = [("工號", "姓名", "金額"), ("10001", "大衛", "1"), ("10002", "小龍", "2")]
    found = read(csv(rows, encoding))
    assert isinstance(found, Unreadable)
    assert found.problem in {SheetProblem.UNKNOWN_ENCODING, SheetProblem.NO_HEADER}


class TestRows:
    def test_an_18_digit_number_kept_as_a_number_has_lost_digits(self) -> None:
        assert mistakes((110101199003078534, "", 1)) == [(2, Field.NUMBER, Mistake.NUMBER_LOST_DIGITS)]
        assert mistakes((1.5, "", 1)) == [(2, Field.NUMBER, Mistake.NUMBER_LOST_DIGITS)]

    def test_formulas_are_refused_wherever_they_stand(self) -> None:
        assert mistakes(("1", "", "=SUM(A1:A2)"), ("=A1", "", 5), ("3", "=B1", 5)) == [
            (2, Field.AMOUNT, Mistake.FORMULA),
            (3, Field.NUMBER, Mistake.FORMULA),
            (4, Field.NAME, Mistake.FORMULA),
        ]

    def test_duplicates_are_named_at_the_second(self) -> None:
        assert mistakes(("1", "", 1), ("2", "", 1), ("1", "", 2)) == [(4, Field.NUMBER, Mistake.NUMBER_TWICE)]

    @pytest.mark.parametrize(
        ("amount", "mistake"),
        [
            (0, Mistake.AMOUNT_OUT_OF_RANGE),
            (-5, Mistake.AMOUNT_OUT_OF_RANGE),
            (12.345, Mistake.AMOUNT_UNREADABLE),
            (0.123456789, Mistake.AMOUNT_UNREADABLE),
            (1_000_000.01, Mistake.AMOUNT_UNREADABLE),
            (1e20, Mistake.AMOUNT_UNREADABLE),
            ("很多", Mistake.AMOUNT_UNREADABLE),
            (True, Mistake.AMOUNT_UNREADABLE),
            (None, Mistake.AMOUNT_MISSING),
        ],
    )
    def test_an_amount_that_is_none(self, amount: object, mistake: Mistake) -> None:
        assert mistakes(("1", "", amount)) == [(2, Field.AMOUNT, mistake)]

    def test_a_missing_number(self) -> None:
        assert mistakes(("", "王", 5)) == [(2, Field.NUMBER, Mistake.NUMBER_MISSING)]

    def test_a_total_line_must_be_the_sum(self) -> None:
        assert mistakes(("1", "", 5), ("2", "", 6), ("合计", "", 11)) == []
        assert mistakes(("1", "", 5), ("2", "", 6), ("合计", "", 12)) == [(4, Field.AMOUNT, Mistake.TOTAL_DIFFERS)]

    def test_one_who_paid_twice_needs_the_banks_references(self) -> None:
        head = ("流水号", "工号", "金额")
        twice = read(xlsx([head, ("B1", "1", 5), ("B2", "1", 6)]))
        assert isinstance(twice, Lines)
        assert twice.mistakes == ()
        again = read(xlsx([head, ("B1", "1", 5), ("B1", "2", 6)]))
        assert isinstance(again, Lines)
        assert again.mistakes == (RowMistake(3, Field.REFERENCE, Mistake.REFERENCE_TWICE, "B1"),)


class TestFiles:
    def test_merged_cells_are_refused_with_their_row(self) -> None:
        content = xlsx([HEADINGS, ("1", "", 5), ("2", "", 5)], lambda sheet: sheet.merge_cells("C2:C3"))
        assert read(content) == Unreadable(SheetProblem.MERGED_CELLS, 2)

    def test_two_sheets_with_content_are_refused(self) -> None:
        def second(sheet: Any) -> None:  # noqa: ANN401 - openpyxl's worksheet
            sheet.parent.create_sheet("2").append(["x"])

        assert read(xlsx([HEADINGS, ("1", "", 5)], second)) == Unreadable(SheetProblem.SEVERAL_SHEETS)
        empty = xlsx([HEADINGS, ("1", "", 5)], lambda sheet: sheet.parent.create_sheet("2"))
        assert isinstance(read(empty), Lines)

    def test_headings_twice_or_not_at_all(self) -> None:
        assert read(xlsx([("工号", "金额", "金额"), ("1", 2, 3)])) == Unreadable(SheetProblem.SAME_HEADER_TWICE, 1)
        assert read(xlsx([("谁", "多少"), ("1", 2)])) == Unreadable(SheetProblem.NO_HEADER)

    def test_too_many_rows_and_columns(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cells, "MAX_ROWS", 3)
        assert read(xlsx([HEADINGS, ("1", "", 1), ("2", "", 1), ("3", "", 1)])) == Unreadable(
            SheetProblem.TOO_MANY_ROWS, 4
        )
        assert read(csv([[f"c{n}" for n in range(41)]])) == Unreadable(SheetProblem.TOO_MANY_COLUMNS, 1)

    def test_a_zip_bomb_an_old_excel_file_and_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        good = xlsx([HEADINGS, ("1", "", 5)])
        monkeypatch.setattr(cells, "MAX_UNPACKED_BYTES", 1_000)
        assert read(good) == Unreadable(SheetProblem.TOO_LARGE)
        assert read(b"\xd0\xcf\x11\xe0 old") == Unreadable(SheetProblem.OLD_EXCEL)
        assert read(b" \r\n") == Unreadable(SheetProblem.EMPTY)
        assert read(b"x" * (cells.MAX_SHEET_BYTES + 1)) == Unreadable(SheetProblem.TOO_LARGE)

    def test_entities_are_not_expanded(self) -> None:
        good = xlsx([HEADINGS, ("1", "", 5)])
        bad = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(good)) as source, zipfile.ZipFile(bad, "w") as target:
            for name in source.namelist():
                part = source.read(name)
                if name.startswith("xl/worksheets/"):
                    part = b'<!DOCTYPE a [<!ENTITY b "c">]>' + part
                target.writestr(name, part)
        assert read(bad.getvalue()) == Unreadable(SheetProblem.BROKEN)

    @given(st.data())
    def test_a_damaged_file_is_refused_or_read_never_a_fault(self, data: st.DataObject) -> None:
        content = bytearray(GOOD)
        for _ in range(data.draw(st.integers(1, 4))):
            content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
        assert isinstance(read(bytes(content)), Lines | Unreadable)

    @given(st.binary(max_size=400))
    def test_any_bytes_are_refused_or_read_never_a_fault(self, content: bytes) -> None:
        assert isinstance(read(content), Lines | Unreadable)


@given(st.integers(1, 100_000_000))
def test_c78_every_amount_survives_the_spreadsheet(fen: int) -> None:
    """Numbers of a spreadsheet are floats: each amount of two decimals comes back to the fen."""
    text = cells.CellKind.NUMBER
    shortest = repr(float(yuan_text(Fen(fen)))).removesuffix(".0")
    rows = (
        cells.SheetRow(1, tuple(cells.Cell(cells.CellKind.TEXT, title) for title in ("工号", "金额"))),
        cells.SheetRow(2, (cells.Cell(cells.CellKind.TEXT, "1"), cells.Cell(text, shortest))),
    )
    found = read_lines(rows, Field.AMOUNT)
    assert isinstance(found, Lines)
    assert found.total == fen


def test_meals_are_whole_numbers() -> None:
    found = read(xlsx([("工号", "次数"), ("1", 20), ("2", 1.5), ("3", 1001), ("4", "7")]), Field.MEALS)
    assert isinstance(found, Lines)
    assert [line.amount for line in found.lines] == [20, 7]
    assert [(one.row, one.mistake) for one in found.mistakes] == [
        (3, Mistake.AMOUNT_UNREADABLE), (4, Mistake.AMOUNT_OUT_OF_RANGE),
    ]  # fmt: skip
