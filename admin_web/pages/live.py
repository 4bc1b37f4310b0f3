"""The live monitor and its stream of rows."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse

from admin_web.area import Area, Group, Place, allow
from admin_web.i18n import Language
from admin_web.live import Showing
from admin_web.visits import StaffVisit
from cardcore.journal import OutcomeKind
from server.staff.roles import Permission

router = APIRouter()
AREA = Area(
    router,
    allow(dict.fromkeys(("live", "live_wall", "live_stream"), Permission.LIVE_READ)),
    (Place("/live", "activity", "nav.live", Permission.LIVE_READ, Group.TODAY, "l"),),
    (OutcomeKind,),
)

MAX_EVENT_ID = 2**63 - 1
LIVE_RECENT_ROWS = 100
"""Rows the live monitor holds; older ones fall off."""


MAX_PANELS = 12
"""Lanes on one wall; smaller pictures nobody can compare."""


@router.get("/live", name="live")
async def live(visit: StaffVisit) -> Response:
    """Show the newest rows; the page then follows the stream from the last of them."""
    services = visit.web.services
    recent = await services.run(services.live.recent, LIVE_RECENT_ROWS)
    # one row a tap: its latest event carries the outcome
    latest = {event.tap_id: event for event in recent}
    return visit.page(
        "live.html",
        events=sorted(latest.values(), key=lambda event: event.id, reverse=True),
        after_id=recent[-1].id if recent else 0,
        row_limit=LIVE_RECENT_ROWS,
        photos=visit.may(Permission.PHOTOS_READ),
    )


@router.get("/live/wall", name="live_wall")
async def live_wall(visit: StaffVisit, lane: Annotated[list[str] | None, Query()] = None) -> Response:
    """Show the last person of each chosen lane, large; without a choice the first lanes of the site."""
    services = visit.web.services
    places = await services.run(services.live.places)
    recent = await services.run(services.live.recent, LIVE_RECENT_ROWS)
    is_chinese = visit.language is Language.CHINESE
    names = [(one, place.name_zh if is_chinese else place.name_en) for one, place in places.items()]
    lanes = [one for one, place in places.items() if place.is_inward is not None]
    chosen = ([one for one in lane or () if one in places] or lanes)[:MAX_PANELS]
    last = {event.place_id: event for event in recent}
    return visit.page(
        "live_wall.html",
        places=names,
        chosen=chosen,
        panels=[(one, name, last.get(one)) for one, name in names if one in chosen],
        after_id=recent[-1].id if recent else 0,
        most=MAX_PANELS,
        photos=visit.may(Permission.PHOTOS_READ),
    )


@router.get("/live/stream", name="live_stream")
async def live_stream(visit: StaffVisit, after: str = "0") -> Response:
    """Stream rows after `Last-Event-ID`, or after the id that the page was drawn with."""
    after_id = event_id(visit.request.headers.get("last-event-id")) or event_id(after) or 0
    services, token = visit.web.services, visit.token or ""
    showing = Showing(visit.language, visit.may(Permission.PHOTOS_READ))
    needed = {Permission.LIVE_READ} | ({Permission.PHOTOS_READ} if showing.photos else set())

    async def is_in_force() -> bool:
        session = await services.run(services.sign_in.session, token, is_activity=False)
        return session is not None and needed <= session.staff.permissions

    return StreamingResponse(
        visit.web.live.stream(after_id, showing, is_in_force),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},
    )


def event_id(text: str | None) -> int | None:
    """Read an event id as a browser sends it back; None for anything else."""
    if text is None or not text.isascii() or not text.isdecimal() or len(text) > len(str(MAX_EVENT_ID)):
        return None
    return min(int(text), MAX_EVENT_ID)
