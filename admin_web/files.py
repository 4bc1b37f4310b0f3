"""Files to take away: a table written to disk row by row and then sent, so that its size costs no memory."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from datetime import date
from enum import StrEnum
from pathlib import Path

from fastapi import Response
from fastapi.responses import FileResponse
from starlette.background import BackgroundTask

from admin_web.i18n import Language
from admin_web.visits import Visit
from server.database import ReadSession
from server.exports.csv_file import csv_bytes
from server.exports.table import Table
from server.exports.table_pdf import write_pdf
from server.exports.xlsx_file import write_xlsx


class FileKind(StrEnum):
    """As what a table is written."""

    XLSX = "xlsx"
    CSV = "csv"
    PDF = "pdf"


MEDIA = {
    FileKind.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    FileKind.CSV: "text/csv; charset=utf-8",
    FileKind.PDF: "application/pdf",
}


async def table_file(
    visit: Visit, make: Callable[[ReadSession], Table], kind: FileKind, title: str, days: tuple[date, date]
) -> Response:
    """Send a table of business days; it is read in one transaction."""
    folder = Path(tempfile.mkdtemp(prefix="onecard-"))
    path, language = folder / f"table.{kind}", "zh" if visit.language is Language.CHINESE else "en"
    heading = f"{title} {days[0]} - {days[1]}" if days[0] != days[1] else f"{title} {days[0]}"

    def write(session: ReadSession) -> str:
        table = make(session)
        match kind:
            case FileKind.CSV:
                with path.open("wb") as file:
                    file.writelines(csv_bytes(table, language))
            case FileKind.XLSX:
                write_xlsx(table, path, language)
            case FileKind.PDF:
                write_pdf(table, path, language, f"{visit.web.settings.site_name}  {heading}")
        return table.name

    try:
        name = await visit.read(write)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    file_name = f"{name}-{days[0]}-{days[1]}.{kind}"
    sent = BackgroundTask(shutil.rmtree, folder, ignore_errors=True)
    return FileResponse(path, media_type=MEDIA[kind], filename=file_name, background=sent)
