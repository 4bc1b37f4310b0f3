"""The roll-call: call it, watch the missing become fewer, mark people as found, end it; and past ones."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, HTTPException, Response

from admin_web.area import Area, Group, Place, allow
from admin_web.forms import WHOLE, Form
from admin_web.i18n import key_of
from admin_web.visits import StaffVisit, Visit, read_form
from cardcore.ids import PersonId, ZoneId
from server.audit.service import staff_actor
from server.muster import service
from server.muster.service import FIELDS, CallId, MusterRefusal, RollCall
from server.presence import service as presence
from server.staff.roles import Permission

router = APIRouter()
AREA = Area(
    router,
    allow(
        dict.fromkeys(("muster", "roll_call"), Permission.MUSTER_READ)
        | dict.fromkeys(("muster_call", "muster_found", "muster_end"), Permission.MUSTER_WRITE)
    ),
    (Place("/muster", "map-pins", "nav.muster", Permission.MUSTER_READ, Group.GATES, "m"),),
    (MusterRefusal,),
)
SAFE_WORDS = {"tap": "muster.by_tap", "left": "muster.by_leaving", "hand": "muster.by_hand"}


@router.get("/muster", name="muster")
async def muster(visit: StaffVisit) -> Response:
    """Show the roll-call that runs, or how to call one."""
    return await _page(visit, Form({}))


@router.post("/muster", name="muster_call")
async def muster_call(visit: StaffVisit) -> Response:
    """Call the roll of the chosen zones."""
    form = Form(await read_form(visit.request))
    heads = await visit.read(lambda session: presence.heads(session, visit.system, visit.site_id))
    zones = [ZoneId(one.zone) for one in heads if form.is_on(f"zone-{one.zone}")]
    deed = (staff_actor(visit.actor), form.text("reason", 200))
    if form.is_good:
        made = await visit.write(lambda session: service.call(session, visit.system, visit.site_id, zones, deed))
        if not isinstance(made, MusterRefusal):
            return visit.go("/muster", said="roll_called")
        form.refuse(FIELDS.get(made, WHOLE), key_of(made))
    return await _page(visit, form, 422)


@router.post("/muster/found/{person_id}", name="muster_found")
async def muster_found(visit: StaffVisit, person_id: UUID) -> Response:
    """Note that somebody who was missing was found."""
    actor = staff_actor(visit.actor)
    refusal = await visit.write(
        lambda session: service.mark_safe(session, visit.system, visit.site_id, PersonId(person_id), actor)
    )
    form = Form({})
    if refusal is not None:
        form.refuse(WHOLE, key_of(refusal))
        return await _page(visit, form, 422)
    return visit.go("/muster", said="muster_found")


@router.post("/muster/end", name="muster_end")
async def muster_end(visit: StaffVisit) -> Response:
    """End the roll-call."""
    note = Form(await read_form(visit.request)).text("reason", 200, required=False)
    deed = (staff_actor(visit.actor), note)
    refusal = await visit.write(lambda session: service.end(session, visit.system, visit.site_id, deed))
    form = Form({})
    if refusal is not None:
        form.refuse(WHOLE, key_of(refusal))
        return await _page(visit, form, 422)
    return visit.go("/muster", said="muster_ended")


@router.get("/muster/{call_id}", name="roll_call")
async def roll_call(visit: StaffVisit, call_id: UUID) -> Response:
    """Show a roll-call as it was; an unknown id and one of another site answer alike."""
    roll = await visit.read(lambda session: service.get(session, visit.site_id, CallId(call_id)))
    if roll is None:
        raise HTTPException(404)
    return visit.page("muster/past.html", roll=roll, words=SAFE_WORDS)


async def _page(visit: Visit, form: Form, status: int = 200) -> Response:
    roll: RollCall | None = await visit.read(lambda session: service.running(session, visit.site_id))
    heads = await visit.read(lambda session: presence.heads(session, visit.system, visit.site_id))
    past = await visit.read(lambda session: service.calls(session, visit.site_id))
    return visit.page("muster/muster.html", status, roll=roll, heads=heads, past=past, form=form, words=SAFE_WORDS)
