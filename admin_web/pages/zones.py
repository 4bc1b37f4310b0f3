"""Zones and the lanes between them: what there is, what is odd about it, a form for each; retired, never deleted."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response

from admin_web.area import Area, Group, Place, allow
from admin_web.form_parts import (
    ID_PART,
    NAME_PARTS,
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
from admin_web.forms import Form
from admin_web.visits import StaffVisit, Visit, read_form
from cardcore.access.items import Degraded, LaneMode, Passback
from server.access import fields as limits
from server.access import repository, service, warnings
from server.access.fields import FieldRefusal
from server.access.service import Lane, Zone
from server.access.warnings import SiteWarning
from server.audit.service import staff_actor
from server.database import ReadSession
from server.requirements import service as requirements
from server.setup import placing, retiring
from server.setup.retiring import Part as SitePart
from server.setup.together import together
from server.staff.roles import Permission

router = APIRouter(prefix="/zones")
ROUTES = ("zones", "zone", "zone_put", "zone_retire", "lane_form", "lane_put", "lane_retire")
AREA = Area(
    router,
    allow(dict.fromkeys(ROUTES, Permission.ACCESS_WRITE)),
    (Place("/zones", "map-pin", "nav.zones", Permission.ACCESS_WRITE, Group.GATES),),
    (SiteWarning, Passback, Degraded, LaneMode, FieldRefusal),
)
FORMS = {
    "zone": "/zones/{}", "lane": "/zones/lanes/{}", "level": "/access/levels/{}", "schedule": "/access/schedules/{}",
    "threat": "/lockdown", "calendar": "/calendar?year={}",
}  # fmt: skip
"""Where what a warning is about is put right, by kind."""


@router.get("", name="zones")
async def zones(visit: StaffVisit) -> Response:
    """Show zones, lanes and standing warnings."""
    return await _list(visit, Form({}))


@router.get("/lanes/{lane_id}", name="lane_form")
async def lane_form(visit: StaffVisit, lane_id: str, opposite: str = "") -> Response:
    """Show one lane's form; a new one may begin as the way back of another."""
    rows = await visit.read(lambda session: repository.lane_rows(session, visit.site_id))
    row = found(rows, lane_id)
    sections = await _lane_sections(visit, is_new=row is None)
    begins: dict[str, Any] = {one.name: one.default for one in fields(Lane)[6:]}
    if opposite and row is None:
        other = found(rows, opposite) or {}
        begins |= {name: other[name] for name in begins}
        begins |= {"from_zone": other["to_zone"], "to_zone": other["from_zone"], "device": other["device_id"]}
    form = fill(begins if row is None else row | {"device": row["device_id"]}, sections)
    return _lane_sheet(visit, lane_id, row, sections).page(visit, form)


@router.post("/lanes/{lane_id}", name="lane_put")
async def lane_put(visit: StaffVisit, lane_id: str) -> Response:
    """Add or change a lane, and say which box serves it."""
    row = found(await visit.read(lambda session: repository.lane_rows(session, visit.site_id)), lane_id)
    sections = await _lane_sections(visit, is_new=row is None)
    form = Form(await read_form(visit.request))
    identity, values = identity_of(form, lane_id), read_parts(form, sections)
    device = values.pop("device")
    lane = Lane(**values | {"id": identity})
    if form.is_good:
        actor = staff_actor(visit.actor)
        where, box = (SitePart.LANE, identity), UUID(device) if device else None
        problem = await together(
            visit.write,
            lambda session: service.put_lanes(session, visit.system, visit.site_id, [lane], actor),
            lambda session: placing.place(session, visit.system, visit.site_id, where, box, actor),
        )
        if problem is None:
            return visit.go("/zones", said="access.kept")
        refuse(form, problem, sections)
    return _lane_sheet(visit, lane_id, row, sections).page(visit, form, 422)


@router.post("/lanes/{lane_id}/retire", name="lane_retire")
async def lane_retire(visit: StaffVisit, lane_id: str) -> Response:
    """Take a lane out of use."""
    return await _retire(visit, SitePart.LANE, lane_id)


