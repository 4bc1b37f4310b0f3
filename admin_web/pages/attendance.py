"""Attendance: the report of some days, as a page and as a file; shifts, who works by them, and where work is."""

from __future__ import annotations

from datetime import timedelta

from fastapi import APIRouter, HTTPException, Response

from admin_web.area import Area, Group, Place, allow
from admin_web.forms import WHOLE, Form
from admin_web.i18n import key_of
from admin_web.pages.downloads import csv_answer
from admin_web.visits import StaffVisit, Visit, read_form
from cardcore.ids import ZoneId
from server.access import repository as access_rows
from server.attendance import service
from server.attendance.judging import DayState, Shift
from server.attendance.service import FIELDS, AttendanceRefusal, HolderKind, Wanted
from server.audit.service import staff_actor
from server.exports.table import Table
from server.people import repository as people_rows
from server.staff.roles import Permission

router = APIRouter()
AREA = Area(
    router,
    allow(
        dict.fromkeys(("attendance", "attendance_show", "attendance_export"), Permission.ATTENDANCE_READ)
        | dict.fromkeys(("work_shifts", "shift_put", "shift_give", "attendance_zones"), Permission.ATTENDANCE_WRITE)
    ),
    (Place("/attendance", "calendar-week", "nav.attendance", Permission.ATTENDANCE_READ, Group.PEOPLE),),
    (DayState, AttendanceRefusal),
)
MAX_SHOWN = 500
"""Lines of one page; a file has them all."""


@router.get("/attendance", name="attendance")
async def attendance(visit: StaffVisit) -> Response:
    """Show today."""
    today = visit.web.clock.now().astimezone(visit.web.settings.zone).date().isoformat()
    return await _page(visit, Form({"since": today, "until": today}))


@router.post("/attendance", name="attendance_show")
async def attendance_show(visit: StaffVisit) -> Response:
    """Show the chosen days; changes nothing."""
    return await _page(visit, Form(await read_form(visit.request)))


@router.post("/attendance/export", name="attendance_export")
async def attendance_export(visit: StaffVisit) -> Response:
    """Hand out the chosen days as a file."""
    form = Form(await read_form(visit.request))
    wanted = _wanted(form)
    if not form.is_good:
        raise HTTPException(400)
    lines = await visit.read(lambda session: service.report(session, visit.system, visit.site_id, wanted))
    if isinstance(lines, AttendanceRefusal):
        raise HTTPException(400)

    def table(_session: object, language: str) -> Table:
        return service.table(lines, visit.web.settings.zone, language)

    return await csv_answer(visit, "attendance", table)


@router.get("/attendance/shifts", name="work_shifts")
async def work_shifts(visit: StaffVisit) -> Response:
    """Show the shifts and who works by them."""
    return await _shifts_page(visit, Form({"weekdays": "31", "late_minutes": "5", "early_minutes": "5"}))


@router.post("/attendance/shifts", name="shift_put")
async def shift_put(visit: StaffVisit) -> Response:
    """Add or change a shift."""
    form = Form(await read_form(visit.request))
    new = Shift(
        form.text("id", 32), form.text("name_en", 100), form.text("name_zh", 100), _seconds(form, "start"),
        _seconds(form, "end"), sum(1 << day for day in range(7) if form.is_on(f"day-{day}")),
        form.number("late_minutes", 0, 240), form.number("early_minutes", 0, 240),
    )  # fmt: skip
    if form.is_good:
        actor = staff_actor(visit.actor)
        return await _done(
            visit, form,
            await visit.write(lambda session: service.put_shift(session, visit.system, visit.site_id, new, actor)),
        )  # fmt: skip
    return await _shifts_page(visit, form, 422)


