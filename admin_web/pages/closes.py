"""Closing days, one step after the other: what tills counted, what differs, close, sign, the sheet; then the month."""

from __future__ import annotations

from datetime import date, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from fastapi import APIRouter, HTTPException, Response

from admin_web.area import Area, Group, Place, allow
from admin_web.asking import ask, in_language
from admin_web.forms import WHOLE, Form
from admin_web.i18n import key_of
from admin_web.pages.searching import page_number
from admin_web.visits import StaffVisit, Visit, read_form
from cardcore.clock import site_time
from server.cli.books_texts import CAUSES, KINDS, REFUSALS
from server.close import equalities, findings, months, run, service
from server.close.findings import MAX_EXPLANATION, FindingFilter, FindingRefusal
from server.close.models import Cause, CloseRefusal, CloseState, DayClose, Finding, FindingKind
from server.database import Database, ReadSession
from server.exports.sign_off import SheetNames, sign_off_pdf
from server.staff import repository as staff_rows
from server.staff.roles import Permission, Role

router = APIRouter()
SHOWN_DAYS = 31


class FindingOwner(StrEnum):
    """Whose task a finding can be: the roles that can find out."""

    FINANCE = Role.FINANCE.value
    CANTEEN_MANAGER = Role.CANTEEN_MANAGER.value
    CASHIER = Role.CASHIER.value
    SYSTEM_ADMIN = Role.SYSTEM_ADMIN.value
    SECURITY_OFFICER = Role.SECURITY_OFFICER.value


AREA = Area(
    router,
    {
        **allow(
            dict.fromkeys(("closes", "close_day", "close_sheet", "close_check", "findings"), Permission.BOOKS_READ)
        ),
        **allow(dict.fromkeys(("close_do", "close_lock", "finding_settle", "finding_assign"), Permission.BOOKS_CLOSE)),
        **allow({"close_sign": Permission.BOOKS_SIGN, "close_reopen": Permission.BOOKS_REOPEN}),
    },
    (
        Place("/closes", "calendar-event", "nav.closes", Permission.BOOKS_READ, Group.FINANCE),
        Place("/findings", "flag", "nav.findings", Permission.BOOKS_READ, Group.FINANCE),
    ),
    (FindingRefusal, FindingOwner),
)


@router.get("/closes", name="closes")
async def closes(visit: StaffVisit) -> Response:
    """Show the last days and which is to be closed next."""
    return await _closes(visit, Form({}))


@router.get("/closes/{day}", name="close_day")
async def close_day(visit: StaffVisit, day: date) -> Response:
    """Show one day: its figures and findings as they stand, and the step that comes next."""
    return await _day(visit, day, Form({}))


@router.post("/closes/{day}/check", name="close_check")
async def close_check(visit: StaffVisit, day: date) -> Response:
    """Look at a day again; settles what is not different any more."""
    services = visit.web.services
    checked = await services.run(run.reconcile_day, _database(visit), visit.system, visit.site_id, day)
    return await _day(visit, day, Form({}), figures=checked.figures)


@router.post("/closes/{day}/close", name="close_do")
async def close_do(visit: StaffVisit, day: date) -> Response:
    """Close a day; asked twice, it is closed once."""
    form = Form(await read_form(visit.request))
    services, without = visit.web.services, form.is_on("without_silent")
    closed = await services.run(
        run.close_day, _database(visit), visit.system, visit.site_id, day, visit.actor, without_silent=without
    )
    if isinstance(closed, DayClose):
        return visit.go(f"/closes/{day}", said="closes.closed")
    return await _day(visit, day, _refused(visit, form, closed), 422)


@router.post("/closes/{day}/sign", name="close_sign")
async def close_sign(visit: StaffVisit, day: date) -> Response:
    """Sign what another person closed."""
    form = Form(await read_form(visit.request))
    refusal = await visit.write(lambda session: service.sign(session, visit.system, visit.site_id, day, visit.actor))
    if refusal is None:
        return visit.go(f"/closes/{day}", said="closes.signed")
    return await _day(visit, day, _refused(visit, form, refusal), 422)


