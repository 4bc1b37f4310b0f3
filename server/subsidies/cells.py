"""Reading a sheet into cells: XLSX and CSV, within limits, nothing guessed.

What a spreadsheet knows only as a number is kept as the number's own text, so that no amount is ever a float here.
"""

from __future__ import annotations

import csv
import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, iterparse
from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException

MAX_SHEET_BYTES = 5 * 1024 * 1024
MAX_UNPACKED_BYTES = 64 * 1024 * 1024
MAX_PARTS = 200
"""Files inside an XLSX."""
MAX_ROWS = 20_000
MAX_COLUMNS = 40
MAX_CELL_CHARACTERS = 200
_XLSX_MAGIC = b"PK\x03\x04"
_XLS_MAGIC = b"\xd0\xcf\x11\xe0"
_OTHER_BOMS = (b"\xff\xfe", b"\xfe\xff")
CHINESE = "gb18030"
DAMAGED = (
    ArithmeticError, AttributeError, DefusedXmlException, EOFError, InvalidFileException, LookupError,
    NotImplementedError, OSError, ParseError, RuntimeError, TypeError, ValueError, struct.error, zipfile.BadZipFile,
    zlib.error,
)  # fmt: skip
"""What the libraries make of a damaged file."""


class SheetProblem(StrEnum):
    """Why a file as a whole cannot be read."""

    TOO_LARGE = "too_large"
    EMPTY = "empty"
    OLD_EXCEL = "old_excel"
    BROKEN = "broken"
    UNKNOWN_ENCODING = "unknown_encoding"
    SEVERAL_SHEETS = "several_sheets"
    TOO_MANY_ROWS = "too_many_rows"
    TOO_MANY_COLUMNS = "too_many_columns"
    MERGED_CELLS = "merged_cells"
    NO_HEADER = "no_header"
    SAME_HEADER_TWICE = "same_header_twice"


class CellKind(StrEnum):
    """What a cell holds; `OTHER` is a date, a truth value or an error."""

    EMPTY = "empty"
    TEXT = "text"
    NUMBER = "number"
    FORMULA = "formula"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell; a number's text is its shortest exact form."""

    kind: CellKind
    text: str


