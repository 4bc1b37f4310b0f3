"""Which box has charge of a lane or a till: one, or none. The box hears of it over its link."""

from __future__ import annotations

from uuid import UUID

from cardcore.ids import DeviceId, SiteId
from cardcore.journal import Purpose
from server.access import repository as access_rows
from server.access.fields import FieldProblem, FieldRefusal
from server.audit.service import Deed, record
from server.canteen import repository as canteen_rows
from server.database import ReadSession, WriteSession
from server.devices import repository as devices
from server.devices.models import DeviceStatus
from server.devices.service import announce
from server.setup.retiring import Part
from server.system import System

PURPOSES = {Part.LANE: Purpose.GATE, Part.TILL: Purpose.TILL}


def boxes(session: ReadSession | WriteSession, system: System, site_id: SiteId, part: Part) -> list[DeviceStatus]:
    """Return the boxes in force that may have charge of such a place, in order of name."""
    found = devices.statuses(session, site_id, system.clock.now())
    return [one for one in found if PURPOSES[part] in one.purposes]


def place(
    session: WriteSession, system: System, site_id: SiteId, where: tuple[Part, str], device: UUID | None, actor: str
) -> FieldProblem | None:
    """Give a lane or a till to a box, or to none; nothing is done when it has it already."""
    part, identity = where
    rows = access_rows.lane_rows(session, site_id) if part is Part.LANE else canteen_rows.till_rows(session, site_id)
    row = next((row for row in rows if row["id"] == identity), None)
    about = f"{part} {identity}"
    if row is None:
        return FieldProblem(about, "id", FieldRefusal.UNKNOWN, f"there is no {about}", identity)
    if row["device_id"] == device:
        return None
    if device is not None and device not in {one.id for one in boxes(session, system, site_id, part)}:
        advice = f"no box in force for a {part} has this id"
        return FieldProblem(about, "device", FieldRefusal.UNKNOWN, advice, str(device))
    if part is Part.LANE:
        access_rows.assign_lanes(session, site_id, device, [identity])
    else:
        canteen_rows.assign_tills(session, site_id, device, [identity])
    before, after = {"device": _text(row["device_id"])}, {"device": _text(device)}
    record(session, system, site_id, Deed(actor, "place_given", f"{part}:{identity}", before, after))
    for one in (row["device_id"], device):
        if one is not None:
            announce(session, system, site_id, DeviceId(one), "assigned")
    return None


def _text(device: UUID | None) -> str | None:
    return None if device is None else str(DeviceId(device))
