"""Lock-down: the threat plans agreed beforehand, put in force at every lane with a reason, and ended."""

from __future__ import annotations

import re

from fastapi import APIRouter, Response

from admin_web.area import Area, Group, Place, allow
from admin_web.forms import WHOLE, Form
from admin_web.i18n import key_of
from admin_web.visits import StaffVisit, Visit, read_form
from cardcore.access.items import ThreatEffect
from cardcore.ids import ZoneId
from server.access import repository, threats
from server.access.threats import MAX_MINUTES, MAX_RANK, ThreatPlan, ThreatRefusal
from server.audit.service import MAX_REASON, staff_actor
from server.staff.roles import Permission

router = APIRouter(prefix="/lockdown")
AREA = Area(
    router,
    {
        **allow(dict.fromkeys(("lockdown", "lockdown_begin", "lockdown_end"), Permission.LANES_COMMAND)),
        **allow(dict.fromkeys(("lockdown_plan", "lockdown_plan_put"), Permission.ACCESS_WRITE)),
    },
    (Place("/lockdown", "shield-lock", "nav.lockdown", Permission.LANES_COMMAND, Group.GATES),),
    (ThreatRefusal, ThreatEffect),
)

MAX_ID, MAX_NAME = 32, 64
IDENTITY = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
FIELDS = {ThreatRefusal.NO_ZONE: "zones", ThreatRefusal.UNKNOWN_ZONE: "zones", ThreatRefusal.LAST_ONE_OUT: "zones"}


@router.get("", name="lockdown")
async def lockdown(visit: StaffVisit) -> Response:
    """Show the plans and which are in force."""
    return await _shown(visit, Form({}))


@router.get("/plans/new", name="lockdown_plan")
async def lockdown_plan(visit: StaffVisit) -> Response:
    """Show the form for a plan."""
    return await _plan(visit, Form({"minutes": "0", "rank": "0"}))


@router.post("/plans/new", name="lockdown_plan_put")
async def lockdown_plan_put(visit: StaffVisit) -> Response:
    """Keep a plan; refused where nobody could pass it any more."""
    form = Form(await read_form(visit.request))
    zones = await visit.read(lambda session: repository.zone_rows(session, visit.site_id))
    identity = form.text("id", MAX_ID)
    if not IDENTITY.fullmatch(identity):
        form.refuse("id", "access.id_unusable")
    plan = ThreatPlan(
        identity,
        form.text("name_en", MAX_NAME),
        form.text("name_zh", MAX_NAME),
        tuple(ZoneId(row["id"]) for row in zones if form.is_on(f"zone_{row['id']}")),
        form.number("rank", 0, MAX_RANK),
        ThreatEffect.LOCK,
        form.number("minutes", 0, MAX_MINUTES),
    )
    if form.is_good:
        actor = staff_actor(visit.actor)
        refusal = await visit.write(lambda session: threats.put_plan(session, visit.system, visit.site_id, plan, actor))
        if refusal is None:
            return visit.go("/lockdown", said="access.kept")
        form.refuse(FIELDS.get(refusal, WHOLE), key_of(refusal))
    return await _plan(visit, form, 422)


@router.post("/{plan_id}/begin", name="lockdown_begin")
async def lockdown_begin(visit: StaffVisit, plan_id: str) -> Response:
    """Put a plan in force; every connected box obeys within a second."""
    form = Form(await read_form(visit.request))
    reason = form.text("reason", MAX_REASON)
    deed = (staff_actor(visit.actor), reason)
    refusal = await visit.write(lambda session: threats.begin(session, visit.system, visit.site_id, plan_id, deed))
    if refusal is None:
        return visit.go("/lockdown", said="lockdown.begun")
    form.refuse(WHOLE, key_of(refusal))
    return await _shown(visit, form, 422)


@router.post("/{plan_id}/end", name="lockdown_end")
async def lockdown_end(visit: StaffVisit, plan_id: str) -> Response:
    """End a plan."""
    form = Form(await read_form(visit.request))
    reason = form.text("reason", MAX_REASON)
    deed = (staff_actor(visit.actor), reason)
    refusal = await visit.write(lambda session: threats.end(session, visit.system, visit.site_id, plan_id, deed))
    if refusal is None:
        return visit.go("/lockdown", said="lockdown.ended")
    form.refuse(WHOLE, key_of(refusal))
    return await _shown(visit, form, 422)


async def _plan(visit: Visit, form: Form, status: int = 200) -> Response:
    zones = await visit.read(lambda session: repository.zone_rows(session, visit.site_id))
    return visit.page("lanes/plan.html", status, form=form, zones=zones)


async def _shown(visit: Visit, form: Form, status: int = 200) -> Response:
    plans = await visit.read(lambda session: threats.plans(session, visit.site_id))
    zones = await visit.read(lambda session: repository.zone_rows(session, visit.site_id))
    return visit.page("lanes/lockdown.html", status, plans=plans, zones={row["id"]: row for row in zones}, form=form)
