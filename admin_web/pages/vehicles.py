"""Vehicles and garages: who drives what, how full, recounts; and the free spaces for everybody to see."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, HTTPException, Response

from admin_web.area import Area, Group, Place, allow
from admin_web.forms import WHOLE, Form
from admin_web.i18n import key_of
from admin_web.pages.searching import read_search
from admin_web.visits import AnyVisit, StaffVisit, Visit, read_form
from cardcore.ids import LaneId, PersonId
from server.access import repository as access_rows
from server.audit.service import staff_actor
from server.ledger.service import business_day
from server.people import repository as people_rows
from server.staff.roles import Permission
from server.vehicles import garages, service
from server.vehicles.models import (
    FIELDS,
    Garage,
    GarageId,
    LaneSide,
    NewVehicle,
    VehicleId,
    VehicleKind,
    VehicleRefusal,
)

router = APIRouter()
AREA = Area(
    router,
    allow(
        dict.fromkeys(("vehicles", "vehicles_search", "garages"), Permission.VEHICLES_READ)
        | dict.fromkeys(
            ("vehicle_new", "vehicle_put", "vehicle_remove", "garage_new", "garage_put", "garage_recount"),
            Permission.VEHICLES_WRITE,
        )
    ),
    (
        Place("/vehicles", "car", "nav.vehicles", Permission.VEHICLES_READ, Group.GATES),
        Place("/garages", "parking", "nav.garages", Permission.VEHICLES_READ, Group.GATES),
    ),
    (VehicleKind, VehicleRefusal),
    frozenset({"public_garages"}),
)
DRIVERS_CHARACTERS = 1_000


@router.get("/vehicles", name="vehicles")
async def vehicles(visit: StaffVisit) -> Response:
    """Show the first vehicles by plate."""
    return await _found(visit, "", 1)


@router.post("/vehicles", name="vehicles_search")
async def vehicles_search(visit: StaffVisit) -> Response:
    """Show what a search finds; changes nothing."""
    text, page = await read_search(visit.request)
    return await _found(visit, text, page)


@router.get("/vehicles/new", name="vehicle_new")
async def vehicle_new(visit: StaffVisit) -> Response:
    """Show an empty form."""
    return visit.page("vehicles/new.html", form=Form({"kind": "car", "plate_opens": "1"}), kinds=VehicleKind)


@router.post("/vehicles/new", name="vehicle_put")
async def vehicle_put(visit: StaffVisit) -> Response:
    """Register a vehicle."""
    form = Form(await read_form(visit.request))
    plate, kind = form.text("plate", 20), form.choice("kind", VehicleKind)
    numbers = [form.text("holder", 40), *form.text("drivers", DRIVERS_CHARACTERS, required=False).split()]
    note = form.text("note", 100, required=False)
    known = await visit.read(lambda session: people_rows.by_numbers(session, visit.site_id, numbers))
    for number in numbers:
        if number and number not in known:
            form.refuse("holder" if number == numbers[0] else "drivers", "vehicle.nobody", number=number)
    if form.is_good:
        people = [PersonId(known[number]["id"]) for number in numbers]
        new = NewVehicle(plate, people[0], tuple(people[1:]), kind, note, plate_opens=form.is_on("plate_opens"))
        actor = staff_actor(visit.actor)
        made = await visit.write(lambda session: service.put(session, visit.system, visit.site_id, new, actor))
        if not isinstance(made, VehicleRefusal):
            return visit.go("/vehicles", said="vehicle_registered")
        form.refuse(FIELDS.get(made, WHOLE), key_of(made))
    return visit.page("vehicles/new.html", 422, form=form, kinds=VehicleKind)


@router.post("/vehicles/{vehicle_id}/remove", name="vehicle_remove")
async def vehicle_remove(visit: StaffVisit, vehicle_id: UUID) -> Response:
    """Take a vehicle off the register."""
    actor = staff_actor(visit.actor)
    refusal = await visit.write(
        lambda session: service.remove(session, visit.system, visit.site_id, VehicleId(vehicle_id), actor)
    )
    if refusal is not None:
        raise HTTPException(404)
    return visit.go("/vehicles", said="vehicle_removed")


@router.get("/garages", name="garages")
async def garage_list(visit: StaffVisit) -> Response:
    """Show how full each garage is, and today's passages by entrance."""
    return await _garages_page(visit, None)