@router.post("/closes/{day}/reopen", name="close_reopen")
async def close_reopen(visit: StaffVisit, day: date) -> Response:
    """Ask another person to agree that a day and all later ones are opened again."""
    form = Form(await read_form(visit.request))
    if await ask(visit, months.REOPEN, months.Reopen(day, form.is_on("unlock")), form):
        return visit.go("/closes", said="approvals.asked")
    return await _day(visit, day, form, 422)


@router.get("/closes/{day}/sheet.pdf", name="close_sheet")
async def close_sheet(visit: StaffVisit, day: date) -> Response:
    """Send the sign-off sheet of a closed day."""

    def read(session: ReadSession) -> tuple[DayClose, SheetNames] | None:
        closed = service.standing_close(session, visit.site_id, day)
        if closed is None or closed.state is not CloseState.CLOSED:
            return None
        names = SheetNames(
            visit.web.settings.site_name, _name(session, closed.closed_by), _name(session, closed.signed_by)
        )
        return closed, names

    found = await visit.read(read)
    if found is None:
        raise HTTPException(404)
    content = await visit.web.services.run(sign_off_pdf, *found)
    headers = {"Content-Disposition": f'inline; filename="day-close-{day}.pdf"'}
    return Response(content, media_type="application/pdf", headers=headers)


@router.post("/closes/lock-month", name="close_lock")
async def close_lock(visit: StaffVisit) -> Response:
    """Lock a month whose days are closed and whose findings are settled."""
    form = Form(await read_form(visit.request))
    month = form.day("month") or date.min
    if form.is_good:
        refusal = await visit.write(
            lambda session: months.lock_month(session, visit.system, visit.site_id, month, visit.actor)
        )
        if refusal is None:
            return visit.go("/closes", said="closes.locked")
        _refused(visit, form, refusal)
    return await _closes(visit, form, 422)


@router.get("/findings", name="findings")
async def all_findings(visit: StaffVisit, page: str = "", owner: str = "") -> Response:
    """Show what is open, the oldest first; of one owner if asked."""
    wanted, number = FindingFilter(owner=owner if owner in set(FindingOwner) else None), page_number(page)
    found = await visit.read(lambda session: findings.find(session, visit.site_id, wanted, number))
    return visit.page(
        "closes/findings.html",
        found=found,
        owner=wanted.owner,
        roles=list(FindingOwner),
        form=Form({}),
        **_words(visit),
    )


@router.post("/findings/{finding_id}/settle", name="finding_settle")
async def finding_settle(visit: StaffVisit, finding_id: UUID) -> Response:
    """Close a finding with its explanation."""
    form = Form(await read_form(visit.request))
    reason = form.text("reason", MAX_EXPLANATION)
    refusal: FindingRefusal | None = FindingRefusal.EXPLANATION_MISSING
    if form.is_good:
        refusal = await visit.write(
            lambda session: findings.settle(session, visit.system, visit.site_id, finding_id, visit.actor, reason)
        )
    return await _after_finding(visit, form, refusal)


@router.post("/findings/{finding_id}/assign", name="finding_assign")
async def finding_assign(visit: StaffVisit, finding_id: UUID) -> Response:
    """Carry a finding on as the task of a role."""
    form = Form(await read_form(visit.request))
    owner = form.choice("owner", FindingOwner)
    refusal: FindingRefusal | None = None
    if form.is_good:
        refusal = await visit.write(
            lambda session: findings.assign(session, visit.system, visit.site_id, finding_id, visit.actor, Role(owner))
        )
    return await _after_finding(visit, form, refusal)


