"""Tables as files: fixed columns, control totals, nothing that a spreadsheet would run, the same bytes every time."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardcore.money import Fen, yuan_text
from server.exports.csv_file import BOM, csv_bytes
from server.exports.table import Column, Kind, Table, harmless
from server.exports.xlsx_file import write_xlsx

COLUMNS = (
    Column("name", Kind.TEXT, "Name", "姓名"),
    Column("meals", Kind.COUNT, "Meals", "人次"),
    Column("amount", Kind.FEN, "Amount", "金额"),
    Column("balance", Kind.FEN, "Balance", "余额", adds_up=False),
)
ROWS = (("李伟", 2, 2400, 100), ("=cmd|'/c calc'!A1", 1, -5, 95), ("", 0, None, None))


def table(rows: object = ROWS) -> Table:
    return Table("meals", COLUMNS, rows)  # type: ignore[arg-type]


def read_csv(content: bytes) -> list[list[str]]:
    assert content.startswith(BOM)
    return list(csv.reader(io.StringIO(content[len(BOM) :].decode(), newline="")))


def test_c74_csv_has_fixed_columns_and_a_control_total() -> None:
    header, first, second, third, control = read_csv(b"".join(csv_bytes(table(), "zh")))
    assert header == ["姓名", "人次", "金额", "余额"]
    assert first == ["李伟", "2", "24.00", "1.00"]
    assert second == ["'=cmd|'/c calc'!A1", "1", "-0.05", "0.95"]
    assert third == ["", "0", "", ""]
    assert control == ["control_total 3", "3", "23.95", ""]


def test_c74_xlsx_has_the_same_rows_and_whole_fen(tmp_path: Path) -> None:
    write_xlsx(table(), tmp_path / "a.xlsx", "en")
    rows = list(openpyxl.load_workbook(tmp_path / "a.xlsx").active.iter_rows(values_only=True))  # type: ignore[union-attr]
    assert rows[0] == ("Name", "Meals", "Amount", "Amount (fen)", "Balance", "Balance (fen)")
    assert rows[1] == ("李伟", 2, "24.00", 2400, "1.00", 100)
    assert rows[2][0] == "'=cmd|'/c calc'!A1"
    assert rows[4][:4] == ("control_total 3", 3, "23.95", 2395)


def test_a_repeat_is_byte_identical(tmp_path: Path) -> None:
    assert b"".join(csv_bytes(table(), "zh")) == b"".join(csv_bytes(table(), "zh"))
    for name in ("a.xlsx", "b.xlsx"):
        write_xlsx(table(), tmp_path / name, "zh")
    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "b.xlsx").read_bytes()


def test_rows_are_walked_and_not_held() -> None:
    drawn = 0

    def rows() -> Iterator[tuple[str, int, int, int]]:
        nonlocal drawn
        for number in range(1000):
            drawn += 1
            yield (str(number), 1, 1, 1)

    pieces = csv_bytes(table(rows()), "en")
    next(pieces)
    next(pieces)
    assert drawn == 1


def test_a_row_of_another_width_is_an_error() -> None:
    with pytest.raises(ValueError, match="row 1: 2 values for 4 columns"):
        list(csv_bytes(table([("a", 1)]), "en"))


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\u3000=1", "＝1"])
def test_formulas_are_made_harmless(text: str) -> None:
    assert harmless(text) == f"'{text}"


@given(st.text())
def test_no_text_begins_like_a_formula(text: str) -> None:
    assert harmless(text).strip(" \u3000")[:1] not in {"=", "+", "-", "@"}


@given(st.lists(st.integers(-(10**10), 10**10), max_size=20))
def test_the_control_total_is_the_sum(amounts: list[int]) -> None:
    content = b"".join(csv_bytes(table(("x", 1, amount, 0) for amount in amounts), "en"))
    assert read_csv(content)[-1] == [
        f"control_total {len(amounts)}",
        str(len(amounts)),
        yuan_text(Fen(sum(amounts))),
        "",
    ]
