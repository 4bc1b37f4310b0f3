"""XLSX: one worksheet written row by row in constant memory; the same rows give the same bytes (C74).

Money stands twice: as text with two decimals, made from the integer like everywhere, and as a whole number of fen that
a spreadsheet can add without rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import xlsxwriter
from xlsxwriter.worksheet import Worksheet

from server.exports.table import Column, Control, Kind, Table, Value, cell

CREATED = datetime(2000, 1, 1, tzinfo=UTC)
"""A workbook says when it was made; ours says the same always, so that a repeat is byte-identical."""
MAX_SHEET_NAME = 31
"""Characters of a worksheet's name."""
MAX_CELL = 32_767
"""Characters of a cell."""
_OPTIONS = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}


def write_xlsx(table: Table, path: Path, language: str) -> None:
    """Write the workbook to a path; `language` (`zh` or `en`) is that of the header."""
    control = Control(table.columns)
    with xlsxwriter.Workbook(str(path), _OPTIONS) as book:
        book.set_properties({"created": CREATED, "title": table.name, "author": "", "comments": ""})
        sheet = book.add_worksheet(table.name[:MAX_SHEET_NAME])
        sheet.freeze_panes(1, 0)
        _write(sheet, 0, _header(table, language))
        for number, row in enumerate(control.watch(table.rows), 1):
            _write(sheet, number, _cells(table.columns, row))
        _write(sheet, control.rows + 1, _control(table, control))


def _header(table: Table, language: str) -> list[str | int]:
    titles: list[str | int] = []
    for column in table.columns:
        titles.append(column.title(language))
        if column.kind is Kind.FEN:
            titles.append(f"{column.title(language)} ({'分' if language == 'zh' else 'fen'})")
    return titles


def _cells(columns: Sequence[Column], row: Sequence[Value]) -> list[str | int]:
    cells: list[str | int] = []
    for column, value in zip(columns, row, strict=True):
        cells.extend(_cell(column, value))
    return cells


def _cell(column: Column, value: Value) -> list[str | int]:
    text = cell(column, value)[:MAX_CELL]
    match column.kind:
        case Kind.FEN:
            return [text, int(value) if value is not None else ""]
        case Kind.COUNT:
            return [int(value) if value is not None else ""]
        case _:
            return [text]


def _control(table: Table, control: Control) -> list[str | int]:
    sums = [value if column.is_summed else None for column, value in zip(table.columns, control.sums, strict=True)]
    cells = _cells(table.columns, sums)
    if not table.columns[0].is_summed:
        cells[0] = control.line()[0]
    return cells


def _write(sheet: Worksheet, number: int, cells: list[str | int]) -> None:
    for index, value in enumerate(cells):
        if isinstance(value, int):
            sheet.write_number(number, index, value)
        elif value:
            sheet.write_string(number, index, value)
