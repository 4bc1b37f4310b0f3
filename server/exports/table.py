"""A table to be exported: fixed columns, rows as they come, and the control totals that a reader can check."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from cardcore.money import Fen, yuan_text

MAX_ROWS = 1_000_000
"""Rows of one export; a worksheet holds 1,048,576."""
CONTROL = "control_total"
"""First cell of the last line: the number of rows, and the sum of every column that has one."""

Value = str | int | None


class Kind(StrEnum):
    """What a column holds."""

    TEXT = "text"
    """Anything people entered: escaped where a spreadsheet would take it for a formula."""
    FEN = "fen"
    """Money; written as yuan with two decimals, made from the integer."""
    COUNT = "count"


@dataclass(frozen=True, slots=True)
class Column:
    """One column; `key` never changes, titles are for people."""

    key: str
    kind: Kind
    title_en: str
    title_zh: str
    adds_up: bool = True
    """Whether a sum of it says anything; a balance after each line does not."""

    @property
    def is_summed(self) -> bool:
        """Whether the control line has its sum."""
        return self.adds_up and self.kind is not Kind.TEXT

    def title(self, language: str) -> str:
        """Return the title in `zh` or `en`."""
        return self.title_zh if language == "zh" else self.title_en


@dataclass(frozen=True, slots=True)
class Table:
    """What is written; `rows` may be a generator and is walked once."""

    name: str
    columns: Sequence[Column]
    rows: Iterable[Sequence[Value]]


@dataclass(slots=True)
class Control:
    """Counts and sums the rows that pass by. Mutable: one walk."""

    columns: Sequence[Column]
    rows: int = 0
    sums: list[int] = field(default_factory=list)

    def watch(self, rows: Iterable[Sequence[Value]]) -> Iterator[Sequence[Value]]:
        """Yield the rows unchanged; raises ValueError for a row of another width, or too many rows."""
        self.sums = [0] * len(self.columns)
        for row in rows:
            self.rows += 1
            if len(row) != len(self.columns) or self.rows > MAX_ROWS:
                msg = f"row {self.rows}: {len(row)} values for {len(self.columns)} columns, at most {MAX_ROWS} rows"
                raise ValueError(msg)
            for index, value in enumerate(row):
                if self.columns[index].is_summed:
                    self.sums[index] += int(value or 0)
            yield row

    def line(self) -> list[str]:
        """Return the last line: a word, then the sums as text; the count of rows goes with the word."""
        sums = [cell(column, self.sums[index]) if column.is_summed else "" for index, column in enumerate(self.columns)]
        return [f"{CONTROL} {self.rows}", *sums[1:]] if not self.columns[0].is_summed else sums


def cell(column: Column, value: Value) -> str:
    """Return a value as text: money as yuan with two decimals, text safe to open in a spreadsheet."""
    if value is None:
        return ""
    match column.kind:
        case Kind.FEN:
            return yuan_text(Fen(int(value)))
        case Kind.COUNT:
            return str(value)
        case _:
            return harmless(str(value))


def harmless(text: str) -> str:
    """Return text that no spreadsheet takes for a formula: an apostrophe before = + - @ tab and line ends.

    Leading blanks are looked through, for a spreadsheet does so too; NUL is dropped, for no cell holds it.
    """
    text = text.replace("\x00", "")
    if text.lstrip(" \u3000\ufeff\u00a0")[:1] in {"=", "+", "-", "@", "＝", "＋", "－", "＠"} or text[:1] in {
        "\t",
        "\r",
        "\n",
    }:
        return f"'{text}"
    return text
