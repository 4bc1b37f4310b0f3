"""Device health: which daemon and reader answers, how far behind it is, and what to do about it."""

from __future__ import annotations

from fastapi import APIRouter, Response

from admin_web.area import Area, Group, Place, allow
from admin_web.visits import StaffVisit
from server.reports.rows import DeviceRow
from server.staff.roles import Permission

router = APIRouter()
AREA = Area(
    router,
    allow({"devices": Permission.DEVICES_READ}),
    (Place("/devices", "server", "nav.devices", Permission.DEVICES_READ, Group.SYSTEM, "d"),),
)


@router.get("/devices", name="devices")
async def devices(visit: StaffVisit) -> Response:
    """Show every device; the page renews itself."""
    services = visit.web.services
    rows = await services.run(services.devices.list)
    return visit.web.renderer.page(
        visit,
        "devices.html",
        devices=rows,
        hints={row.id: repair_hints(row) for row in rows},
        online_count=sum(row.is_online for row in rows),
        waiting=sum(row.queue_length for row in rows),
    )


def repair_hints(row: DeviceRow) -> tuple[tuple[str, str], ...]:
    """Return (catalogue key, reader name) for each thing to repair, the device's own trouble first."""
    if row.last_seen is None:
        return (("hint.never_seen", ""),)
    if not row.is_online:
        return (("hint.device_silent", ""),)
    hints: list[tuple[str, str]] = []
    if row.snapshot_version is None:
        hints.append(("hint.no_snapshot", ""))
    elif row.snapshot_version < row.newest_snapshot_version:
        hints.append(("hint.snapshot_behind", ""))
    for reader in row.readers:
        if not reader.is_online:
            hints.append(("hint.reader_silent", reader.name))
        elif reader.is_secure is False:
            hints.append(("hint.reader_not_secure", reader.name))
    return tuple(hints)
