"""The day at a glance: figures, taps by hour, refusals by reason."""

from __future__ import annotations

import json

from fastapi import APIRouter, Response

from admin_web.area import Area, Group, Place, allow
from admin_web.i18n import reason_text
from admin_web.visits import StaffVisit, Visit
from cardcore.clock import site_time
from server.reports.rows import DayFigures
from server.staff.roles import Permission

router = APIRouter()
AREA = Area(
    router,
    allow({"overview": Permission.OVERVIEW_READ}),
    (Place("/", "layout-dashboard", "nav.overview", Permission.OVERVIEW_READ, Group.TODAY, "o"),),
)

CHARTED_REASONS = 8
"""More bars than this nobody compares; the table below has all."""


@router.get("/", name="overview")
async def overview(visit: StaffVisit) -> Response:
    """Show the business day that it is now."""
    web = visit.web
    today = site_time(web.clock.now(), web.settings.zone, web.settings.day_starts_at).business_day
    figures = await web.services.run(web.services.overview.figures, today)
    devices = await web.services.run(web.services.devices.list) if visit.may(Permission.DEVICES_READ) else ()
    refusals = sorted(figures.refusals.items(), key=lambda entry: (-entry[1], entry[0].value))
    return web.renderer.page(
        visit,
        "overview.html",
        today=today,
        figures=figures,
        refusals=refusals,
        hours=hours_of(figures),
        hour_chart=_hour_chart(visit, figures),
        reason_chart=json.dumps(
            {
                "names": [reason_text(reason, visit.language) for reason, _ in refusals[:CHARTED_REASONS]],
                "counts": [number for _, number in refusals[:CHARTED_REASONS]],
            }
        ),
        silent=tuple(device for device in devices if not device.is_online),
        device_count=len(devices),
        shows_devices=visit.may(Permission.DEVICES_READ),
    )


def hours_of(figures: DayFigures) -> list[tuple[int, int, int]]:
    """Return (hour, granted, refused) from the first to the last hour with a tap, quiet hours included."""
    known = {entry.hour: (entry.granted, entry.refused) for entry in figures.hours}
    if not known:
        return []
    return [(hour, *known.get(hour, (0, 0))) for hour in range(min(known), max(known) + 1)]


def _hour_chart(visit: Visit, figures: DayFigures) -> str:
    hours = hours_of(figures)
    renderer = visit.web.renderer
    return json.dumps(
        {
            "hours": [f"{hour:02d}" for hour, _, _ in hours],
            "granted": [granted for _, granted, _ in hours],
            "refused": [refused for _, _, refused in hours],
            "granted_name": renderer.text(visit.language, "overview.granted"),
            "refused_name": renderer.text(visit.language, "overview.refused"),
        }
    )
