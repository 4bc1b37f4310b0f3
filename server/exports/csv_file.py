"""CSV: UTF-8 with a byte order mark, comma, CRLF, fixed columns, a control line at the end (C74; RFC 4180)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from server.exports.table import Control, Table, cell

BOM = b"\xef\xbb\xbf"
"""Without it a spreadsheet on a Chinese machine reads the file as GBK."""


def csv_bytes(table: Table, language: str) -> Iterator[bytes]:
    """Yield the file in pieces, a line each; `language` (`zh` or `en`) is that of the header."""
    control = Control(table.columns)
    yield BOM + _line([column.title(language) for column in table.columns])
    for row in control.watch(table.rows):
        yield _line([cell(column, value) for column, value in zip(table.columns, row, strict=True)])
    yield _line(control.line())


def _line(cells: list[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return text.getvalue().encode()
