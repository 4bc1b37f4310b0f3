"""Files that pages hand out: a table as CSV, made in one transaction off the event loop."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import Response

from admin_web.visits import Visit
from server.database import ReadSession
from server.exports.csv_file import csv_bytes
from server.exports.table import Table


async def csv_answer(visit: Visit, name: str, made: Callable[[ReadSession, str], Table]) -> Response:
    """Return a table as a file; `made` builds it for a language, `zh` or `en`."""
    language = "zh" if visit.language.value.startswith("zh") else "en"
    content = await visit.read(lambda session: b"".join(csv_bytes(made(session, language), language)))
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"', "Cache-Control": "no-store"}
    return Response(content, 200, headers, "text/csv; charset=utf-8")
