"""A file of people between its upload and its import: kept an hour for whoever sent it, looked at at will."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import NewType
from uuid import UUID

from cardcore.ids import SiteId, StaffId
from server.database import ReadSession, WriteSession
from server.people import file_repository
from server.people.import_rows import HEADERS, guessed_columns
from server.subsidies.cells import SheetProblem, Unreadable, read_sheet
from server.system import System

DraftId = NewType("DraftId", UUID)

LIFE = timedelta(hours=1)
MAX_FILE_NAME = 120


@dataclass(frozen=True, slots=True)
class Draft:
    """A file as it was sent, its headers in order, and where our columns seem to stand in it."""

    id: DraftId
    name: str
    content: bytes
    headers: tuple[str, ...]
    guessed: dict[str, int]
    rows: int


def keep(
    session: WriteSession, system: System, site_id: SiteId, staff: StaffId, name: str, content: bytes
) -> DraftId | SheetProblem:
    """Keep a sheet that can be read; say why not of one that cannot."""
    sheet = read_sheet(content)
    if isinstance(sheet, Unreadable):
        return sheet.problem
    now, draft_id = system.clock.now(), DraftId(system.ids.uuid7())
    row = {
        "id": draft_id, "site_id": site_id, "staff_id": staff, "name": name[:MAX_FILE_NAME], "content": content,
        "created_at": now,
    }  # fmt: skip
    file_repository.add_draft(session, row, now - LIFE)
    return draft_id


def get(session: ReadSession | WriteSession, site_id: SiteId, draft_id: DraftId, staff: StaffId) -> Draft | None:
    """Return a file of this member of staff, or None when it is another's or was too long ago."""
    row = file_repository.draft(session, site_id, draft_id, staff)
    if row is None:
        return None
    content = bytes(row["content"])
    sheet = read_sheet(content)
    if isinstance(sheet, Unreadable):
        return None
    headers = tuple(cell.text for cell in sheet[0].cells)
    return Draft(draft_id, row["name"], content, headers, guessed_columns(sheet[0]), len(sheet) - 1)


def forget(session: WriteSession, draft_id: DraftId) -> None:
    """Forget a file that was imported, or is not wanted."""
    file_repository.drop_draft(session, draft_id)


COLUMNS = tuple(HEADERS)
"""Our columns, in the order in which they are asked for."""
