"""The registration desk: the register, a new visitor, one visit with its pass, and how the site takes visitors."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import segno
from fastapi import APIRouter, HTTPException, Response

from admin_web.area import Area, Group, Place, allow
from admin_web.forms import WHOLE, Form
from admin_web.i18n import key_of
from admin_web.pages.downloads import csv_answer
from admin_web.pages.searching import read_search
from admin_web.visits import StaffVisit, Visit, read_form
from cardcore.ids import CategoryId, LevelId, PersonId, ZoneId
from server.access import repository as access_rows
from server.audit.service import staff_actor
from server.database import ReadSession, WriteSession
from server.people import repository as people_rows
from server.staff import service as staff
from server.staff.roles import Permission
from server.visitors import ending, passes, register, service
from server.visitors.documents import DocumentKind
from server.visitors.models import (
    FIELDS,
    IssuedPass,
    NewVisit,
    PassKind,
    Search,
    VisitId,
    VisitorRules,
    VisitRefusal,
    VisitState,
)
from server.visitors.service import Desk

router = APIRouter()
_READ = ("visitors", "visitors_search", "visit", "visitors_export")
_WRITE = ("visit_new", "visit_register", "visit_pass", "visit_card", "visit_out", "visit_extend", "visit_cancel")
_APPROVE = ("visit_answer", "visitor_rules", "visitor_rules_set")
AREA = Area(
    router,
    allow(
        dict.fromkeys(_READ, Permission.VISITS_READ)
        | dict.fromkeys(_WRITE, Permission.VISITS_WRITE)
        | dict.fromkeys(_APPROVE, Permission.VISITS_APPROVE)
    ),
    (Place("/visitors", "id-badge-2", "nav.visitors", Permission.VISITS_READ, Group.GATES, "v"),),
    (VisitState, VisitRefusal, DocumentKind, PassKind),
)
FIRST_HOURS = 2
WHEN = "%Y-%m-%dT%H:%M"


@router.get("/visitors", name="visitors")
async def visitors(visit: StaffVisit) -> Response:
    """Show who is announced, expected and inside, and the newest of the register."""
    return await _found(visit, "", 1)


@router.post("/visitors", name="visitors_search")
async def visitors_search(visit: StaffVisit) -> Response:
    """Show what a search finds; changes nothing."""
    text, page = await read_search(visit.request)
    return await _found(visit, text, page)


@router.post("/visitors/export", name="visitors_export")
async def visitors_export(visit: StaffVisit) -> Response:
    """Hand out the register as a file, after noting who asked and why."""
    form = Form(await read_form(visit.request))
    reason = form.text("reason", 200)
    if not form.is_good:
        raise HTTPException(400)
    wanted, deed = Search(), (staff_actor(visit.actor), reason)
    await visit.write(lambda session: register.note_export(session, visit.system, visit.site_id, wanted, deed))
    return await csv_answer(
        visit, "visitors", lambda session, language: register.table(session, visit.site_id, wanted, language)
    )


@router.get("/visitors/new", name="visit_new")
async def visit_new(visit: StaffVisit) -> Response:
    """Show an empty form that begins now."""
    now = visit.web.clock.now().astimezone(visit.web.settings.zone)
    how = await visit.read(lambda session: service.rules(session, visit.site_id))
    typed = {
        "starts_at": now.strftime(WHEN), "ends_at": (now + timedelta(hours=FIRST_HOURS)).strftime(WHEN),
        "document_kind": DocumentKind.ID_CARD, "escorted": "1" if how is None or how.escorted else "",
    }  # fmt: skip
    return visit.page("visitors/new.html", form=Form(typed), kinds=DocumentKind, has_rules=how is not None)


@router.post("/visitors/new", name="visit_register")
async def visit_register(visit: StaffVisit) -> Response:
    """Write a visitor into the register."""
    form = Form(await read_form(visit.request))
    zone = visit.web.settings.zone
    host = form.text("host", 40, required=False)
    typed = (
        form.text("name", 100), form.text("purpose", 100), form.choice("document_kind", DocumentKind),
        form.text("document_number", 40), form.moment("starts_at", zone), form.moment("ends_at", zone),
        form.text("company", 100, required=False), form.text("plate", 12, required=False),
    )  # fmt: skip
    made: VisitId | VisitRefusal | None = None
    if form.is_good:
        name, purpose, kind, number, starts_at, ends_at, company, plate = typed
        found = await visit.read(lambda session: people_rows.by_number(session, visit.site_id, host) if host else None)
        if host and found is None:
            form.refuse("host", key_of(VisitRefusal.HOST_UNKNOWN))
        else:
            new = NewVisit(
                name, PersonId(found["id"]) if found else None, purpose, kind, number, starts_at, ends_at,
                company=company, plate=plate, escorted=form.is_on("escorted"), reentry=form.is_on("reentry"),
            )  # fmt: skip
            made = await _registered(visit, new)
    if isinstance(made, VisitRefusal):
        form.refuse(FIELDS.get(made, WHOLE), key_of(made))
    if not form.is_good or made is None or isinstance(made, VisitRefusal):
        return visit.page(
            "visitors/new.html", 422, form=form, kinds=DocumentKind, has_rules=made is not VisitRefusal.NO_RULES
        )
    return visit.go(f"/visitors/{made}", said="visit_registered")


@router.get("/visitors/rules", name="visitor_rules")
async def visitor_rules(visit: StaffVisit) -> Response:
    """Show how the site takes visitors."""
    how = await visit.read(lambda session: service.rules(session, visit.site_id))
    typed = _typed_rules(how) if how is not None else {"approval_needed": "1", "escorted": "1"} | _NUMBERS_AT_FIRST
    return await _rules_page(visit, Form(typed))


@router.post("/visitors/rules", name="visitor_rules_set")
async def visitor_rules_set(visit: StaffVisit) -> Response:
    """Set how the site takes visitors."""
    form = Form(await read_form(visit.request))
    lists = await visit.read(lambda session: _lists(session, visit))
    levels = tuple(LevelId(level) for level, _ in lists["levels"] if form.is_on(f"level-{level}"))
    always = tuple(LevelId(level) for level, _ in lists["levels"] if form.is_on(f"always-{level}"))
    new = VisitorRules(
        CategoryId(form.one_of("category", dict(lists["categories"]))),
        ZoneId(form.one_of("outside_zone", dict(lists["zones"]))), levels, always,
        approval_needed=form.is_on("approval_needed"), escorted=form.is_on("escorted"),
        early_minutes=form.number("early_minutes", 0, 1_440), grace_minutes=form.number("grace_minutes", 0, 1_440),
        overstay_minutes=form.number("overstay_minutes", 0, 1_440), longest_hours=form.number("longest_hours", 1, 744),
        most_per_host=form.number("most_per_host", 0, 1_000), keep_days=form.number("keep_days", 1, 3_650),
    )  # fmt: skip
    if form.is_good:
        actor = staff_actor(visit.actor)
        refusal = await visit.write(lambda session: service.put_rules(session, visit.system, visit.site_id, new, actor))
        if refusal is None:
            return visit.go("/visitors", said="rules_set")
        form.refuse(FIELDS.get(refusal, WHOLE), key_of(refusal))
    return await _rules_page(visit, form, 422)


@router.get("/visitors/{visit_id}", name="visit")
async def one_visit(visit: StaffVisit, visit_id: UUID) -> Response:
    """Show one visit; an unknown id and one of another site answer alike."""
    return await _visit_page(visit, VisitId(visit_id), None)


@router.post("/visitors/{visit_id}/answer", name="visit_answer")
async def visit_answer(visit: StaffVisit, visit_id: UUID) -> Response:
    """Say yes or no for the host."""
    agreed = (await read_form(visit.request)).get("agreed", "") == "1"
    actor = staff_actor(visit.actor)
    refusal = await visit.write(
        lambda session: service.answer(
            session, visit.system, visit.site_id, VisitId(visit_id),
            (actor, staff.person_of(session, visit.actor)), agreed=agreed, for_host=True,
        )
    )  # fmt: skip
    return await _ended(visit, VisitId(visit_id), refusal, said="visit_answered")


@router.post("/visitors/{visit_id}/pass", name="visit_pass")
async def visit_pass(visit: StaffVisit, visit_id: UUID) -> Response:
    """Sign a QR pass and show it to be printed; it is not kept."""
    actor, keys = staff_actor(visit.actor), visit.web.services.keys
    made = await visit.write(
        lambda session: passes.issue_qr(session, visit.system, visit.site_id, VisitId(visit_id), keys, actor)
    )
    if isinstance(made, VisitRefusal):
        return await _ended(visit, VisitId(visit_id), made, said="")
    return await _pass_page(visit, VisitId(visit_id), made)


@router.post("/visitors/{visit_id}/card", name="visit_card")
async def visit_card(visit: StaffVisit, visit_id: UUID) -> Response:
    """Lend a card from stock, by its printed number."""
    form = Form(await read_form(visit.request))
    number, actor = form.text("card", 40), staff_actor(visit.actor)
    if not form.is_good:
        return await _visit_page(visit, VisitId(visit_id), VisitRefusal.CARD_UNKNOWN, 422)
    made = await visit.write(
        lambda session: passes.lend_card(session, visit.system, visit.site_id, VisitId(visit_id), number, actor)
    )
    refusal = made if isinstance(made, VisitRefusal) else None
    return await _ended(visit, VisitId(visit_id), refusal, said="card_lent")


@router.post("/visitors/{visit_id}/out", name="visit_out")
async def visit_out(visit: StaffVisit, visit_id: UUID) -> Response:
    """Check somebody out; a card that was handed in goes back to stock."""
    returned = (await read_form(visit.request)).get("returned", "") == "1"
    deed = (staff_actor(visit.actor), "")
    refusal = await visit.write(
        lambda session: ending.check_out(
            session, visit.system, visit.site_id, VisitId(visit_id), deed, card_returned=returned
        )
    )
    return await _ended(visit, VisitId(visit_id), refusal, said="checked_out")


@router.post("/visitors/{visit_id}/extend", name="visit_extend")
async def visit_extend(visit: StaffVisit, visit_id: UUID) -> Response:
    """Let a visit end later."""
    form = Form(await read_form(visit.request))
    ends_at, actor = form.moment("ends_at", visit.web.settings.zone), staff_actor(visit.actor)
    if not form.is_good:
        return await _visit_page(visit, VisitId(visit_id), VisitRefusal.ENDS_BEFORE_START, 422)
    refusal = await visit.write(
        lambda session: ending.extend(session, visit.system, visit.site_id, VisitId(visit_id), ends_at, actor)
    )
    return await _ended(visit, VisitId(visit_id), refusal, said="visit_extended")


@router.post("/visitors/{visit_id}/cancel", name="visit_cancel")
async def visit_cancel(visit: StaffVisit, visit_id: UUID) -> Response:
    """Strike out a visit that has not begun."""
    actor = staff_actor(visit.actor)
    refusal = await visit.write(
        lambda session: service.cancel(session, visit.system, visit.site_id, VisitId(visit_id), actor)
    )
    return await _ended(visit, VisitId(visit_id), refusal, said="visit_cancelled")


_NUMBERS_AT_FIRST = {
    "early_minutes": "30", "grace_minutes": "60", "overstay_minutes": "15", "longest_hours": "12",
    "most_per_host": "0", "keep_days": "90",
}  # fmt: skip


async def _registered(visit: Visit, new: NewVisit) -> VisitId | VisitRefusal:
    secret = visit.web.services.document_secret

    def call(session: WriteSession) -> VisitId | VisitRefusal:
        desk = Desk(staff_actor(visit.actor), secret, staff.person_of(session, visit.actor))
        return service.register(session, visit.system, visit.site_id, new, desk)

    return await visit.write(call)


async def _found(visit: Visit, text: str, page: int) -> Response:
    found = await visit.read(lambda session: register.search(session, visit.site_id, Search(text), page))
    late = await visit.read(lambda session: service.overstays(session, visit.site_id))
    return visit.page("visitors/list.html", found=found, text=text, late=late, states=VisitState)


async def _visit_page(visit: Visit, visit_id: VisitId, refusal: VisitRefusal | None, status: int = 200) -> Response:
    row = await visit.read(lambda session: service.get(session, visit.site_id, visit_id))
    if row is None:
        raise HTTPException(404)
    zone = visit.web.settings.zone
    form = Form({"ends_at": row["ends_at"].astimezone(zone).strftime(WHEN)})
    return visit.page(
        "visitors/visit.html", status, row=row, state=VisitState(row["state"]), kind=DocumentKind(row["document_kind"]),
        refusal=refusal, form=form, waiting={"announced", "approved"},
    )  # fmt: skip


async def _ended(visit: Visit, visit_id: VisitId, refusal: VisitRefusal | None, *, said: str) -> Response:
    if refusal is VisitRefusal.NOT_FOUND:
        raise HTTPException(404)
    if refusal is not None:
        return await _visit_page(visit, visit_id, refusal, 422)
    return visit.go(f"/visitors/{visit_id}", said=said)


async def _pass_page(visit: Visit, visit_id: VisitId, made: IssuedPass) -> Response:
    row = await visit.read(lambda session: service.get(session, visit.site_id, visit_id))
    code = segno.make(made.text, error="m", micro=False)
    return visit.page("visitors/pass.html", row=row, made=made, picture=code.svg_data_uri(scale=4, border=2))


def _lists(session: ReadSession, visit: Visit) -> dict[str, list[tuple[str, str]]]:
    name = "name_zh" if visit.language.value.startswith("zh") else "name_en"
    levels = [row for row in access_rows.level_rows(session, visit.site_id) if not row["privileged"]]
    return {
        "categories": [(row["id"], row[name]) for row in people_rows.category_rows(session, visit.site_id)],
        "zones": [(row["id"], row[name]) for row in access_rows.zone_rows(session, visit.site_id)],
        "levels": [(row["id"], row[name]) for row in levels],
    }


def _typed_rules(how: VisitorRules) -> dict[str, str]:
    typed = {name: str(getattr(how, name)) for name in _NUMBERS_AT_FIRST}
    typed |= {"category": how.category, "outside_zone": how.outside_zone}
    typed |= {name: "1" if getattr(how, name) else "" for name in ("approval_needed", "escorted")}
    return typed | {f"level-{one}": "1" for one in how.levels} | {f"always-{one}": "1" for one in how.always_levels}


async def _rules_page(visit: Visit, form: Form, status: int = 200) -> Response:
    lists = await visit.read(lambda session: _lists(session, visit))
    return visit.page("visitors/rules.html", status, form=form, lists=lists)