async def _after_finding(visit: Visit, form: Form, refusal: FindingRefusal | None) -> Response:
    """Lead back to the day whose finding it was, or to the list of all; or say what was refused."""
    if refusal is None and form.is_good:
        try:
            return visit.go(f"/closes/{date.fromisoformat(form.value('day'))}", said="findings.done")
        except ValueError:
            return visit.go("/findings", said="findings.done")
    if refusal is not None:
        form.refuse(WHOLE, key_of(refusal))
    found = await visit.read(lambda session: findings.find(session, visit.site_id, FindingFilter(), 1))
    return visit.page(
        "closes/findings.html", 422, found=found, owner=None, roles=list(FindingOwner), form=form, **_words(visit)
    )


async def _closes(visit: Visit, form: Form, status: int = 200) -> Response:
    today, site = _today(visit), visit.site_id

    def read(session: ReadSession) -> tuple[date | None, dict[date, DayClose]]:
        standing = service.closes_between(session, site, today - timedelta(days=SHOWN_DAYS), today)
        return service.first_open_day(session, site), {one.business_day: one for one in standing}

    first, standing = await visit.read(read)
    days = [today - timedelta(days=back) for back in range(SHOWN_DAYS)]
    last_month = today.replace(day=1) - timedelta(days=1)
    return visit.page(
        "closes/closes.html", status, form=form, first=first, standing=standing, days=days, today=today,
        last_month=last_month,
    )  # fmt: skip


async def _day(visit: Visit, day: date, form: Form, status: int = 200, figures: object = None) -> Response:
    wanted = FindingFilter(from_day=day, through_day=day, only_open=False)

    def read(session: ReadSession) -> tuple[DayClose | None, object, str, str]:
        closed = service.standing_close(session, visit.site_id, day)
        found = findings.find(session, visit.site_id, wanted, 1)
        names = (closed.closed_by, closed.signed_by) if closed is not None else ("", "")
        return closed, found, _name(session, names[0]), _name(session, names[1])

    closed, found, closer, signer = await visit.read(read)
    if figures is None:
        if closed is not None and closed.state is CloseState.CLOSED:
            figures = closed.figures
        else:
            figures = await visit.read(lambda session: _figures(session, visit, day))
    return visit.page(
        "closes/day.html", status, day_=day, closed=closed, found=found, form=form, figures=figures,
        roles=list(FindingOwner), closer=closer, signer=signer, is_over=day < _today(visit), **_words(visit),
    )  # fmt: skip


def _figures(session: ReadSession, visit: Visit, day: date) -> object:
    return equalities.check_day(session, visit.site_id, day).figures


def _words(visit: Visit) -> dict[str, Any]:
    """Return the services' own words for what can differ and why."""

    def kind_of(finding: Finding) -> str:
        known = finding.kind in set(FindingKind)
        return in_language(visit, KINDS[FindingKind(finding.kind)]) if known else finding.kind.replace("_", " ")

    def cause_of(finding: Finding) -> str:
        return in_language(visit, CAUSES[Cause(finding.cause)]) if finding.cause in set(Cause) else finding.cause

    return {"kind_of": kind_of, "cause_of": cause_of}


def _refused(visit: Visit, form: Form, refusal: CloseRefusal) -> Form:
    form.refuse(WHOLE, "form.told", words=in_language(visit, REFUSALS[refusal]))
    return form


def _name(session: ReadSession, actor: str) -> str:
    if not actor:
        return ""
    row = staff_rows.get(session, service.actor_staff(actor))
    return "" if row is None else str(row["name"])


def _today(visit: Visit) -> date:
    settings = visit.web.settings
    return site_time(visit.web.clock.now(), settings.zone, settings.day_starts_at).business_day


def _database(visit: Visit) -> Database:
    """Return the database itself: closing a day takes several transactions in a row."""
    database = visit.web.services.database
    if not isinstance(database, Database):
        msg = "closing needs the real database"
        raise TypeError(msg)
    return database