@dataclass(frozen=True, slots=True)
class SheetRow:
    """One row as the spreadsheet numbers it, from 1."""

    number: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file that is refused, and where if that is known."""

    problem: SheetProblem
    row: int = 0


EMPTY = Cell(CellKind.EMPTY, "")


def read_sheet(content: bytes) -> tuple[SheetRow, ...] | Unreadable:
    """Read an XLSX or CSV file; which of the two is told by its first bytes."""
    if not content.strip():
        return Unreadable(SheetProblem.EMPTY)
    if len(content) > MAX_SHEET_BYTES:
        return Unreadable(SheetProblem.TOO_LARGE)
    if content.startswith(_XLS_MAGIC):
        return Unreadable(SheetProblem.OLD_EXCEL)
    rows = _read_xlsx(content) if content.startswith(_XLSX_MAGIC) else _read_csv(content)
    if not isinstance(rows, Unreadable) and not rows:
        return Unreadable(SheetProblem.EMPTY)
    return rows


# --- CSV -----------------------------------------------------------------------------------------------------


def _read_csv(content: bytes) -> tuple[SheetRow, ...] | Unreadable:
    text = decode_strictly(content)
    if text is None:
        return Unreadable(SheetProblem.UNKNOWN_ENCODING)
    rows: list[SheetRow] = []
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for values in reader:
            cells = tuple(Cell(CellKind.TEXT, value.strip()) if value.strip() else EMPTY for value in values)
            problem = _row_problem(rows, cells)
            if problem is not None:
                return Unreadable(problem, reader.line_num)
            if any(cell.kind is not CellKind.EMPTY for cell in cells):
                rows.append(SheetRow(reader.line_num, cells))
    except csv.Error:
        return Unreadable(SheetProblem.BROKEN, reader.line_num)
    return tuple(rows)


def decode_strictly(content: bytes) -> str | None:
    """Decode UTF-8 or else GB18030, each without a single doubtful byte; None for anything else."""
    if content.startswith(_OTHER_BOMS) or b"\x00" in content:
        return None
    for encoding in ("utf-8-sig", CHINESE):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        # Most byte strings are *some* GB18030: what decodes to private characters was something else.
        return None if any("\ue000" <= sign <= "\uf8ff" for sign in text) else text
    return None


# --- XLSX ----------------------------------------------------------------------------------------------------


def _read_xlsx(content: bytes) -> tuple[SheetRow, ...] | Unreadable:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            refused = _unsafe(archive) or _merged(archive)
        if refused is not None:
            return refused
        book = load_workbook(io.BytesIO(content), read_only=True, data_only=False, keep_links=False)
        return _sheet_rows(book)
    except DAMAGED:
        return Unreadable(SheetProblem.BROKEN)


def _unsafe(archive: zipfile.ZipFile) -> Unreadable | None:
    parts = archive.infolist()
    if len(parts) > MAX_PARTS or sum(part.file_size for part in parts) > MAX_UNPACKED_BYTES:
        return Unreadable(SheetProblem.TOO_LARGE)
    return None


def _merged(archive: zipfile.ZipFile) -> Unreadable | None:
    """Find a merged cell: reading only the first of them would give rows without a number or an amount."""
    for part in archive.namelist():
        if not part.startswith("xl/worksheets/") or not part.endswith(".xml"):
            continue
        with archive.open(part) as file:
            for _, element in iterparse(file, forbid_dtd=True):
                name = str(element.tag).rpartition("}")[2]
                if name == "mergeCell":
                    first = element.get("ref", "").partition(":")[0]
                    return Unreadable(SheetProblem.MERGED_CELLS, int("".join(filter(str.isdigit, first)) or 0))
                if name == "row":
                    element.clear()
    return None


def _sheet_rows(book: Any) -> tuple[SheetRow, ...] | Unreadable:  # noqa: ANN401 - openpyxl's stubs know no read-only book
    found: tuple[SheetRow, ...] = ()
    for sheet in book.worksheets:
        rows: list[SheetRow] = []
        for number, cells in _numbered(sheet):
            problem = _row_problem(rows, cells)
            if problem is not None:
                return Unreadable(problem, number)
            if any(cell.kind is not CellKind.EMPTY for cell in cells):
                rows.append(SheetRow(number, cells))
        if rows and found:
            return Unreadable(SheetProblem.SEVERAL_SHEETS)
        found = tuple(rows) or found
    return found


def _numbered(sheet: Any) -> Iterator[tuple[int, tuple[Cell, ...]]]:  # noqa: ANN401 - the same
    sheet.reset_dimensions()  # what the file says of its own size is not believed
    for number, row in enumerate(sheet.iter_rows(), 1):
        cells = [_cell(cell) for cell in row[: MAX_COLUMNS + 1]]
        while cells and cells[-1].kind is CellKind.EMPTY:
            cells.pop()
        yield number, tuple(cells)


def _cell(cell: Any) -> Cell:  # noqa: ANN401 - the same
    value = cell.value
    if value is None or (isinstance(value, str) and not value.strip()):
        return EMPTY
    if cell.data_type == "f":
        return Cell(CellKind.FORMULA, str(value))
    if isinstance(value, str):
        return Cell(CellKind.TEXT, value.strip())
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Cell(CellKind.NUMBER, repr(value).removesuffix(".0"))
    return Cell(CellKind.OTHER, str(value))


def _row_problem(rows: list[SheetRow], cells: tuple[Cell, ...]) -> SheetProblem | None:
    if len(rows) >= MAX_ROWS:
        return SheetProblem.TOO_MANY_ROWS
    if len(cells) > MAX_COLUMNS:
        return SheetProblem.TOO_MANY_COLUMNS
    return None
