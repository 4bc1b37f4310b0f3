"""The site's calendar: holidays and make-up workdays, set by choosing a kind and then the days, a year at a time."""

from __future__ import annotations

from calendar import Calendar
from datetime import date
from enum import StrEnum

from fastapi import APIRouter, Response

from admin_web.area import Area, Group, Place, allow
from admin_web.forms import Form
from admin_web.visits import StaffVisit, Visit, read_form
from cardcore.calendar import DayKind
from server.access import repository, service
from server.access.service import CalendarDay
from server.audit.service import staff_actor
from server.database import WriteSession
from server.staff.roles import Permission

router = APIRouter(prefix="/calendar")


class Brush(StrEnum):
    """What the next chosen day becomes."""

    HOLIDAY = "holiday"
    MAKEUP_WORKDAY = "makeup_workday"
    ORDINARY = "ordinary"


AREA = Area(
    router,
    allow(dict.fromkeys(("calendar", "calendar_put"), Permission.ACCESS_WRITE)),
    (Place("/calendar", "calendar", "nav.calendar", Permission.ACCESS_WRITE, Group.GATES),),
    (Brush, DayKind),
)
FIRST_YEAR, LAST_YEAR = 2020, 2100
MAX_NAME = 64


@router.get("", name="calendar")
async def calendar(visit: StaffVisit, year: int = 0) -> Response:
    """Show a year."""
    return await _shown(visit, year, Form({"kind": Brush.HOLIDAY.value}))


@router.post("", name="calendar_put")
async def calendar_put(visit: StaffVisit) -> Response:
    """Give one day the chosen kind; it reaches every box within a second."""
    form = Form(await read_form(visit.request))
    kind, day = form.choice("kind", Brush), form.day("day")
    name = form.text("name", MAX_NAME, required=False)
    if day is not None and not FIRST_YEAR <= day.year <= LAST_YEAR:
        form.refuse("day", "form.day")
    if form.is_good and day is not None:
        await visit.write(lambda session: _put(session, visit, day, kind, name))
        return await _shown(visit, day.year, form)
    return await _shown(visit, 0, form, 422)


def _put(session: WriteSession, visit: Visit, day: date, kind: Brush, name: str) -> None:
    actor = staff_actor(visit.actor)
    if kind is Brush.ORDINARY:
        service.clear_days(session, visit.system, visit.site_id, [day], actor)
    else:
        entry = CalendarDay(day, DayKind(kind.value), name)
        service.put_days(session, visit.system, visit.site_id, [entry], actor)


async def _shown(visit: Visit, year: int, form: Form, status: int = 200) -> Response:
    today = visit.web.clock.now().astimezone(visit.web.settings.zone).date()
    shown = year if FIRST_YEAR <= year <= LAST_YEAR else today.year
    rows = await visit.read(lambda session: repository.day_rows(session, visit.site_id))
    marked = {row["day"]: row for row in rows if row["day"].year == shown}
    months = [(date(shown, month, 1), Calendar().monthdatescalendar(shown, month)) for month in range(1, 13)]
    return visit.page(
        "access/calendar.html", status, year=shown, months=months, marked=marked, brushes=tuple(Brush), form=form,
        today=today, has_more=FIRST_YEAR < shown < LAST_YEAR,
    )  # fmt: skip
