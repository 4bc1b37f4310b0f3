"""From cells to lines: which column is which by its heading, in any order, and what is wrong in which row.

A line is a personnel number, an amount, perhaps a name to compare and a reference. Every mistake is named with its
row; one is enough to refuse the file, and all are listed up to `MAX_MISTAKES`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from cardcore.money import MAX_AMOUNT_FEN, Fen, parse_yuan
from server.subsidies.cells import (
    EMPTY,
    MAX_CELL_CHARACTERS,
    Cell,
    CellKind,
    SheetProblem,
    SheetRow,
    Unreadable,
)

MAX_HEADING_ROWS = 10
"""A title may stand above the headings, not more."""
MAX_MISTAKES = 200
MAX_MEALS = 1_000
"""Meals of one line."""
MAX_EXACT_DIGITS = 15
"""A spreadsheet's number keeps no more digits; a longer personnel number must be text."""


class Field(StrEnum):
    """What a column means."""

    NUMBER = "number"
    NAME = "name"
    AMOUNT = "amount"
    MEALS = "meals"
    REFERENCE = "reference"


class Mistake(StrEnum):
    """What is wrong in a row."""

    NUMBER_MISSING = "number_missing"
    NUMBER_LOST_DIGITS = "number_lost_digits"
    """It stands as a number and may have lost digits: format the column as text and type it again."""
    NUMBER_TOO_LONG = "number_too_long"
    NUMBER_TWICE = "number_twice"
    AMOUNT_MISSING = "amount_missing"
    AMOUNT_UNREADABLE = "amount_unreadable"
    AMOUNT_OUT_OF_RANGE = "amount_out_of_range"
    REFERENCE_TWICE = "reference_twice"
    REFERENCE_USED = "reference_used"
    FORMULA = "formula"
    NOT_TEXT = "not_text"
    PERSON_UNKNOWN = "person_unknown"
    PERSON_LEFT = "person_left"
    NAME_DIFFERS = "name_differs"
    NO_ACCOUNT = "no_account"
    ACCOUNT_CLOSED = "account_closed"
    ABOVE_HIGHEST = "above_highest"
    TOTAL_DIFFERS = "total_differs"
    """The sheet's own total line is not the sum of the lines."""


@dataclass(frozen=True, slots=True)
class RowMistake:
    """One mistake, with the row as the spreadsheet numbers it."""

    row: int
    field: Field
    mistake: Mistake
    value: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a batch; fen, or meals where the batch is one of meals."""

    row: int
    number: str
    amount: Fen
    name: str = ""
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Lines:
    """Everything a sheet says, right or wrong."""

    lines: tuple[Line, ...]
    mistakes: tuple[RowMistake, ...]
    stated_total: Fen | None
    """What the sheet's own total line says."""

    @property
    def total(self) -> Fen:
        """The sum of the lines."""
        return Fen(sum(line.amount for line in self.lines))


HEADINGS = {
    Field.NUMBER: {"工号", "编号", "人员编号", "职工号", "职工编号", "员工编号", "学号", "证件号", "身份证号",
                   "number", "personnel number", "staff number", "id number"},
    Field.NAME: {"姓名", "名字", "户名", "name"},
    Field.AMOUNT: {"金额", "补贴金额", "发放金额", "充值金额", "应发金额", "交易金额", "amount"},
    Field.MEALS: {"次数", "餐次", "份数", "餐数", "meals"},
    Field.REFERENCE: {"流水号", "交易流水号", "凭证号", "参考号", "reference"},
}  # fmt: skip
TOTALS = {"合计", "总计", "total"}
_UNIT = re.compile("[(\uff08].*[)\uff09]$")
_SIGNS = ("\u00a5", "\uffe5")
"""The yuan sign, narrow and wide."""


def read_lines(rows: Sequence[SheetRow], wanted: Field) -> Lines | Unreadable:
    """Find the headings and read what stands below; `wanted` is `AMOUNT` or `MEALS`."""
    for index, row in enumerate(rows[:MAX_HEADING_ROWS]):
        columns = _columns(row)
        if isinstance(columns, Unreadable):
            return columns
        if Field.NUMBER in columns and wanted in columns:
            return _read(rows[index + 1 :], columns, wanted)
    return Unreadable(SheetProblem.NO_HEADER)


def _columns(row: SheetRow) -> dict[Field, int] | Unreadable:
    found: dict[Field, int] = {}
    for index, cell in enumerate(row.cells):
        title = _UNIT.sub("", cell.text.strip().lower()).strip()
        for field, titles in HEADINGS.items():
            if cell.kind is CellKind.TEXT and title in titles:
                if field in found:
                    return Unreadable(SheetProblem.SAME_HEADER_TWICE, row.number)
                found[field] = index
    return found


