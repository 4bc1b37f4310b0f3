"""REST of vehicles and garages: who drives what, free spaces, recounts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field

from cardcore.ids import PersonId
from server.api.answers import Body, Rows, refused
from server.api.caller import Caller, needs
from server.audit.service import staff_actor
from server.staff.roles import Permission
from server.vehicles import garages, service
from server.vehicles.models import GarageId, NewVehicle, VehicleId, VehicleKind, VehicleRefusal

router = APIRouter(tags=["vehicles"])


class VehicleBody(Body):
    """A vehicle: its plate, whose it is, who else drives it."""

    plate: Annotated[str, Field(max_length=20)]
    holder: UUID
    drivers: list[UUID] = Field(default_factory=list, max_length=20)
    kind: VehicleKind = VehicleKind.CAR
    note: Annotated[str, Field(max_length=100)] = ""
    plate_opens: bool = True


class RecountBody(Body):
    """How many vehicles somebody counted, and why they did."""

    occupied: Annotated[int, Field(ge=0, le=200_000)]
    reason: Annotated[str, Field(min_length=1, max_length=100)]


@dataclass(frozen=True, slots=True)
class VehicleAnswer:
    """A vehicle in use."""

    id: UUID
    plate: str
    kind: VehicleKind
    holder: UUID
    plate_opens: bool


@dataclass(frozen=True, slots=True)
class VehicleMade:
    """The id of a vehicle that was registered."""

    id: UUID


@dataclass(frozen=True, slots=True)
class SpacesAnswer:
    """How full a garage is."""

    garage: str
    name_en: str
    name_zh: str
    capacity: int
    occupied: int
    free: int


@router.get("/vehicles")
async def vehicles(
    caller: Annotated[Caller, needs(Permission.VEHICLES_READ)], page: Annotated[int, Query(ge=1, le=2_000)] = 1
) -> Rows[VehicleAnswer]:
    """List vehicles in use by plate; `next` is the number of the next page."""
    found = await caller.read(lambda session: service.search(session, caller.site_id, "", page))
    rows = [
        VehicleAnswer(row["id"], row["plate"], VehicleKind(row["kind"]), row["holder_id"], row["plate_opens"])
        for row in found.rows
    ]
    return Rows(rows=rows, next=str(page + 1) if found.has_next else None)


@router.post("/vehicles", status_code=201)
async def register_vehicle(
    caller: Annotated[Caller, needs(Permission.VEHICLES_WRITE)], body: VehicleBody
) -> VehicleMade:
    """Register a vehicle; a plate twice is refused."""
    drivers = tuple(PersonId(driver) for driver in body.drivers)
    new = NewVehicle(body.plate, PersonId(body.holder), drivers, body.kind, body.note, body.plate_opens)
    actor = staff_actor(caller.actor)
    made = await caller.write(lambda session: service.put(session, caller.system, caller.site_id, new, actor))
    if isinstance(made, VehicleRefusal):
        refused(made)
    return VehicleMade(made)


@router.delete("/vehicles/{vehicle_id}", status_code=204)
async def remove_vehicle(caller: Annotated[Caller, needs(Permission.VEHICLES_WRITE)], vehicle_id: UUID) -> None:
    """Take a vehicle off the register; its plate opens nothing more."""
    actor = staff_actor(caller.actor)
    refusal = await caller.write(
        lambda session: service.remove(session, caller.system, caller.site_id, VehicleId(vehicle_id), actor)
    )
    if refusal is not None:
        refused(refusal)


@router.get("/garages")
async def garage_spaces(caller: Annotated[Caller, needs(Permission.VEHICLES_READ)]) -> list[SpacesAnswer]:
    """Tell how full each garage is."""
    found = await caller.read(lambda session: garages.spaces(session, caller.site_id))
    return [SpacesAnswer(one.garage, one.name_en, one.name_zh, one.capacity, one.occupied, one.free) for one in found]


@router.post("/garages/{garage_id}/recount", status_code=204)
async def recount_garage(
    caller: Annotated[Caller, needs(Permission.VEHICLES_WRITE)], garage_id: str, body: RecountBody
) -> None:
    """Set how many vehicles are in."""
    deed = (staff_actor(caller.actor), body.reason)
    refusal = await caller.write(
        lambda session: garages.recount(
            session, caller.system, caller.site_id, GarageId(garage_id), body.occupied, deed
        )
    )
    if refusal is not None:
        refused(refusal)
