"""Every lane as it stands, with what a guard may order: open once, hold open or locked for a time, let it go on."""

from __future__ import annotations

from datetime import timedelta

from fastapi import APIRouter, Response

from admin_web.area import Area, Group, Place, allow
from admin_web.forms import WHOLE, Form
from admin_web.i18n import key_of
from admin_web.visits import StaffVisit, Visit, read_form
from cardcore.access.items import LaneMode
from cardcore.ids import LaneId
from server.access import repository
from server.audit import subjects
from server.audit.service import MAX_REASON, staff_actor
from server.lanes import service
from server.lanes.service import MAX_HOLD, LaneRefusal
from server.staff.roles import Permission

router = APIRouter(prefix="/lanes")
ROUTES = ("lanes", "lane_open", "lane_hold", "lane_release")
AREA = Area(
    router,
    allow(dict.fromkeys(ROUTES, Permission.LANES_COMMAND)),
    (Place("/lanes", "barrier-block", "nav.lanes", Permission.LANES_COMMAND, Group.GATES, "n"),),
    (LaneMode, LaneRefusal),
)
SHOWN_ORDERS = 10
MAX_HOLD_MINUTES = int(MAX_HOLD.total_seconds()) // 60


@router.get("", name="lanes")
async def lanes(visit: StaffVisit) -> Response:
    """Show every lane; the page renews itself."""
    return await _shown(visit, Form({}))


@router.post("/{lane_id}/open", name="lane_open")
async def lane_open(visit: StaffVisit, lane_id: str) -> Response:
    """Open a lane once; the order is kept with name and reason and is never repeated."""
    form = Form(await read_form(visit.request))
    reason, actor = form.text("reason", MAX_REASON), staff_actor(visit.actor)
    done = await visit.write(
        lambda session: service.order_open(session, visit.system, visit.site_id, actor, LaneId(lane_id), reason)
    )
    if not isinstance(done, LaneRefusal):
        return visit.go("/lanes", said="lanes.ordered")
    form.refuse(WHOLE, key_of(done))
    return await _shown(visit, form, 422)


@router.post("/{lane_id}/hold", name="lane_hold")
async def lane_hold(visit: StaffVisit, lane_id: str) -> Response:
    """Hold a lane in a mode for some minutes; it ends by itself, without a link too."""
    form = Form(await read_form(visit.request))
    mode, minutes = form.choice("mode", LaneMode), form.number("minutes", 1, MAX_HOLD_MINUTES)
    reason, actor = form.text("reason", MAX_REASON), staff_actor(visit.actor)
    if form.is_good:
        wanted = (mode, visit.web.clock.now() + timedelta(minutes=minutes), reason)
        refusal = await visit.write(
            lambda session: service.hold(session, visit.system, visit.site_id, actor, LaneId(lane_id), wanted)
        )
        if refusal is None:
            return visit.go("/lanes", said="lanes.held")
        form.refuse(WHOLE, key_of(refusal))
    return await _shown(visit, form, 422)


@router.post("/{lane_id}/release", name="lane_release")
async def lane_release(visit: StaffVisit, lane_id: str) -> Response:
    """Let a lane go on as it is set."""
    form = Form(await read_form(visit.request))
    reason, actor = form.text("reason", MAX_REASON), staff_actor(visit.actor)
    refusal = await visit.write(
        lambda session: service.release(session, visit.system, visit.site_id, actor, LaneId(lane_id), reason)
    )
    if refusal is None:
        return visit.go("/lanes", said="lanes.released")
    form.refuse(WHOLE, key_of(refusal))
    return await _shown(visit, form, 422)


async def _shown(visit: Visit, form: Form, status: int = 200) -> Response:
    site, system = visit.site_id, visit.system
    rows = await visit.read(lambda session: service.lanes(session, system, site))
    orders = await visit.read(lambda session: service.orders(session, system, site, SHOWN_ORDERS))
    zones = await visit.read(lambda session: repository.zone_rows(session, site))
    actors = [order.actor for order in orders]
    names = await visit.read(lambda session: subjects.names_of(session, site, actors))
    return visit.page(
        "lanes/lanes.html",
        status,
        lanes=rows,
        named={row.id: row for row in rows},
        orders=orders,
        names=names,
        zones={row["id"]: row for row in zones},
        modes=tuple(LaneMode),
        form=form,
    )
