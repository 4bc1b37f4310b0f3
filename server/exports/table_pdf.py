"""A table as PDF to print: drawn line by line, so that its length costs no memory; the last line has the sums.

The font is one that every PDF reader brings, as on the sign-off sheet. The same rows give the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reportlab.lib.pagesizes import A4, landscape
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas

from server.exports.sign_off import FONT
from server.exports.table import Column, Control, Kind, Table, cell

MARGIN, LINE = 14 * mm, 5.2 * mm
TEXT_POINTS, HEAD_POINTS = 8, 11
ROWS_A_PAGE = 31
MAX_PDF_ROWS = 20_000
"""Some 650 pages; more than that is for a spreadsheet."""


class PdfTooLongError(ValueError):
    """More rows than anybody prints."""


def write_pdf(table: Table, path: Path, language: str, heading: str) -> None:
    """Write the table to a path; `language` is `zh` or `en`. Raises PdfTooLongError after `MAX_PDF_ROWS`."""
    pdfmetrics.registerFont(UnicodeCIDFont(FONT))
    sheet = _Sheet(Canvas(str(path), pagesize=landscape(A4), invariant=1), table.columns, language, heading)
    control = Control(table.columns)
    for row in control.watch(table.rows):
        if control.rows > MAX_PDF_ROWS:
            raise PdfTooLongError(MAX_PDF_ROWS)
        sheet.line([cell(column, value) for column, value in zip(table.columns, row, strict=True)])
    sheet.line(control.line())
    sheet.close()


class _Sheet:
    """The pages under way. Mutable: one walk."""

    def __init__(self, canvas: Canvas, columns: Sequence[Column], language: str, heading: str) -> None:
        self._canvas = canvas
        self._columns = columns
        self._titles = [column.title(language) for column in columns]
        self._heading = heading
        self._rows = ROWS_A_PAGE
        self._page = 0
        self._width, self._height = landscape(A4)
        self._step = (self._width - 2 * MARGIN) / len(columns)

    def line(self, cells: Sequence[str]) -> None:
        """Draw one row, on a new page if this one is full."""
        if self._rows >= ROWS_A_PAGE:
            self._turn()
        self._rows += 1
        self._draw(cells, self._height - MARGIN - (self._rows + 1.4) * LINE)

    def close(self) -> None:
        """Write the file."""
        self._canvas.save()

    def _turn(self) -> None:
        if self._page:
            self._canvas.showPage()
        self._page += 1
        self._rows = 0
        top = self._height - MARGIN
        self._canvas.setFont(FONT, HEAD_POINTS)
        self._canvas.drawString(MARGIN, top, self._heading)
        self._canvas.drawRightString(self._width - MARGIN, top, str(self._page))
        self._draw(self._titles, top - 1.3 * LINE)
        self._canvas.line(MARGIN, top - 1.6 * LINE, self._width - MARGIN, top - 1.6 * LINE)

    def _draw(self, cells: Sequence[str], height: float) -> None:
        self._canvas.setFont(FONT, TEXT_POINTS)
        for index, (column, words) in enumerate(zip(self._columns, cells, strict=True)):
            left = MARGIN + index * self._step
            if column.kind is Kind.TEXT:
                self._canvas.drawString(left, height, self._cut(words))
            else:
                self._canvas.drawRightString(left + self._step - mm, height, words)

    def _cut(self, words: str) -> str:
        """Return as much of a text as its column is wide."""
        room = self._step - 2 * mm
        while words and self._canvas.stringWidth(words, FONT, TEXT_POINTS) > room:
            words = words[:-1]
        return words