@router.get("/{zone_id}", name="zone")
async def zone(visit: StaffVisit, zone_id: str) -> Response:
    """Show one zone's form, or an empty one for `new`."""
    row = found(await visit.read(lambda session: repository.zone_rows(session, visit.site_id)), zone_id)
    sections = await _zone_sections(visit, is_new=row is None)
    form = fill(row or {one.name: one.default for one in fields(Zone)[3:]}, sections)
    return _zone_sheet(visit, zone_id, row, sections).page(visit, form)


@router.post("/{zone_id}", name="zone_put")
async def zone_put(visit: StaffVisit, zone_id: str) -> Response:
    """Add or change a zone."""
    row = found(await visit.read(lambda session: repository.zone_rows(session, visit.site_id)), zone_id)
    sections = await _zone_sections(visit, is_new=row is None)
    form = Form(await read_form(visit.request))
    identity = identity_of(form, zone_id)
    new = Zone(**read_parts(form, sections) | {"id": identity})
    if form.is_good:
        actor = staff_actor(visit.actor)
        problem = await visit.write(
            lambda session: service.put_zones(session, visit.system, visit.site_id, [new], actor)
        )
        if problem is None:
            return visit.go("/zones", said="access.kept")
        refuse(form, problem, sections)
    return _zone_sheet(visit, zone_id, row, sections).page(visit, form, 422)


@router.post("/{zone_id}/retire", name="zone_retire")
async def zone_retire(visit: StaffVisit, zone_id: str) -> Response:
    """Take a zone out of use."""
    return await _retire(visit, SitePart.ZONE, zone_id)


async def _retire(visit: Visit, part: SitePart, identity: str) -> Response:
    actor = staff_actor(visit.actor)
    problem = await visit.write(
        lambda session: retiring.retire(session, visit.system, visit.site_id, part, identity, actor)
    )
    if problem is None:
        return visit.go("/zones", said="setup.retired")
    form = Form({})
    refuse(form, problem, ())
    return await _list(visit, form, 422)


async def _list(visit: Visit, form: Form, status: int = 200) -> Response:
    def read(session: ReadSession) -> tuple[Any, ...]:
        return (
            repository.zone_rows(session, visit.site_id),
            repository.lane_rows(session, visit.site_id),
            warnings.warnings(session, visit.system, visit.site_id),
            placing.boxes(session, visit.system, visit.site_id, SitePart.LANE),
        )

    zones, lanes, warned, boxes = await visit.read(read)
    return visit.page(
        "setup/zones.html", status, form=form, zones=zones, lanes=lanes, warned=warned, forms=FORMS,
        boxes={box.id: box for box in boxes}, named={row["id"]: named(visit, row) for row in zones},
        modes=dict(words_of(visit, LaneMode)),
    )  # fmt: skip


async def _zone_sections(visit: Visit, *, is_new: bool) -> list[Section]:
    known = await visit.read(lambda session: requirements.requirements(session, visit.site_id))
    needed = options_of(visit, [asdict(one) for one, _ in known])
    passback = words_of(visit, Passback)
    return [
        Section("", (*((ID_PART,) if is_new else ()), *NAME_PARTS)),
        Section("zones.passback", (
            Part("passback", "zones.passback_kind", Look.CHOICE, "zones.passback_hint", options=passback),
            Part("passback_minutes", "zones.passback_minutes", Look.NUMBER, "zones.passback_minutes_hint",
                 high=limits.MAX_PASSBACK_MINUTES),
            Part("passback_forgets_hours", "zones.forgets", Look.NUMBER, "zones.forgets_hint", low=1,
                 high=limits.MAX_FORGETS_HOURS),
            Part("nightly_reset", "zones.nightly", Look.TICK, "zones.nightly_hint"),
        ), opens=False),
        Section("zones.occupancy", (
            Part("occupancy_limit", "zones.most", Look.NUMBER, "zones.most_hint", high=limits.MAX_OCCUPANCY),
            Part("occupancy_hard", "zones.hard", Look.TICK, "zones.hard_hint"),
            Part("pairs", "zones.pairs", Look.TICK, "zones.pairs_hint"),
            Part("pair_seconds", "zones.pair_seconds", Look.NUMBER, low=1, high=limits.MAX_PAIR_SECONDS),
        ), opens=False),
        Section("zones.asked", (
            Part("requires", "zones.requires", Look.TICKS, "zones.requires_hint", required=False, options=needed),
            Part("low_assurance_allowed", "zones.low_assurance", Look.TICK, "zones.low_assurance_hint"),
        ), opens=False),
    ]  # fmt: skip


