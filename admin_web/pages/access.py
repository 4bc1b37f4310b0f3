"""Who may pass where, when: access levels and their schedules, and the week as a picture."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from fastapi import APIRouter, HTTPException, Response

from admin_web.area import Area, Group, Place, allow
from admin_web.forms import WHOLE, Form
from admin_web.pages.access_schedule import rows_of, schedule_from, typed
from admin_web.visits import StaffVisit, Visit, read_form
from cardcore.ids import LevelId, ScheduleId, ZoneId
from server.access import repository, service, week
from server.access.service import AccessLevel
from server.audit.service import staff_actor
from server.database import ReadSession
from server.staff.roles import Permission

router = APIRouter(prefix="/access")
ROUTES = ("access", "access_level", "access_level_put", "access_schedule", "access_schedule_put", "access_week")
AREA = Area(
    router,
    allow(dict.fromkeys(ROUTES, Permission.ACCESS_WRITE)),
    (Place("/access", "lock-access", "nav.access", Permission.ACCESS_WRITE, Group.GATES),),
)
MAX_ID, MAX_NAME, MAX_WEEKS = 32, 64, 104
NEW = "new"
MARKS = ("privileged", "passback_exempt", "overrides_lockdown", "needs_escort", "escorts", "supervises")
"""What a level may say besides where and when; each is a box of the form."""
IDENTITY = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")


@router.get("", name="access")
async def access(visit: StaffVisit) -> Response:
    """List levels and schedules."""
    site = visit.site_id
    levels = await visit.read(lambda session: repository.level_rows(session, site))
    schedules = await visit.read(lambda session: repository.schedule_rows(session, site))
    zones = await visit.read(lambda session: repository.zone_rows(session, site))
    holders = await visit.read(lambda session: repository.holders_of_levels(session, site))
    named = {row["id"]: row for row in zones}
    return visit.page("access/access.html", levels=levels, schedules=schedules, zones=named, holders=holders)


@router.get("/week", name="access_week")
async def access_week(visit: StaffVisit, zone: str = "", ahead: int = 0) -> Response:
    """Show one zone's week: which level opens it, in which hours."""
    today = visit.web.clock.now().astimezone(visit.web.settings.zone).date()
    ahead = max(-MAX_WEEKS, min(MAX_WEEKS, ahead))
    monday = today - timedelta(days=today.weekday()) + timedelta(weeks=ahead)
    zones = await visit.read(lambda session: repository.zone_rows(session, visit.site_id))
    known = {row["id"]: row for row in zones}
    chosen = zone if zone in known else next((one for one in known if one != "outside"), "")
    levels = await visit.read(lambda session: week.week_of_zone(session, visit.site_id, ZoneId(chosen), monday))
    days = await visit.read(lambda session: week.calendar(session, visit.site_id))
    dates = [monday + timedelta(days=number) for number in range(week.WEEK_DAYS)]
    return visit.page(
        "access/week.html",
        zones=zones,
        chosen=chosen,
        levels=levels,
        dates=dates,
        kinds={day: kind.value for day, kind in days.items()},
        today=today,
        ahead=ahead,
    )


@router.get("/levels/{level_id}", name="access_level")
async def access_level(visit: StaffVisit, level_id: str) -> Response:
    """Show one level's form, or an empty one for `new`."""
    row = await _row(visit, "level", level_id)
    values: dict[str, str] = {}
    if row is not None:
        values = {"id": row["id"], "name_en": row["name_en"], "name_zh": row["name_zh"], "schedule": row["schedule_id"]}
        values |= {f"zone_{zone}": "1" for zone in row["zones"]}
        values |= {name: "1" for name in MARKS if row[name]}
    return await _level_page(visit, level_id, Form(values))


@router.post("/levels/{level_id}", name="access_level_put")
async def access_level_put(visit: StaffVisit, level_id: str) -> Response:
    """Add or change a level; it reaches every box within a second."""
    await _row(visit, "level", level_id)
    form = Form(await read_form(visit.request))
    zones = await visit.read(lambda session: repository.zone_rows(session, visit.site_id))
    wanted = tuple(ZoneId(row["id"]) for row in zones if form.is_on(f"zone_{row['id']}"))
    if not wanted:
        form.refuse("zones", "access.no_zone")
    level = AccessLevel(
        LevelId(_identity(form, level_id)),
        form.text("name_en", MAX_NAME),
        form.text("name_zh", MAX_NAME),
        ScheduleId(form.text("schedule", MAX_ID)),
        wanted,
        **{name: form.is_on(name) for name in MARKS},
    )
    if form.is_good:
        actor = staff_actor(visit.actor)
        problem = await visit.write(
            lambda session: service.put_level(session, visit.system, visit.site_id, level, actor)
        )
        if problem is None:
            return visit.go("/access", said="access.kept")
        form.refuse(WHOLE, "access.refused", problem=problem)
    return await _level_page(visit, level_id, form, 422)


@router.get("/schedules/{schedule_id}", name="access_schedule")
async def access_schedule(visit: StaffVisit, schedule_id: str) -> Response:
    """Show one schedule's form, or an empty one for `new`."""
    row = await _row(visit, "schedule", schedule_id)
    values: dict[str, str] = {}
    if row is not None:
        values = {"id": row["id"], "name_en": row["name_en"], "name_zh": row["name_zh"]}
        values |= typed(week.intervals_of(row["intervals"]))
    return _schedule_page(visit, schedule_id, Form(values))


@router.post("/schedules/{schedule_id}", name="access_schedule_put")
async def access_schedule_put(visit: StaffVisit, schedule_id: str) -> Response:
    """Add or change a schedule."""
    await _row(visit, "schedule", schedule_id)
    form = Form(await read_form(visit.request))
    schedule = schedule_from(form, _identity(form, schedule_id))
    if form.is_good:
        actor = staff_actor(visit.actor)
        problem = await visit.write(
            lambda session: service.put_schedule(session, visit.system, visit.site_id, schedule, actor)
        )
        if problem is None:
            return visit.go("/access", said="access.kept")
        form.refuse(WHOLE, "access.refused", problem=problem)
    return _schedule_page(visit, schedule_id, form, 422)


def _identity(form: Form, given: str) -> str:
    """Return the id: as it is, or as typed for a new row."""
    if given != NEW:
        return given
    typed_id = form.text("id", MAX_ID)
    if not IDENTITY.fullmatch(typed_id) or typed_id == NEW:
        form.refuse("id", "access.id_unusable")
    return typed_id


async def _row(visit: Visit, kind: str, identity: str) -> dict[str, Any] | None:
    """Return the row of an id, None for `new`; raises HTTPException 404."""
    if identity == NEW:
        return None
    read = repository.level_rows if kind == "level" else repository.schedule_rows
    rows = await visit.read(lambda session: read(session, visit.site_id))
    found = next((dict(row) for row in rows if row["id"] == identity), None)
    if found is None:
        raise HTTPException(404)
    return found


async def _level_page(visit: Visit, level_id: str, form: Form, status: int = 200) -> Response:
    def read(session: ReadSession) -> tuple[object, object]:
        return repository.zone_rows(session, visit.site_id), repository.schedule_rows(session, visit.site_id)

    zones, schedules = await visit.read(read)
    return visit.page(
        "access/level.html", status, form=form, identity=level_id, is_new=level_id == NEW, zones=zones,
        schedules=schedules,
    )  # fmt: skip


def _schedule_page(visit: Visit, schedule_id: str, form: Form, status: int = 200) -> Response:
    return visit.page(
        "access/schedule.html", status, form=form, identity=schedule_id, is_new=schedule_id == NEW, rows=rows_of(form)
    )