@router.post("/attendance/give", name="shift_give")
async def shift_give(visit: StaffVisit) -> Response:
    """Let a department or a category work by a shift."""
    form = Form(await read_form(visit.request))
    kind, _, key = form.text("holder", 80).partition("/")
    shift, actor = form.text("shift", 32, required=False), staff_actor(visit.actor)
    if kind not in {one.value for one in HolderKind}:
        form.refuse("holder", "form.choice")
    if not form.is_good:
        return await _shifts_page(visit, form, 422)
    holder = (HolderKind(kind), key)
    refusal = await visit.write(
        lambda session: service.give_shift(session, visit.system, visit.site_id, holder, shift, actor)
    )
    return await _done(visit, form, refusal)


@router.post("/attendance/zones", name="attendance_zones")
async def attendance_zones(visit: StaffVisit) -> Response:
    """Say where somebody is at work."""
    form = Form(await read_form(visit.request))
    rows = await visit.read(lambda session: access_rows.zone_rows(session, visit.site_id))
    zones = [ZoneId(row["id"]) for row in rows if form.is_on(f"zone-{row['id']}")]
    actor = staff_actor(visit.actor)
    refusal = await visit.write(lambda session: service.set_zones(session, visit.system, visit.site_id, zones, actor))
    return await _done(visit, form, refusal)


def _seconds(form: Form, name: str) -> int:
    hour, _, minute = form.text(name, 5).partition(":")
    if not (hour + minute).isdecimal() or int(hour) > 23 or int(minute or 0) > 59:  # noqa: PLR2004 - hours and minutes
        form.refuse(name, "attendance.time_form")
        return 0
    return int(hour) * 3600 + int(minute or 0) * 60


def _wanted(form: Form) -> Wanted:
    since, until = form.day("since"), form.day("until")
    state = form.value("state")
    states = (DayState(state),) if state in {one.value for one in DayState} else ()
    assert since is not None
    assert until is not None
    return Wanted(since, until, form.text("department", 64, required=False), None, states)


async def _done(visit: Visit, form: Form, refusal: AttendanceRefusal | None) -> Response:
    if refusal is None:
        return visit.go("/attendance/shifts", said="attendance_set")
    form.refuse(FIELDS.get(refusal, WHOLE), key_of(refusal))
    return await _shifts_page(visit, form, 422)


async def _page(visit: Visit, form: Form) -> Response:
    wanted = _wanted(form)
    lines: list[service.Line] = []
    if form.is_good and wanted.until - wanted.since < timedelta(days=service.MAX_DAYS):
        found = await visit.read(lambda session: service.report(session, visit.system, visit.site_id, wanted))
        if isinstance(found, AttendanceRefusal):
            form.refuse(FIELDS[found], key_of(found))
        else:
            lines = found
    elif form.is_good:
        form.refuse("until", key_of(AttendanceRefusal.SPAN_WRONG))
    name = "name_zh" if visit.language.value.startswith("zh") else "name_en"
    rows = await visit.read(lambda session: people_rows.department_rows(session, visit.site_id))
    return visit.page(
        "attendance/report.html", 200 if form.is_good else 422, form=form, lines=lines[:MAX_SHOWN], total=len(lines),
        departments=[(row["id"], row[name]) for row in rows], states=DayState,
    )  # fmt: skip


async def _shifts_page(visit: Visit, form: Form, status: int = 200) -> Response:
    name = "name_zh" if visit.language.value.startswith("zh") else "name_en"
    known = await visit.read(lambda session: service.shifts(session, visit.site_id))
    holders = await visit.read(lambda session: service.holders(session, visit.site_id))
    at_work = await visit.read(lambda session: service.zones(session, visit.site_id))
    zones = await visit.read(lambda session: access_rows.zone_rows(session, visit.site_id))
    departments = await visit.read(lambda session: people_rows.department_rows(session, visit.site_id))
    categories = await visit.read(lambda session: people_rows.category_rows(session, visit.site_id))
    who = [(f"category/{row['id']}", row[name]) for row in categories]
    who += [(f"department/{row['id']}", row[name]) for row in departments]
    return visit.page(
        "attendance/shifts.html", status, form=form, shifts=known, holders=holders, at_work=at_work, zones=zones,
        who=who, name=name,
    )  # fmt: skip