async def _lane_sections(visit: Visit, *, is_new: bool) -> list[Section]:
    def read(session: ReadSession) -> tuple[Any, ...]:
        return (
            repository.zone_rows(session, visit.site_id),
            repository.schedule_rows(session, visit.site_id),
            placing.boxes(session, visit.system, visit.site_id, SitePart.LANE),
        )

    zones, schedules, boxes = await visit.read(read)
    areas, hours = options_of(visit, zones), options_of(visit, schedules)
    devices = [(str(box.id), box.name) for box in boxes]
    return [
        Section("", (
            *((ID_PART,) if is_new else ()), *NAME_PARTS,
            Part("from_zone", "lane_form.from", Look.CHOICE, options=areas),
            Part("to_zone", "lane_form.to", Look.CHOICE, "lane_form.to_hint", options=areas),
        )),
        Section("lane_form.hardware", (
            Part("device", "lane_form.box", Look.CHOICE, "lane_form.box_hint", required=False, options=devices),
            Part("reader", "lane_form.reader", hint="lane_form.reader_hint"),
            Part("has_pass_sensor", "lane_form.sensor", Look.TICK, "lane_form.sensor_hint"),
            Part("has_ready_input", "lane_form.ready", Look.TICK, "lane_form.ready_hint"),
        )),
        Section("lane_form.modes", (
            Part("mode", "lane_form.mode", Look.CHOICE, options=words_of(visit, LaneMode)),
            Part("degraded", "lane_form.degraded", Look.CHOICE, "lane_form.degraded_hint",
                 options=words_of(visit, Degraded)),
            Part("locked_hours", "lane_form.locked_hours", Look.CHOICE, required=False, options=hours),
            Part("free_hours", "lane_form.free_hours", Look.CHOICE, required=False, options=hours),
            Part("first_person", "lane_form.first", Look.TICK, "lane_form.first_hint"),
            Part("interlock", "lane_form.interlock", hint="lane_form.interlock_hint", required=False, high=32),
        )),
        Section("lane_form.times", (
            Part("open_window_ms", "lane_form.window", Look.NUMBER, "lane_form.window_hint", low=500,
                 high=limits.MAX_WINDOW_MS),
            Part("extended_window_ms", "lane_form.extended", Look.NUMBER, "lane_form.extended_hint", low=1_000,
                 high=limits.MAX_WINDOW_MS),
            Part("pulse_ms", "lane_form.pulse", Look.NUMBER, "lane_form.pulse_hint", low=100, high=limits.MAX_PULSE_MS),
            Part("held_open_ms", "lane_form.held", Look.NUMBER, "lane_form.held_hint", high=limits.MAX_HELD_OPEN_MS),
            Part("escort_seconds", "lane_form.escort", Look.NUMBER, "lane_form.escort_hint", low=1,
                 high=limits.MAX_ESCORT_SECONDS),
        ), opens=False),
    ]  # fmt: skip


def _zone_sheet(visit: Visit, zone_id: str, row: dict[str, Any] | None, sections: list[Section]) -> Sheet:
    return _sheet(visit, f"/zones/{zone_id}", ("zones.new", "zones.retire_means"), row, sections)


def _lane_sheet(visit: Visit, lane_id: str, row: dict[str, Any] | None, sections: list[Section]) -> Sheet:
    return _sheet(visit, f"/zones/lanes/{lane_id}", ("lane_form.new", "lane_form.retire_means"), row, sections)


def _sheet(
    visit: Visit, address: str, words: tuple[str, str], row: dict[str, Any] | None, sections: list[Section]
) -> Sheet:
    """Return the sheet of a thing at an address; only what is there can be retired."""
    title, retire_means = words
    if row is None:
        return Sheet("/zones", "nav.zones", address, title, "", sections, "", retire_means)
    return Sheet("/zones", "nav.zones", address, title, named(visit, row), sections, f"{address}/retire", retire_means)
