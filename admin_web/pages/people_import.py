"""People from a sheet: send it, say which column is which, see row by row what it would do, then all or nothing.

Photos in bulk come as a ZIP whose files are named by the person's number.
"""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, HTTPException, Response

from admin_web.area import Area, allow
from admin_web.forms import WHOLE, Form
from admin_web.i18n import key_of
from admin_web.visits import StaffVisit, Visit, read_form, read_upload
from server.audit.service import staff_actor
from server.people import drafts, photos
from server.people.drafts import COLUMNS, Draft, DraftId
from server.people.import_rows import REQUIRED
from server.people.importing import ImportReport, StaleReportError, dry_run, import_people
from server.people.photos import PhotoRefusal
from server.staff.roles import Permission
from server.subsidies.cells import MAX_COLUMNS, SheetProblem

router = APIRouter()
ROUTES = ("people_sheet", "people_sheet_put", "people_draft", "people_draft_act", "people_photos_put")
AREA = Area(router, allow(dict.fromkeys(ROUTES, Permission.PEOPLE_WRITE)), shown=(SheetProblem,))


@router.get("/people/import", name="people_sheet")
async def people_sheet(visit: StaffVisit) -> Response:
    """Ask for a sheet, or for photos."""
    return visit.page("people/import.html", form=Form({}), report=None)


@router.post("/people/import/upload", name="people_sheet_put")
async def people_sheet_put(visit: StaffVisit) -> Response:
    """Keep a sheet for an hour and lead to its dry run."""
    upload = await read_upload(visit.request)
    kept = await visit.write(
        lambda session: drafts.keep(session, visit.system, visit.site_id, visit.actor, upload.name, upload.content)
    )
    if not isinstance(kept, SheetProblem):
        return visit.go(f"/people/import/{kept}")
    form = Form({})
    form.refuse(WHOLE, key_of(kept))
    return visit.page("people/import.html", 422, form=form, report=None)


@router.get("/people/import/{draft_id}", name="people_draft")
async def people_draft(visit: StaffVisit, draft_id: UUID) -> Response:
    """Show what a sheet would do, its columns as their headers say."""
    draft = await _draft(visit, draft_id)
    return await _shown(visit, draft, draft.guessed, Form({}), 200)


@router.post("/people/import/{draft_id}", name="people_draft_act")
async def people_draft_act(visit: StaffVisit, draft_id: UUID) -> Response:
    """Look again with other columns, or do what was looked at."""
    draft = await _draft(visit, draft_id)
    form = Form(await read_form(visit.request))
    columns = {column: form.number(column, 0, MAX_COLUMNS) for column in COLUMNS if form.value(column) not in {"", "-"}}
    seal, actor = form.value("seal"), staff_actor(visit.actor)
    if not form.is_good or not seal:
        return await _shown(visit, draft, columns, form, 200 if form.is_good else 422)
    try:
        await visit.write(
            lambda session: import_people(session, visit.system, visit.site_id, draft.content, seal, actor, columns)
        )
    except StaleReportError:
        form.refuse(WHOLE, "people_import.stale")
        return await _shown(visit, draft, columns, form, 422)
    await visit.write(lambda session: drafts.forget(session, draft.id))
    return visit.go("/people", said="people_imported")


@router.post("/people/photos/upload", name="people_photos_put")
async def people_photos_put(visit: StaffVisit) -> Response:
    """Take the good photos of a ZIP and list the others."""
    upload, actor = await read_upload(visit.request), staff_actor(visit.actor)
    report = await visit.write(
        lambda session: photos.put_many(session, visit.system, visit.site_id, upload.content, actor)
    )
    form = Form({})
    if isinstance(report, PhotoRefusal):
        form.refuse(WHOLE, key_of(report))
        return visit.page("people/import.html", 422, form=form, report=None)
    return visit.page("people/import.html", form=form, report=report)


async def _draft(visit: Visit, draft_id: UUID) -> Draft:
    found = await visit.read(lambda session: drafts.get(session, visit.site_id, DraftId(draft_id), visit.actor))
    if found is None:
        raise HTTPException(404)
    return found


async def _shown(visit: Visit, draft: Draft, columns: dict[str, int], form: Form, status: int) -> Response:
    report: ImportReport = await visit.read(lambda session: dry_run(session, visit.site_id, draft.content, columns))
    problem, _, which = report.file_problem.partition(":")
    values = {
        "draft": draft, "columns": columns, "form": form, "report": report, "all_columns": COLUMNS,
        "required": REQUIRED, "problem": problem, "which": which,
    }  # fmt: skip
    return visit.page("people/draft.html", status, **values)
