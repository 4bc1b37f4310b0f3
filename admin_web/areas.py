"""All areas of the site, in the order in which their places stand within a group of the menu."""

from __future__ import annotations

from collections.abc import Mapping

from admin_web.area import Area, Place
from admin_web.pages import (
    access,
    account,
    accounts,
    alarms,
    approvals,
    attendance,
    audit,
    batches,
    calendar,
    cards,
    charges,
    closes,
    counter,
    crews,
    desk,
    device_deeds,
    devices,
    issuing,
    lanes,
    live,
    lobby,
    lockdown,
    me,
    menu,
    muster,
    overview,
    patrols,
    people,
    people_desk,
    people_import,
    reports,
    second_step,
    settlement,
    sign_in,
    staff,
    tokens,
    vehicles,
    visitors,
    why,
    zones,
)
from server.staff.roles import Permission

AREAS: tuple[Area, ...] = (
    sign_in.AREA,
    lobby.AREA,
    second_step.AREA,
    account.AREA,
    overview.AREA,
    live.AREA,
    alarms.AREA,
    approvals.AREA,
    people_import.AREA,
    people_desk.AREA,
    people.AREA,
    cards.AREA,
    issuing.AREA,
    charges.AREA,
    counter.AREA,
    menu.AREA,
    me.AREA,
    desk.AREA,
    accounts.AREA,
    closes.AREA,
    reports.AREA,
    settlement.AREA,
    batches.AREA,
    lanes.AREA,
    why.AREA,
    lockdown.AREA,
    zones.AREA,
    access.AREA,
    calendar.AREA,
    devices.AREA,
    device_deeds.AREA,
    staff.AREA,
    tokens.AREA,
    audit.AREA,
    visitors.AREA,
    crews.AREA,
    vehicles.AREA,
    muster.AREA,
    patrols.AREA,
    attendance.AREA,
)
PLACES: tuple[Place, ...] = tuple(place for area in AREAS for place in area.places)
PAGE_PERMISSIONS: Mapping[str, frozenset[Permission]] = {
    name: permissions for area in AREAS for name, permissions in area.permissions.items()
}
"""By route name. A route that is neither here nor in `OPEN_ROUTES` fails a test."""
OPEN_ROUTES: frozenset[str] = frozenset({"static"}).union(*(area.open_routes for area in AREAS))