def _read(rows: Sequence[SheetRow], columns: dict[Field, int], wanted: Field) -> Lines:
    lines: list[Line] = []
    mistakes: list[RowMistake] = []
    stated: Fen | None = None
    for row in rows:
        cells = {field: _at(row, index) for field, index in columns.items()}
        if any(cell.text.rstrip(":\uff1a").lower() in TOTALS for cell in row.cells[:3]):
            total = _amount(row.number, cells[wanted], wanted, limit=MAX_AMOUNT_FEN * len(rows))
            stated = total if not isinstance(total, RowMistake) else Fen(-1)
            continue
        line = _line(row.number, cells, wanted)
        if isinstance(line, RowMistake):
            mistakes.append(line)
        else:
            lines.append(line)
    mistakes += _repeated(lines)
    found = Lines(tuple(lines), tuple(mistakes[:MAX_MISTAKES]), stated)
    if stated is not None and not mistakes and stated != found.total:
        wrong = RowMistake(rows[-1].number, wanted, Mistake.TOTAL_DIFFERS)
        return Lines(found.lines, (wrong,), stated)
    return found


def _line(row: int, cells: dict[Field, Cell], wanted: Field) -> Line | RowMistake:
    number = _number(row, cells[Field.NUMBER])
    if isinstance(number, RowMistake):
        return number
    amount = _amount(row, cells[wanted], wanted, MAX_MEALS if wanted is Field.MEALS else MAX_AMOUNT_FEN)
    if isinstance(amount, RowMistake):
        return amount
    texts = {}
    for field in (Field.NAME, Field.REFERENCE):
        cell = cells.get(field, EMPTY)
        if cell.kind is CellKind.FORMULA:
            return RowMistake(row, field, Mistake.FORMULA, cell.text[:MAX_CELL_CHARACTERS])
        if cell.kind is CellKind.OTHER or len(cell.text) > MAX_CELL_CHARACTERS or _lost_digits(cell):
            return RowMistake(row, field, Mistake.NOT_TEXT, cell.text[:MAX_CELL_CHARACTERS])
        texts[field] = cell.text
    return Line(row, number, amount, texts[Field.NAME], texts[Field.REFERENCE])


def _number(row: int, cell: Cell) -> str | RowMistake:
    """Read a personnel number: text, or a whole number short enough to have kept all its digits."""

    def wrong(mistake: Mistake) -> RowMistake:
        return RowMistake(row, Field.NUMBER, mistake, cell.text[:MAX_CELL_CHARACTERS])

    match cell.kind:
        case CellKind.EMPTY:
            return wrong(Mistake.NUMBER_MISSING)
        case CellKind.FORMULA:
            return wrong(Mistake.FORMULA)
        case CellKind.OTHER:
            return wrong(Mistake.NOT_TEXT)
        case CellKind.NUMBER if _lost_digits(cell):
            return wrong(Mistake.NUMBER_LOST_DIGITS)
    return wrong(Mistake.NUMBER_TOO_LONG) if len(cell.text) > MAX_CELL_CHARACTERS else cell.text


def _lost_digits(cell: Cell) -> bool:
    return cell.kind is CellKind.NUMBER and (not cell.text.isdigit() or len(cell.text) > MAX_EXACT_DIGITS)


def _amount(row: int, cell: Cell, wanted: Field, limit: int) -> Fen | RowMistake:
    def wrong(mistake: Mistake) -> RowMistake:
        return RowMistake(row, wanted, mistake, cell.text[:MAX_CELL_CHARACTERS])

    match cell.kind:
        case CellKind.EMPTY:
            return wrong(Mistake.AMOUNT_MISSING)
        case CellKind.FORMULA:
            return wrong(Mistake.FORMULA)
        case CellKind.OTHER:
            return wrong(Mistake.AMOUNT_UNREADABLE)
    try:
        text = cell.text.replace(",", "").removeprefix(_SIGNS[0]).removeprefix(_SIGNS[1])
        amount = Fen(int(text)) if wanted is Field.MEALS else parse_yuan(text, Fen(limit))
    except ValueError:
        return wrong(Mistake.AMOUNT_UNREADABLE)
    return amount if 0 < amount <= limit else wrong(Mistake.AMOUNT_OUT_OF_RANGE)


def _repeated(lines: Sequence[Line]) -> list[RowMistake]:
    """Find persons and references that come a second time."""
    found: list[RowMistake] = []
    numbers: set[str] = set()
    references: set[str] = set()
    for line in lines:
        # One person may have paid twice: then each line has a bank's reference of its own.
        if line.number in numbers and not line.reference:
            found.append(RowMistake(line.row, Field.NUMBER, Mistake.NUMBER_TWICE, line.number))
        if line.reference and line.reference in references:
            found.append(RowMistake(line.row, Field.REFERENCE, Mistake.REFERENCE_TWICE, line.reference))
        numbers.add(line.number)
        references.add(line.reference)
    return found


def _at(row: SheetRow, index: int) -> Cell:
    return row.cells[index] if index < len(row.cells) else EMPTY
