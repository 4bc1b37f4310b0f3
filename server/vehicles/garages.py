"""Garages: how many vehicles are in, by passages at their entrances; a recount by a person puts it right (S11).

Every passage counts, named or not: a loop sees vehicles, no people. Each record of a journal is counted once: a mark a
journal says how far. So the count is right after a restart, and after an outage as soon as the boxes have handed in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date

from sqlalchemy import RowMapping

from cardcore.ids import SiteId
from server.access import repository as access_rows
from server.audit.service import Deed, is_reason, record
from server.database import ReadSession, WriteSession
from server.outbox import repository as outbox
from server.system import System
from server.vehicles import garage_repository as repository
from server.vehicles.models import (
    MAX_CAPACITY,
    MAX_LANES,
    MAX_TEXT,
    TOPIC,
    Garage,
    GarageId,
    LaneSide,
    Spaces,
    VehicleRefusal,
    is_garage_id,
)

MOST_RECORDS = 20_000
"""Records of one journal that one look goes through; a longer backlog takes several."""
MAX_OCCUPIED = 2 * MAX_CAPACITY


def put_garage(
    session: WriteSession, system: System, site_id: SiteId, garage: Garage, actor: str
) -> VehicleRefusal | None:
    """Add or change a garage; what passed before does not count."""
    refusal = _refusal(session, site_id, garage)
    if refusal is not None:
        return refusal
    look(session, system, site_id)
    repository.begin_marks(session, site_id)
    row = {"site_id": site_id, "id": garage.id, "name_en": garage.name_en, "name_zh": garage.name_zh,
           "capacity": garage.capacity}  # fmt: skip
    repository.upsert_garage(session, row)
    repository.replace_lanes(session, site_id, garage.id, garage.lanes)
    record(session, system, site_id, Deed(actor, "garage_put", f"garage:{garage.id}", after=asdict(garage)))
    outbox.append(session, system, site_id, TOPIC, {"garage": garage.id})
    return None


def recount(
    session: WriteSession, system: System, site_id: SiteId, garage_id: GarageId, occupied: int, deed: tuple[str, str]
) -> VehicleRefusal | None:
    """Set how many vehicles a person counted; `deed` is who and why."""
    actor, reason = deed
    if not is_reason(reason, MAX_TEXT):
        return VehicleRefusal.REASON_MISSING
    if not 0 <= occupied <= MAX_OCCUPIED:
        return VehicleRefusal.COUNT_OUT_OF_RANGE
    look(session, system, site_id)
    row = next((row for row in repository.lock_garages(session, site_id) if row["id"] == garage_id), None)
    if row is None:
        return VehicleRefusal.NOT_FOUND
    repository.set_occupied(session, site_id, garage_id, occupied, system.clock.now())
    before, after = {"occupied": row["occupied"]}, {"occupied": occupied}
    record(session, system, site_id, Deed(actor, "garage_recounted", f"garage:{garage_id}", before, after, reason))
    outbox.append(session, system, site_id, TOPIC, {"garage": garage_id})
    return None


def look(session: WriteSession, system: System, site_id: SiteId) -> list[GarageId]:
    """Count the passages that came in since the last look, each once; return the garages whose count changed."""
    held = {row["id"]: row["occupied"] for row in repository.lock_garages(session, site_id)}
    if not held:
        return []
    moved: dict[str, int] = {}
    for row in repository.new_passages(session, site_id, MOST_RECORDS):
        sign = 1 if row["side"] == LaneSide.IN else -1
        moved[row["garage_id"]] = moved.get(row["garage_id"], 0) + sign * row["count"]
        repository.add_flow(session, {**row, "site_id": site_id})
    repository.move_marks(session, site_id, MOST_RECORDS)
    changed = [GarageId(garage) for garage, count in sorted(moved.items()) if count]
    for garage in changed:
        occupied = max(0, held[garage] + moved[garage])
        repository.set_occupied(session, site_id, garage, occupied, None)
        outbox.append(session, system, site_id, TOPIC, {"garage": garage})
    return changed


def spaces(session: ReadSession, site_id: SiteId) -> list[Spaces]:
    """Return how full each garage is, in order."""
    return [
        Spaces(GarageId(row["id"]), row["name_en"], row["name_zh"], row["capacity"], row["occupied"])
        for row in repository.garages(session, site_id)
    ]


def garages(session: ReadSession, site_id: SiteId) -> list[Garage]:
    """Return the garages with their lanes, in order."""
    lanes = repository.lanes(session, site_id)
    return [
        Garage(
            GarageId(row["id"]), row["name_en"], row["name_zh"], row["capacity"],
            tuple((lane["lane_id"], LaneSide(lane["side"])) for lane in lanes if lane["garage_id"] == row["id"]),
        )
        for row in repository.garages(session, site_id)
    ]  # fmt: skip


def flow(session: ReadSession, site_id: SiteId, day: date) -> Sequence[RowMapping]:
    """Return how many vehicles passed each entrance on a business day: garage_id, lane_id, names, side, passages."""
    return repository.flow(session, site_id, day)


def _refusal(session: WriteSession, site_id: SiteId, garage: Garage) -> VehicleRefusal | None:
    if not is_garage_id(garage.id):
        return VehicleRefusal.GARAGE_ID_WRONG
    if (
        not garage.name_en.strip()
        or not garage.name_zh.strip()
        or max(map(len, (garage.name_en, garage.name_zh))) > MAX_TEXT
    ):
        return VehicleRefusal.NAME_MISSING
    if not 1 <= garage.capacity <= MAX_CAPACITY:
        return VehicleRefusal.CAPACITY_OUT_OF_RANGE
    names = [lane for lane, _ in garage.lanes]
    if len(set(names)) != len(names):
        return VehicleRefusal.LANE_TWICE
    if len(names) > MAX_LANES or not set(names) <= {row["id"] for row in access_rows.lane_rows(session, site_id)}:
        return VehicleRefusal.LANE_UNKNOWN
    others = {row["lane_id"] for row in repository.lanes(session, site_id) if row["garage_id"] != garage.id}
    if others & set(names):
        return VehicleRefusal.LANE_OF_ANOTHER
    sides = {side for _, side in garage.lanes}
    if LaneSide.IN not in sides:
        return VehicleRefusal.NO_WAY_IN
    return None if LaneSide.OUT in sides else VehicleRefusal.NO_WAY_OUT
