"""May this person pass this lane, and why: every check that a lane makes, up to the one that decides."""

from __future__ import annotations

from fastapi import APIRouter, Response

from admin_web.area import Area, Group, Place, allow
from admin_web.forms import Form
from admin_web.i18n import key_of
from admin_web.visits import StaffVisit, Visit, read_form
from cardcore.access.decide import Check
from cardcore.ids import LaneId
from server.access import repository
from server.access import why as service
from server.access.why import Why, WhyRefusal
from server.staff.roles import Permission

router = APIRouter(prefix="/why")
AREA = Area(
    router,
    allow(dict.fromkeys(("why", "why_told"), Permission.LANES_COMMAND)),
    (Place("/why", "help-circle", "nav.why", Permission.LANES_COMMAND, Group.GATES, "w"),),
    (Check, WhyRefusal),
)
MAX_NUMBER = 32
FIELDS = {WhyRefusal.UNKNOWN_PERSON: "number", WhyRefusal.UNKNOWN_LANE: "lane", WhyRefusal.NO_CARD: "number"}


@router.get("", name="why")
async def why(visit: StaffVisit) -> Response:
    """Ask whom and where."""
    return await _shown(visit, Form({}), None)


@router.post("", name="why_told")
async def why_told(visit: StaffVisit) -> Response:
    """Explain, now or at another instant; sent as a form: a person's number stands in no address."""
    form = Form(await read_form(visit.request))
    number, lane = form.text("number", MAX_NUMBER), LaneId(form.text("lane", MAX_NUMBER))
    at = form.moment("at", visit.web.settings.zone) if form.value("at").strip() else None
    if not form.is_good:
        return await _shown(visit, form, None, 422)
    answer = await visit.read(lambda session: service.may_pass(session, visit.system, visit.site_id, number, lane, at))
    if isinstance(answer, WhyRefusal):
        form.refuse(FIELDS[answer], key_of(answer))
        return await _shown(visit, form, None, 422)
    return await _shown(visit, form, answer)


async def _shown(visit: Visit, form: Form, answer: Why | None, status: int = 200) -> Response:
    lanes = await visit.read(lambda session: repository.lane_rows(session, visit.site_id))
    levels = await visit.read(lambda session: repository.level_rows(session, visit.site_id))
    return visit.page(
        "lanes/why.html", status, form=form, answer=answer, lanes=lanes, levels={row["id"]: row for row in levels}
    )
