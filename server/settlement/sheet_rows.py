"""Rows of a spreadsheet by the words in its header, for files that finance brings: purchases, bank statements."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from cardcore.money import Fen, parse_yuan
from server.subsidies.cells import Cell, CellKind, SheetRow, Unreadable, read_sheet

MAX_TEXT = 200
"""Characters of a cell that is kept."""
MAX_PROBLEMS = 50
"""Problems named before a file is given up."""

_FILE_PROBLEMS = {
    "unknown_encoding": "the file is neither UTF-8 nor GBK; save it as CSV UTF-8",
    "too_large": "the file is too large; split it",
    "too_many_rows": "the file has too many rows; split it",
    "merged_cells": "there are merged cells; take them apart",
    "old_excel": "this is an old .xls file; save it as .xlsx",
    "empty": "the file is empty",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a file was refused: the row in it (1 = the first), the column, what to do."""

    row: int
    column: str
    message: str


@dataclass(frozen=True, slots=True)
class Headed:
    """One row under its header; a column that the file does not have is an empty text."""

    row: int
    values: Mapping[str, str]

    def text(self, column: str, *, needed: bool = True) -> str:
        """Return a text of 1 to MAX_TEXT characters. Raises ValueError in words."""
        text = self.values[column]
        if len(text) > MAX_TEXT or (needed and not text):
            msg = f"1 to {MAX_TEXT} characters are needed"
            raise ValueError(msg)
        return text

    def day(self, column: str) -> date:
        """Return a date, of a text or of a spreadsheet's own. Raises ValueError in words."""
        text = self.values[column]
        try:
            return date.fromisoformat(text[:10].replace("/", "-"))
        except ValueError:
            msg = f"{text!r} is no date: write it as 2026-03-04"
            raise ValueError(msg) from None

    def amount(self, column: str) -> Fen:
        """Return an amount of yuan. Raises ValueError in words."""
        return parse_yuan(self.values[column].replace(",", ""))


Headers = Mapping[str, tuple[str, ...]]


def headed_rows(content: bytes, headers: Headers, optional: frozenset[str]) -> list[Headed] | Problem:
    """Return the rows under the first row, which must name every column but the optional ones, in any order."""
    rows = read_sheet(content)
    if isinstance(rows, Unreadable):
        return Problem(rows.row or 1, "", _FILE_PROBLEMS.get(rows.problem, rows.problem.replace("_", " ")))
    columns = _columns(rows[0], headers, optional)
    if isinstance(columns, Problem):
        return columns
    found: list[Headed] = []
    for row in rows[1:]:
        values: dict[str, str] = {}
        for name in headers:
            cell = row.cells[columns[name]] if name in columns and columns[name] < len(row.cells) else None
            if cell is not None and cell.kind is CellKind.FORMULA:
                return Problem(row.number, name, "a formula stands here; paste its value")
            values[name] = cell.text.strip() if cell is not None else ""
        found.append(Headed(row.number, values))
    return found


def _columns(row: SheetRow, headers: Headers, optional: frozenset[str]) -> dict[str, int] | Problem:
    columns: dict[str, int] = {}
    for name, words in headers.items():
        at = list(_named(row.cells, words))
        if len(at) > 1 or (not at and name not in optional):
            return Problem(row.number, name, f"the header needs one column named {' or '.join(words)}")
        if at:
            columns[name] = at[0]
    return columns


def _named(cells: Sequence[Cell], words: tuple[str, ...]) -> Iterator[int]:
    return (index for index, cell in enumerate(cells) if cell.text.strip().lower() in words)
