"""The live monitor and its stream of rows."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse

from admin_web.area import Area, Group, Place, allow
from admin_web.visits import StaffVisit
from cardcore.journal import OutcomeKind
from server.staff.roles import Permission

router = APIRouter()
AREA = Area(
    router,
    allow(dict.fromkeys(("live", "live_stream"), Permission.LIVE_READ)),
    (Place("/live", "activity", "nav.live", Permission.LIVE_READ, Group.TODAY, "l"),),
    (OutcomeKind,),
)

MAX_EVENT_ID = 2**63 - 1
LIVE_RECENT_ROWS = 100
"""Rows the live monitor holds; older ones fall off."""


@router.get("/live", name="live")
async def live(visit: StaffVisit) -> Response:
    """Show the newest rows; the page then follows the stream from the last of them."""
    services = visit.web.services
    recent = await services.run(services.live.recent, LIVE_RECENT_ROWS)
    # one row a tap: its latest event carries the outcome
    latest = {event.tap_id: event for event in recent}
    return visit.web.renderer.page(
        visit,
        "live.html",
        events=sorted(latest.values(), key=lambda event: event.id, reverse=True),
        after_id=recent[-1].id if recent else 0,
        row_limit=LIVE_RECENT_ROWS,
    )


@router.get("/live/stream", name="live_stream")
async def live_stream(visit: StaffVisit, after: str = "0") -> Response:
    """Stream rows after `Last-Event-ID`, or after the id that the page was drawn with."""
    after_id = event_id(visit.request.headers.get("last-event-id")) or event_id(after) or 0
    services, token = visit.web.services, visit.token or ""

    async def is_in_force() -> bool:
        session = await services.run(services.sign_in.session, token, is_activity=False)
        return session is not None and Permission.LIVE_READ in session.staff.permissions

    return StreamingResponse(
        visit.web.live.stream(after_id, visit.language, is_in_force),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},
    )


def event_id(text: str | None) -> int | None:
    """Read an event id as a browser sends it back; None for anything else."""
    if text is None or not text.isascii() or not text.isdecimal() or len(text) > len(str(MAX_EVENT_ID)):
        return None
    return min(int(text), MAX_EVENT_ID)
