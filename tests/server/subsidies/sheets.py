"""Sheets as an office would make them, good and bad. Test support."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

from openpyxl import Workbook

Row = Sequence[Any]


def xlsx(rows: Sequence[Row], shape: Callable[[Any], None] | None = None) -> bytes:
    """Write an XLSX file; `shape` may change its one worksheet."""
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for row in rows:
        sheet.append(list(row))
    if shape is not None:
        shape(sheet)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def csv(rows: Sequence[Row], encoding: str = "utf-8-sig") -> bytes:
    """Write a CSV file."""
    return "".join(",".join(str(value) for value in row) + "\r\n" for row in rows).encode(encoding)
