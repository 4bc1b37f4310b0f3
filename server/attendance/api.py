"""REST of attendance: the report of some days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter

from server.api.answers import refused
from server.api.caller import Caller, needs
from server.attendance import service
from server.attendance.judging import DayState
from server.attendance.service import AttendanceRefusal, Wanted
from server.staff.roles import Permission

router = APIRouter(prefix="/attendance", tags=["attendance"])


@dataclass(frozen=True, slots=True)
class DayAnswer:
    """One day of one person; minutes are whole ones."""

    day: date
    person: UUID
    number: str
    shift: str
    first_in: datetime | None
    last_out: datetime | None
    state: DayState
    late_minutes: int
    early_minutes: int
    worked_minutes: int


@router.get("")
async def attendance(
    caller: Annotated[Caller, needs(Permission.ATTENDANCE_READ)], since: date, until: date, department: str = ""
) -> list[DayAnswer]:
    """Return the days from `since` to `until`, both counted, at most 62, of everybody who works by a shift."""
    wanted = Wanted(since, until, department)
    found = await caller.read(lambda session: service.report(session, caller.system, caller.site_id, wanted))
    if isinstance(found, AttendanceRefusal):
        refused(found)
    return [
        DayAnswer(
            line.day, line.person, line.number, line.shift, line.first_in, line.last_out, line.judged.state,
            line.judged.late_minutes, line.judged.early_minutes, line.judged.worked_minutes,
        )
        for line in found
    ]  # fmt: skip
