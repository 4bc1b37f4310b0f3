"""Outside crews: permits, their crew lists, asking for the second person's approval, approving, ending."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from fastapi import APIRouter, HTTPException, Response

from admin_web.area import Area, Group, Place, allow
from admin_web.forms import WHOLE, Form
from admin_web.i18n import key_of
from admin_web.pages.searching import read_search
from admin_web.visits import StaffVisit, Visit, read_form
from cardcore.ids import LevelId, PersonId
from server.access import repository as access_rows
from server.approvals import service as approvals
from server.approvals.models import ApprovalRefusal, Request
from server.approvals.operations import OPERATIONS
from server.approvals.texts import text_of
from server.audit.service import staff_actor
from server.contractors import service
from server.contractors.approved import APPROVE_PERMIT, ask_permit, content_of
from server.contractors.models import (
    FIELDS,
    MAX_CREW,
    CrewProblem,
    NewPermit,
    PermitId,
    PermitRefusal,
    PermitState,
    Worker,
)
from server.database import ReadSession, WriteSession
from server.people import repository as people_rows
from server.staff.roles import Permission
from server.visitors.documents import DocumentKind

router = APIRouter()
AREA = Area(
    router,
    allow(
        dict.fromkeys(("crews", "crews_search", "crew"), Permission.PERMITS_READ)
        | dict.fromkeys(("crew_new", "crew_draw_up", "crew_ask", "crew_end"), Permission.PERMITS_WRITE)
        | {"crew_approve": Permission.PERMITS_APPROVE}
    ),
    (Place("/crews", "tool", "nav.crews", Permission.PERMITS_READ, Group.GATES),),
    (PermitState, PermitRefusal),
)
CREW_CHARACTERS = 16_000


@router.get("/crews", name="crews")
async def crews(visit: StaffVisit) -> Response:
    """Show the permits, newest first."""
    return await _found(visit, "", 1)


@router.post("/crews", name="crews_search")
async def crews_search(visit: StaffVisit) -> Response:
    """Show what a search finds; changes nothing."""
    text, page = await read_search(visit.request)
    return await _found(visit, text, page)


@router.get("/crews/new", name="crew_new")
async def crew_new(visit: StaffVisit) -> Response:
    """Show an empty permit that begins today."""
    today = visit.web.clock.now().astimezone(visit.web.settings.zone).date().isoformat()
    return await _new_page(visit, Form({"starts_on": today, "ends_on": today}))


@router.post("/crews/new", name="crew_draw_up")
async def crew_draw_up(visit: StaffVisit) -> Response:
    """Draw up a permit; a wrong line of the crew list is named."""
    form = Form(await read_form(visit.request))
    levels, categories = await visit.read(lambda session: _lists(session, visit))
    host = form.text("host", 40)
    found = await visit.read(lambda session: people_rows.by_number(session, visit.site_id, host))
    if host and found is None:
        form.refuse("host", key_of(PermitRefusal.HOST_UNKNOWN))
    new = NewPermit(
        form.text("firm", 100), form.text("work", 100), PersonId(found["id"]) if found else None,
        form.day("starts_on") or date.min, form.day("ends_on") or date.min,
        tuple(LevelId(level) for level, _ in levels if form.is_on(f"level-{level}")),
        _crew(form), form.one_of("category", dict(categories)),
    )  # fmt: skip
    if form.is_good:
        desk = (staff_actor(visit.actor), visit.web.services.document_secret)
        made = await visit.write(lambda session: service.draw_up(session, visit.system, visit.site_id, new, desk))
        match made:
            case CrewProblem(line, refusal):
                words = visit.web.renderer.text(visit.language, key_of(refusal))
                form.refuse("crew", "crew.line_wrong", line=line, why=words)
            case PermitRefusal():
                form.refuse(FIELDS.get(made, WHOLE), key_of(made))
            case _:
                return visit.go(f"/crews/{made}", said="permit_drawn_up")
    return await _new_page(visit, form, 422)


@router.get("/crews/{permit_id}", name="crew")
async def crew(visit: StaffVisit, permit_id: UUID) -> Response:
    """Show one permit with its crew; an unknown id and one of another site answer alike."""
    return await _permit_page(visit, PermitId(permit_id), None)


@router.post("/crews/{permit_id}/ask", name="crew_ask")
async def crew_ask(visit: StaffVisit, permit_id: UUID) -> Response:
    """Ask for a permit to be put into force; another person approves."""
    reason = Form(await read_form(visit.request)).text("reason", 200)
    asked = await visit.write(
        lambda session: ask_permit(session, visit.system, visit.site_id, visit.actor, PermitId(permit_id), reason)
    )
    refusal = asked if isinstance(asked, ApprovalRefusal | PermitRefusal) else None
    return await _ended(visit, PermitId(permit_id), refusal, said="permit_asked")


@router.post("/crews/{permit_id}/approve", name="crew_approve")
async def crew_approve(visit: StaffVisit, permit_id: UUID) -> Response:
    """Put into force what another person asked for, as it was read."""
    seen = (await read_form(visit.request)).get("seen", "")[:128]

    def call(session: WriteSession) -> ApprovalRefusal | None:
        wanted = content_of(session, visit.site_id, PermitId(permit_id))
        if isinstance(wanted, PermitRefusal):
            return ApprovalRefusal.DECIDED
        now = visit.system.clock.now()
        request = approvals.waiting_for(session, visit.site_id, APPROVE_PERMIT, wanted, now)
        if request is None:
            return ApprovalRefusal.NOT_FOUND
        decision = (visit.actor, seen)
        return approvals.approve(session, visit.system, visit.site_id, request.id, decision, OPERATIONS)

    return await _ended(visit, PermitId(permit_id), await visit.write(call), said="permit_approved")


@router.post("/crews/{permit_id}/end", name="crew_end")
async def crew_end(visit: StaffVisit, permit_id: UUID) -> Response:
    """Take a permit back at once."""
    reason = Form(await read_form(visit.request)).text("reason", 100)
    deed = (staff_actor(visit.actor), reason)
    refusal = await visit.write(
        lambda session: service.end(session, visit.system, visit.site_id, PermitId(permit_id), deed)
    )
    return await _ended(visit, PermitId(permit_id), refusal, said="permit_ended")


def _crew(form: Form) -> tuple[Worker, ...]:
    """Read one worker a line: name, then the number of the identity card, or `passport` and its number."""
    workers: list[Worker] = []
    for line, text in enumerate(form.text("crew", CREW_CHARACTERS).splitlines(), 1):
        parts = [part for part in text.replace(",", "\t").replace("，", "\t").split("\t") if part.strip()]
        if not parts:
            continue
        if len(parts) not in {2, 3} or line > MAX_CREW:
            form.refuse("crew", "crew.line_form", line=line)
            continue
        kind = parts[1].strip().lower() if len(parts) > 2 else "id_card"  # noqa: PLR2004 - name, kind, number
        if kind not in {one.value for one in DocumentKind}:
            form.refuse("crew", "crew.line_form", line=line)
            continue
        workers.append(Worker(parts[0].strip(), DocumentKind(kind), parts[-1]))
    return tuple(workers)


async def _found(visit: Visit, text: str, page: int) -> Response:
    now = visit.web.clock.now()
    found = await visit.read(lambda session: service.search(session, visit.site_id, (text, ""), now, page))
    return visit.page("crews/list.html", found=found, text=text, states=PermitState, now=now)


def _lists(session: ReadSession, visit: Visit) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    name = "name_zh" if visit.language.value.startswith("zh") else "name_en"
    levels = [row for row in access_rows.level_rows(session, visit.site_id) if not row["privileged"]]
    return (
        [(row["id"], row[name]) for row in levels],
        [(row["id"], row[name]) for row in people_rows.category_rows(session, visit.site_id)],
    )


async def _new_page(visit: Visit, form: Form, status: int = 200) -> Response:
    levels, categories = await visit.read(lambda session: _lists(session, visit))
    return visit.page("crews/new.html", status, form=form, levels=levels, categories=categories)


async def _permit_page(
    visit: Visit, permit_id: PermitId, refusal: PermitRefusal | ApprovalRefusal | None, status: int = 200
) -> Response:
    found = await visit.read(lambda session: service.get(session, visit.site_id, permit_id))
    if found is None:
        raise HTTPException(404)
    now = visit.web.clock.now()

    def asked(session: ReadSession) -> Request | None:
        wanted = content_of(session, visit.site_id, permit_id)
        if isinstance(wanted, PermitRefusal):
            return None
        return approvals.waiting_for(session, visit.site_id, APPROVE_PERMIT, wanted, now)

    row, workers = found
    told = _told(visit, refusal)
    return visit.page(
        "crews/permit.html", status, row=row, workers=workers, state=PermitState(row["state"]), told=told,
        request=await visit.read(asked), now=now,
    )  # fmt: skip


def _told(visit: Visit, refusal: PermitRefusal | ApprovalRefusal | None) -> str | None:
    match refusal:
        case None:
            return None
        case ApprovalRefusal():
            return text_of(refusal, chinese=visit.language.value.startswith("zh"))
        case _:
            return visit.web.renderer.text(visit.language, key_of(refusal))


async def _ended(
    visit: Visit, permit_id: PermitId, refusal: PermitRefusal | ApprovalRefusal | None, *, said: str
) -> Response:
    if refusal is PermitRefusal.NOT_FOUND:
        raise HTTPException(404)
    if refusal is not None:
        return await _permit_page(visit, permit_id, refusal, 422)
    return visit.go(f"/crews/{permit_id}", said=said)
