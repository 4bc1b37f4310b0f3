"""Registering vehicles: plate, holder, drivers. A plate that opens is a card of the holder, of low assurance.

So a plate follows all that befalls its holder: rights, validity, leaving. Who drove shows the card at the lane.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import RowMapping

from cardcore.access.items import CardState, Product
from cardcore.ids import CardId, PersonId, SiteId
from server.audit.service import Deed, record
from server.cards import repository as card_rows
from server.cards import service as cards
from server.cards.service import NewCard
from server.database import ReadSession, WriteSession
from server.policy import service as policy
from server.reports.paging import Page, page_of
from server.system import System
from server.vehicles import repository
from server.vehicles.models import (
    MAX_DRIVERS,
    MAX_TEXT,
    NewVehicle,
    VehicleId,
    VehicleRefusal,
    cleaned_plate,
    plate_credential,
)


def put(
    session: WriteSession, system: System, site_id: SiteId, new: NewVehicle, actor: str, change: VehicleId | None = None
) -> VehicleId | VehicleRefusal:
    """Register a vehicle, or change the one that `change` names; a plate that was here before comes back."""
    plate = cleaned_plate(new.plate)
    if plate is None:
        return VehicleRefusal.PLATE_WRONG
    refusal = _refusal(session, site_id, new)
    if refusal is not None or new.holder is None:
        return refusal or VehicleRefusal.HOLDER_MISSING
    known = repository.lock_by_plate(session, site_id, plate)
    if change is not None and (known is None or known["id"] != change or known["state"] != "in_use"):
        return VehicleRefusal.NOT_FOUND
    if change is None and known is not None and known["state"] == "in_use":
        return VehicleRefusal.PLATE_TAKEN
    card = None if known is None or known["card_id"] is None else CardId(known["card_id"])
    fresh = NewCard(plate, Product.GATE_ONLY, (plate_credential(plate),), new.holder)
    if card is None and new.plate_opens and cards.refusal_of(session, site_id, fresh) is not None:
        return VehicleRefusal.PLATE_TAKEN
    vehicle_id = VehicleId(known["id"] if known is not None else system.ids.uuid7())
    row: dict[str, Any] = {
        "id": vehicle_id, "site_id": site_id, "plate": plate, "kind": new.kind, "holder_id": new.holder,
        "note": new.note.strip(), "plate_opens": new.plate_opens, "registered_at": system.clock.now(),
        "registered_by": actor,
    }  # fmt: skip
    repository.upsert(session, row)
    repository.replace_drivers(session, vehicle_id, sorted({*new.drivers} - {new.holder}))
    if card is not None:
        _set_plate(session, system, site_id, card, new, actor)
    elif new.plate_opens:
        repository.set_card(session, vehicle_id, cards.add_card(session, system, site_id, fresh, actor))
    before = {"holder": str(known["holder_id"])} if known is not None else None
    after = {"plate": plate, "holder": str(new.holder), "drivers": len(new.drivers), "opens": new.plate_opens}
    record(session, system, site_id, Deed(actor, "vehicle_put", f"vehicle:{vehicle_id}", before, after))
    return vehicle_id


def remove(
    session: WriteSession, system: System, site_id: SiteId, vehicle_id: VehicleId, actor: str
) -> VehicleRefusal | None:
    """Take a vehicle off the register; its plate opens nothing from now on."""
    row = repository.lock(session, site_id, vehicle_id)
    if row is None or row["state"] != "in_use":
        return VehicleRefusal.NOT_FOUND
    repository.set_state(session, vehicle_id, "gone")
    if row["card_id"] is not None:
        _return(session, system, site_id, CardId(row["card_id"]), actor)
    record(session, system, site_id, Deed(actor, "vehicle_removed", f"vehicle:{vehicle_id}", {"plate": row["plate"]}))
    return None


def search(session: ReadSession, site_id: SiteId, term: str, page: int) -> Page[RowMapping]:
    """Find vehicles by plate, holder or driver."""
    term = term.strip()
    return page_of(
        page,
        lambda limit, offset: repository.search(session, site_id, term, limit, offset),
        lambda: repository.count(session, site_id, term),
    )


def get(session: ReadSession, site_id: SiteId, vehicle_id: VehicleId) -> RowMapping | None:
    """Return a vehicle with holder and drivers, or None."""
    return repository.get(session, site_id, vehicle_id)


def of_person(session: ReadSession, site_id: SiteId, person: PersonId) -> Sequence[RowMapping]:
    """Return what a person holds or drives, by plate."""
    return repository.of_person(session, site_id, person)


def _refusal(session: WriteSession, site_id: SiteId, new: NewVehicle) -> VehicleRefusal | None:
    if new.holder is None:
        return VehicleRefusal.HOLDER_MISSING
    if len(new.drivers) > MAX_DRIVERS:
        return VehicleRefusal.TOO_MANY_DRIVERS
    if len(new.note) > MAX_TEXT:
        return VehicleRefusal.TOO_LONG
    known = repository.known_people(session, site_id, [new.holder, *new.drivers])
    if new.holder not in known:
        return VehicleRefusal.HOLDER_UNKNOWN
    return None if set(new.drivers) <= known else VehicleRefusal.DRIVER_UNKNOWN


def _set_plate(
    session: WriteSession, system: System, site_id: SiteId, card: CardId, new: NewVehicle, actor: str
) -> None:
    """Let a plate that is known open for the holder, or for nobody."""
    _return(session, system, site_id, card, actor)
    if new.plate_opens and new.holder is not None:
        card_rows.set_holder(session, card, new.holder, None)
        state = cards.first_state(session, new.holder)
        card_rows.set_state(session, card, state, system.clock.now())
        record(session, system, site_id, Deed(actor, "card_issued", f"card:{card}", after={"state": state}))
        policy.refresh_cards(session, system, site_id, [card])


def _return(session: WriteSession, system: System, site_id: SiteId, card: CardId, actor: str) -> None:
    cards.change_state(session, system, site_id, card, CardState.RETURNED, (actor, "the plate is nobody's now"))
