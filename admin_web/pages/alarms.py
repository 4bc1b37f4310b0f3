"""Alarms: what somebody must look at, said with a note when it was; and what there was before."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Response

from admin_web.area import Area, Group, Place
from admin_web.forms import Form
from admin_web.i18n import key_of
from admin_web.visits import StaffVisit, Visit, read_form
from server.alarms import service
from server.alarms.kinds import AlarmKind, Occurrence, Severity
from server.alarms.service import MAX_NOTE, AlarmRefusal, Wanted
from server.audit.service import staff_actor
from server.live import repository as places
from server.staff.roles import Permission

router = APIRouter(prefix="/alarms")
READ, ACT = frozenset({Permission.LIVE_READ}), frozenset({Permission.LANES_COMMAND})
AREA = Area(
    router,
    {"alarms": READ, "alarms_past": READ, "alarm_acknowledge": ACT},
    (Place("/alarms", "bell", "nav.alarms", Permission.LANES_COMMAND, Group.TODAY, "b"),),
    (AlarmKind, Severity, Occurrence, AlarmRefusal),
)
KNOWN = {kind.value: kind for kind in AlarmKind}


@router.get("", name="alarms")
async def alarms(visit: StaffVisit) -> Response:
    """Show what nobody has looked at; the page renews itself."""
    return await _shown(visit, Form({}))


@router.get("/past", name="alarms_past")
async def alarms_past(visit: StaffVisit) -> Response:
    """Show the newest alarms of any state, with who looked and what they found."""
    rows = await visit.read(lambda session: service.history(session, visit.site_id, Wanted()))
    names = await visit.read(lambda session: places.places(session, visit.site_id))
    return visit.page("alarms/past.html", alarms=rows, places=names, known=KNOWN)


@router.post("/{alarm_id}/acknowledge", name="alarm_acknowledge")
async def alarm_acknowledge(visit: StaffVisit, alarm_id: UUID) -> Response:
    """Say that somebody looked, and what they found."""
    form = Form(await read_form(visit.request))
    note = form.text("note", MAX_NOTE)
    if form.is_good:
        actor = staff_actor(visit.actor)
        refusal = await visit.write(
            lambda session: service.acknowledge(session, visit.system, visit.site_id, actor, [alarm_id], note)
        )
        if refusal is None:
            return visit.go("/alarms", said="alarms.acknowledged")
        form.refuse("", key_of(refusal))
    return await _shown(visit, form, 422)


async def _shown(visit: Visit, form: Form, status: int = 200) -> Response:
    rows = await visit.read(lambda session: service.open_alarms(session, visit.site_id))
    names = await visit.read(lambda session: places.places(session, visit.site_id))
    return visit.page("alarms/alarms.html", status, alarms=rows, places=names, known=KNOWN, form=form)
