"""Patrols: rounds of the last days as they stand, beginning one by hand, tours and their checkpoints."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from fastapi import APIRouter, HTTPException, Response

from admin_web.area import Area, Group, Place, allow
from admin_web.forms import WHOLE, Form
from admin_web.i18n import key_of
from admin_web.visits import StaffVisit, Visit, read_form
from cardcore.ids import PersonId
from server.access import repository as access_rows
from server.audit.service import staff_actor
from server.people import repository as people_rows
from server.staff.roles import Permission
from server.tours import service
from server.tours.progress import Checkpoint, CheckpointState
from server.tours.service import FIELDS, RoundId, Tour, TourRefusal

router = APIRouter()
AREA = Area(
    router,
    allow(
        {"patrols": Permission.TOURS_READ}
        | dict.fromkeys(("tour_new", "tour_put", "round_begin", "round_cancel"), Permission.TOURS_WRITE)
    ),
    (Place("/patrols", "route", "nav.patrols", Permission.TOURS_READ, Group.GATES),),
    (TourRefusal, CheckpointState),
)
SHOWN = timedelta(days=3)
ROUND_WORDS = {
    "running": "patrol.running", "done": "patrol.done", "incomplete": "patrol.incomplete",
    "cancelled": "patrol.cancelled",
}  # fmt: skip
LONG_TEXT = 4_000


@router.get("/patrols", name="patrols")
async def patrols(visit: StaffVisit) -> Response:
    """Show the rounds of the last days, newest first."""
    return await _page(visit, None)


@router.get("/patrols/new", name="tour_new")
async def tour_new(visit: StaffVisit) -> Response:
    """Show an empty tour."""
    return await _form_page(visit, Form({"tolerance": "10"}))


@router.post("/patrols/new", name="tour_put")
async def tour_put(visit: StaffVisit) -> Response:
    """Add or change a tour: one checkpoint a line, lane and minute."""
    form = Form(await read_form(visit.request))
    numbers = form.text("guards", LONG_TEXT).split()
    known = await visit.read(lambda session: people_rows.by_numbers(session, visit.site_id, numbers))
    for number in numbers:
        if number not in known:
            form.refuse("guards", "vehicle.nobody", number=number)
    new = Tour(
        form.text("id", 32), form.text("name_en", 100), form.text("name_zh", 100), _stops(form),
        tuple(PersonId(known[number]["id"]) for number in numbers if number in known),
        form.number("tolerance", 1, 240), _starts(form),
    )  # fmt: skip
    if form.is_good:
        actor = staff_actor(visit.actor)
        refusal = await visit.write(lambda session: service.put_tour(session, visit.system, visit.site_id, new, actor))
        if refusal is None:
            return visit.go("/patrols", said="tour_put")
        form.refuse(FIELDS.get(refusal, WHOLE), key_of(refusal))
    return await _form_page(visit, form, 422)


@router.post("/patrols/{tour_id}/begin", name="round_begin")
async def round_begin(visit: StaffVisit, tour_id: str) -> Response:
    """Begin a round now."""
    actor = staff_actor(visit.actor)
    made = await visit.write(lambda session: service.begin(session, visit.system, visit.site_id, tour_id, actor))
    if made is TourRefusal.UNKNOWN:
        raise HTTPException(404)
    if isinstance(made, TourRefusal):
        return await _page(visit, made, 422)
    return visit.go("/patrols", said="round_begun")


@router.post("/patrols/rounds/{round_id}/cancel", name="round_cancel")
async def round_cancel(visit: StaffVisit, round_id: UUID) -> Response:
    """Call a round off."""
    reason = Form(await read_form(visit.request)).text("reason", 100)
    deed = (staff_actor(visit.actor), reason)
    refusal = await visit.write(
        lambda session: service.cancel(session, visit.system, visit.site_id, RoundId(round_id), deed)
    )
    if refusal is TourRefusal.UNKNOWN:
        raise HTTPException(404)
    if refusal is not None:
        return await _page(visit, refusal, 422)
    return visit.go("/patrols", said="round_cancelled")


def _stops(form: Form) -> tuple[Checkpoint, ...]:
    stops: list[Checkpoint] = []
    for line, text in enumerate(form.text("stops", LONG_TEXT).splitlines(), 1):
        parts = text.split()
        if not parts:
            continue
        if len(parts) != 2 or not (parts[1].isascii() and parts[1].isdecimal() and len(parts[1]) <= 3):  # noqa: PLR2004
            form.refuse("stops", "patrol.line_form", line=line)
            continue
        stops.append(Checkpoint(parts[0], int(parts[1])))
    return tuple(stops)


def _starts(form: Form) -> tuple[int, ...]:
    starts: list[int] = []
    for text in form.text("starts", LONG_TEXT, required=False).split():
        hour, _, minute = text.partition(":")
        if not (hour + minute).isdecimal() or len(text) > len("23:59") or int(hour) > 23 or int(minute or 0) > 59:  # noqa: PLR2004
            form.refuse("starts", "patrol.start_form")
            continue
        starts.append(int(hour) * 3600 + int(minute or 0) * 60)
    return tuple(starts)


async def _page(visit: Visit, refusal: TourRefusal | None, status: int = 200) -> Response:
    since = visit.web.clock.now() - SHOWN
    rounds = await visit.read(lambda session: service.rounds(session, visit.system, visit.site_id, since))
    tours = await visit.read(lambda session: service.tours(session, visit.site_id))
    return visit.page("tours/patrols.html", status, rounds=rounds, tours=tours, refusal=refusal, words=ROUND_WORDS)


async def _form_page(visit: Visit, form: Form, status: int = 200) -> Response:
    lanes = await visit.read(lambda session: access_rows.lane_rows(session, visit.site_id))
    return visit.page("tours/tour.html", status, form=form, lanes=lanes)
