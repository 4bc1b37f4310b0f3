"""Who may pass where, when: access levels and their schedules, and the week as a picture."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from fastapi import APIRouter, HTTPException, Response

from admin_web import area
from admin_web.area import Area, Place, allow
from admin_web.form_parts import (
    ID_PART,
    NAME_PARTS,
    NEW,
    Look,
    Part,
    Section,
    Sheet,
    fill,
    found,
    identity_of,
    named,
    options_of,
    read_parts,
    refuse,
    words_of,
)
from admin_web.forms import WHOLE, Form
from admin_web.i18n import key_of
from admin_web.pages.access_schedule import rows_of, rows_used, schedule_from, typed
from admin_web.visits import StaffVisit, Visit, read_form
from cardcore.access.items import Product
from cardcore.ids import LevelId, ZoneId
from server.access import grants, repository, service, week
from server.access.grants import GrantKind, Group
from server.access.service import AccessLevel
from server.audit.service import staff_actor
from server.database import ReadSession
from server.people import repository as people_rows
from server.setup import retiring
from server.setup.retiring import Part as SitePart
from server.setup.together import together
from server.staff.roles import Permission

router = APIRouter(prefix="/access")
ROUTES = (
    "access", "access_level", "access_level_put", "access_retire", "access_schedule", "access_schedule_put",
    "access_week",
)  # fmt: skip
AREA = Area(
    router,
    allow(dict.fromkeys(ROUTES, Permission.ACCESS_WRITE)),
    (Place("/access", "lock-access", "nav.access", Permission.ACCESS_WRITE, area.Group.GATES),),
)
MAX_WEEKS = 104


@router.get("", name="access")
async def access(visit: StaffVisit) -> Response:
    """List levels and schedules."""
    return await _list(visit, Form({}))


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
    row = found(await visit.read(lambda session: repository.level_rows(session, visit.site_id)), level_id)
    sections = await _level_sections(visit, is_new=row is None)
    values: dict[str, Any] = dict(row or {})
    groups = await visit.read(lambda session: grants.groups_of(session, visit.site_id))
    for kind in GrantKind:
        values[kind] = [group.key for group in groups.get(level_id, ()) if group.kind is kind]
    return _level_sheet(visit, level_id, row, sections).page(visit, fill(values, sections))


@router.post("/levels/{level_id}", name="access_level_put")
async def access_level_put(visit: StaffVisit, level_id: str) -> Response:
    """Add or change a level and the groups that hold it; it reaches every box within a second."""
    row = found(await visit.read(lambda session: repository.level_rows(session, visit.site_id)), level_id)
    sections = await _level_sections(visit, is_new=row is None)
    form = Form(await read_form(visit.request))
    identity, values = LevelId(identity_of(form, level_id)), read_parts(form, sections)
    groups = [Group(kind, key) for kind in GrantKind for key in values.pop(kind)]
    if not values["zones"]:
        form.refuse("zones", "access.no_zone")
    level = AccessLevel(**values | {"id": identity})
    if form.is_good:
        actor = staff_actor(visit.actor)
        problem = await together(
            visit.write,
            lambda session: service.put_level(session, visit.system, visit.site_id, level, actor),
            lambda session: grants.put_groups(session, visit.system, visit.site_id, identity, groups, actor),
        )
        if problem is None:
            return visit.go("/access", said="access.kept")
        refuse(form, problem, sections)
    return _level_sheet(visit, level_id, row, sections).page(visit, form, 422)


@router.post("/{part}/{identity}/retire", name="access_retire")
async def access_retire(visit: StaffVisit, part: str, identity: str) -> Response:
    """Take a level or a schedule out of use."""
    kind = {"levels": SitePart.LEVEL, "schedules": SitePart.SCHEDULE}.get(part)
    if kind is None:
        raise HTTPException(404)
    actor = staff_actor(visit.actor)
    problem = await visit.write(
        lambda session: retiring.retire(session, visit.system, visit.site_id, kind, identity, actor)
    )
    if problem is None:
        return visit.go("/access", said="setup.retired")
    form = Form({})
    refuse(form, problem, ())
    return await _list(visit, form, 422)


@router.get("/schedules/{schedule_id}", name="access_schedule")
async def access_schedule(visit: StaffVisit, schedule_id: str) -> Response:
    """Show one schedule's form, or an empty one for `new`."""
    rows = await visit.read(lambda session: repository.schedule_rows(session, visit.site_id))
    row = found(rows, schedule_id)
    values: dict[str, str] = {}
    if row is not None:
        values = {"id": row["id"], "name_en": row["name_en"], "name_zh": row["name_zh"]}
        values |= typed(week.intervals_of(row["intervals"]))
    return _schedule_page(visit, schedule_id, Form(values))