@router.get("/garages/new", name="garage_new")
async def garage_new(visit: StaffVisit) -> Response:
    """Show an empty form with the site's lanes."""
    return await _garage_form(visit, Form({}))


@router.post("/garages/new", name="garage_put")
async def garage_put(visit: StaffVisit) -> Response:
    """Add or change a garage."""
    form = Form(await read_form(visit.request))
    lanes = await visit.read(lambda session: access_rows.lane_rows(session, visit.site_id))
    sides = {row["id"]: form.value(f"lane-{row['id']}") for row in lanes}
    chosen = tuple((LaneId(lane), LaneSide(side)) for lane, side in sides.items() if side in {"in", "out"})
    new = Garage(
        GarageId(form.text("id", 32)), form.text("name_en", 100), form.text("name_zh", 100),
        form.number("capacity", 1, 100_000), chosen,
    )  # fmt: skip
    if form.is_good:
        actor = staff_actor(visit.actor)
        refusal = await visit.write(
            lambda session: garages.put_garage(session, visit.system, visit.site_id, new, actor)
        )
        if refusal is None:
            return visit.go("/garages", said="garage_put")
        form.refuse(FIELDS.get(refusal, WHOLE), key_of(refusal))
    return await _garage_form(visit, form, 422)


@router.post("/garages/{garage_id}/recount", name="garage_recount")
async def garage_recount(visit: StaffVisit, garage_id: str) -> Response:
    """Set how many vehicles somebody counted, with a reason."""
    form = Form(await read_form(visit.request))
    occupied, reason = form.number("occupied", 0, 200_000), form.text("reason", 100)
    if not form.is_good:
        return await _garages_page(visit, VehicleRefusal.COUNT_OUT_OF_RANGE, 422)
    deed = (staff_actor(visit.actor), reason)
    refusal = await visit.write(
        lambda session: garages.recount(session, visit.system, visit.site_id, GarageId(garage_id), occupied, deed)
    )
    if refusal is VehicleRefusal.NOT_FOUND:
        raise HTTPException(404)
    if refusal is not None:
        return await _garages_page(visit, refusal, 422)
    return visit.go("/garages", said="garage_recounted")


@router.get("/public/garages", name="public_garages")
async def public_garages(visit: AnyVisit) -> Response:
    """Show the free spaces in big type; for everybody, without a name of anybody."""
    spaces = await visit.read(lambda session: garages.spaces(session, visit.site_id))
    return visit.page("public/garages.html", spaces=spaces)


async def _found(visit: Visit, text: str, page: int) -> Response:
    found = await visit.read(lambda session: service.search(session, visit.site_id, text, page))
    return visit.page("vehicles/list.html", found=found, text=text, kinds=VehicleKind)


async def _garages_page(visit: Visit, refusal: VehicleRefusal | None, status: int = 200) -> Response:
    spaces = await visit.read(lambda session: garages.spaces(session, visit.site_id))
    flow = await visit.read(
        lambda session: garages.flow(session, visit.site_id, business_day(session, visit.system, visit.site_id))
    )
    return visit.page("vehicles/garages.html", status, spaces=spaces, flow=flow, refusal=refusal, form=Form({}))


async def _garage_form(visit: Visit, form: Form, status: int = 200) -> Response:
    lanes = await visit.read(lambda session: access_rows.lane_rows(session, visit.site_id))
    return visit.page("vehicles/garage.html", status, form=form, lanes=lanes)
