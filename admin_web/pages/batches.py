"""Sheets of credits: subsidies, meals, payroll, bank lines. A dry run with a report by row; a second person books."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, HTTPException, Response

from admin_web.area import Area, Group, Place, allow
from admin_web.asking import ask, in_language
from admin_web.forms import WHOLE, Form
from admin_web.visits import StaffVisit, Visit, read_form, read_upload
from cardcore.money import MAX_AMOUNT_FEN, Fen
from server.audit.service import staff_actor
from server.staff.roles import Permission
from server.subsidies import batches, repository
from server.subsidies.approved import BATCH_BOOK, BATCH_REVERSE, BookBatch, ReverseBatch
from server.subsidies.batches import MAX_BATCH_NUMBER, MAX_SOURCE, BatchKind, BatchView, Preview, Sheet
from server.subsidies.cells import Unreadable
from server.subsidies.texts import FIELDS, TEXTS

router = APIRouter()
AREA = Area(
    router,
    allow(dict.fromkeys(("batches", "batches_check", "batches_hand_in", "batch_take_back"), Permission.SUBSIDY_CREDIT)),
    (Place("/batches", "file-spreadsheet", "nav.batches", Permission.SUBSIDY_CREDIT, Group.FINANCE),),
    (BatchKind,),
)
LISTED = 50
MAX_TOTAL = Fen(MAX_AMOUNT_FEN * 1_000)
"""Of a control total; each line has its own limit."""


@router.get("/batches", name="batches")
async def all_batches(visit: StaffVisit) -> Response:
    """Show batches and the form that takes a sheet."""
    return await _page(visit, Form({}))


@router.post("/batches/check/upload", name="batches_check")
async def batches_check(visit: StaffVisit) -> Response:
    """Say what is right and wrong with a sheet; write nothing. That it is wrong is the answer, not an error."""
    form, sheet = await _sheet(visit)
    checked = None
    if form.is_good:
        checked = await visit.read(lambda session: batches.preview(session, visit.site_id, sheet))
    return await _page(visit, form, checked=checked)


@router.post("/batches/hand-in/upload", name="batches_hand_in")
async def batches_hand_in(visit: StaffVisit) -> Response:
    """Keep a clean sheet as a draft and ask another person to book it."""
    form, sheet = await _sheet(visit)
    if not form.is_good:
        return await _page(visit, form, 422)
    actor = staff_actor(visit.actor)
    made = await visit.write(lambda session: batches.draft(session, visit.system, visit.site_id, sheet, actor))
    if isinstance(made, Preview):
        return await _page(visit, form, 422, checked=made)
    if made.state != "draft":
        form.refuse("number", "batches.decided")
        return await _page(visit, form, 422)
    wanted = BookBatch(made.id, made.number, made.kind, made.lines, made.total, made.content_hash)
    asking = Form({"reason": form.value("reason").strip() or sheet.source})
    if await ask(visit, BATCH_BOOK, wanted, asking):
        return visit.go("/approvals", said="approvals.asked")
    form.errors.update(asking.errors)
    return await _page(visit, form, 422)


@router.post("/batches/{batch_id}/take-back", name="batch_take_back")
async def batch_take_back(visit: StaffVisit, batch_id: UUID) -> Response:
    """Ask another person to agree that a booked batch is taken back, of each line what is left."""
    form = Form(await read_form(visit.request))
    rows = await visit.read(lambda session: repository.batches(session, visit.site_id, LISTED, 0))
    number = next((str(row["number"]) for row in rows if row["id"] == batch_id), None)
    if number is None:
        raise HTTPException(404)
    if await ask(visit, BATCH_REVERSE, ReverseBatch(batch_id, number), form):
        return visit.go("/approvals", said="approvals.asked")
    return await _page(visit, form, 422)


async def _sheet(visit: Visit) -> tuple[Form, Sheet]:
    upload = await read_upload(visit.request)
    form = Form(upload.fields)
    number, kind = form.text("number", MAX_BATCH_NUMBER), form.choice("kind", BatchKind)
    control: Fen | None = None
    if form.value("control").strip():
        if kind is BatchKind.MEALS:
            control = Fen(form.number("control", 1, MAX_TOTAL))
        else:
            control = form.yuan("control", Fen(1), MAX_TOTAL)
    if not upload.content:
        form.refuse("file", "form.missing")
    return form, Sheet(number, kind, upload.name[:MAX_SOURCE], upload.content, control)


async def _page(visit: Visit, form: Form, status: int = 200, checked: Preview | None = None) -> Response:
    rows = await visit.read(lambda session: repository.batches(session, visit.site_id, LISTED, 0))
    if checked is not None and checked.refused is not None:
        reason = checked.refused.problem if isinstance(checked.refused, Unreadable) else checked.refused
        row = checked.refused.row if isinstance(checked.refused, Unreadable) else 0
        key = "batches.unreadable_row" if row else "form.told"
        form.refuse(WHOLE, key, words=in_language(visit, TEXTS[reason]), row=row)
    views: list[BatchView] = [batches.view_of(row) for row in rows]
    return visit.page(
        "batches/batches.html", status, views=views, form=form, checked=checked, kinds=list(BatchKind),
        mistake_of=lambda one: in_language(visit, TEXTS[one.mistake]),
        field_of=lambda one: in_language(visit, FIELDS[one.field]),
    )  # fmt: skip