@router.post("/schedules/{schedule_id}", name="access_schedule_put")
async def access_schedule_put(visit: StaffVisit, schedule_id: str) -> Response:
    """Add or change a schedule."""
    found(await visit.read(lambda session: repository.schedule_rows(session, visit.site_id)), schedule_id)
    form = Form(await read_form(visit.request))
    schedule = schedule_from(form, identity_of(form, schedule_id))
    if form.is_good:
        actor = staff_actor(visit.actor)
        problem = await visit.write(
            lambda session: service.put_schedule(session, visit.system, visit.site_id, schedule, actor)
        )
        if problem is None:
            return visit.go("/access", said="access.kept")
        kind, _, number = problem.field.partition(".")
        row_at = rows_used(form)
        beside = f"row_{row_at[int(number)]}" if kind == "intervals" and number else WHOLE
        form.refuse(beside, key_of(problem.refusal), named=f" ({problem.named})" if problem.named else "")
    return _schedule_page(visit, schedule_id, form, 422)


async def _list(visit: Visit, form: Form, status: int = 200) -> Response:
    def read(session: ReadSession) -> tuple[Any, ...]:
        site = visit.site_id
        return (
            repository.level_rows(session, site),
            repository.schedule_rows(session, site),
            repository.zone_rows(session, site),
            repository.holders_of_levels(session, site),
            grants.groups_of(session, site),
        )

    levels, schedules, zones, holders, groups = await visit.read(read)
    known = {row["id"]: row for row in zones}
    return visit.page(
        "access/access.html", status, form=form, levels=levels, schedules=schedules, zones=known, holders=holders,
        groups=groups,
    )  # fmt: skip


async def _level_sections(visit: Visit, *, is_new: bool) -> list[Section]:
    def read(session: ReadSession) -> tuple[Any, ...]:
        return (
            repository.zone_rows(session, visit.site_id),
            repository.schedule_rows(session, visit.site_id),
            people_rows.category_rows(session, visit.site_id),
            people_rows.department_rows(session, visit.site_id),
        )

    zones, schedules, categories, departments = (options_of(visit, rows) for rows in await visit.read(read))
    products = words_of(visit, Product)
    return [
        Section("", (
            *((ID_PART,) if is_new else ()), *NAME_PARTS,
            Part("zones", "access.zones", Look.TICKS, options=zones),
            Part("schedule_id", "access.schedule", Look.CHOICE, options=schedules),
        )),
        Section("access.groups", (
            Part("category", "field.category", Look.TICKS, required=False, options=categories),
            Part("product", "field.product", Look.TICKS, required=False, options=products),
            Part("department", "field.department", Look.TICKS, required=False, options=departments),
        ), opens=False),
        Section("access.marks", (
            Part("privileged", "access.privileged", Look.TICK, "access.privileged_hint"),
            Part("overrides_lockdown", "access.overrides", Look.TICK, "access.overrides_hint"),
            Part("passback_exempt", "access.exempt", Look.TICK, "access.exempt_hint"),
            Part("needs_escort", "access.needs_escort", Look.TICK, "access.needs_escort_hint"),
            Part("escorts", "access.escorts", Look.TICK, "access.escorts_hint"),
            Part("supervises", "access.supervises", Look.TICK, "access.supervises_hint"),
        ), opens=False),
    ]  # fmt: skip


def _level_sheet(visit: Visit, level_id: str, row: dict[str, Any] | None, sections: list[Section]) -> Sheet:
    retire = f"/access/levels/{level_id}/retire" if row is not None else ""
    name = named(visit, row) if row is not None else ""
    return Sheet(
        "/access", "nav.access", f"/access/levels/{level_id}", "access.new_level", name, sections, retire,
        "access.retire_level",
    )  # fmt: skip


def _schedule_page(visit: Visit, schedule_id: str, form: Form, status: int = 200) -> Response:
    return visit.page(
        "access/schedule.html", status, form=form, identity=schedule_id, is_new=schedule_id == NEW, rows=rows_of(form)
    )
