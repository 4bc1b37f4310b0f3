"""Adding and changing people, their photos, and how somebody leaves. Each form shows its errors beside the field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from fastapi import APIRouter, HTTPException, Response

from admin_web.area import Area
from admin_web.forms import WHOLE, Form
from admin_web.i18n import key_of
from admin_web.visits import StaffVisit, Visit, read_form, read_upload
from cardcore.access.items import CardState
from cardcore.ids import CardId, CategoryId, PersonId
from server.audit.service import staff_actor
from server.cards import service as cards
from server.cards.badge import Badge, BadgeRefusal, badge_pdf
from server.cards.transitions import allowed
from server.database import ReadSession
from server.people import leaving, photos
from server.people import repository as people_rows
from server.people import service as people
from server.people.initials import MAX_INITIALS
from server.people.leaving import AccountThen, Leaving, LeavingRefusal
from server.people.photos import PhotoRefusal
from server.people.service import MAX_NAME, MAX_NUMBER, NewPerson, PersonRefusal
from server.staff.roles import Permission

Row = Any
"""As services hand them out."""
router = APIRouter()
READ, WRITE = frozenset({Permission.PEOPLE_READ}), frozenset({Permission.PEOPLE_WRITE})
AREA = Area(
    router,
    {
        "person_new": WRITE, "person_add": WRITE, "person_edit": WRITE, "person_change": WRITE,
        "person_leaving": WRITE, "person_leave": WRITE, "person_photo_put": WRITE,
        "person_photo": frozenset({Permission.PHOTOS_READ}), "person_photo_drop": WRITE,
        "card_badge": frozenset({Permission.CARDS_ISSUE}),
    },
    shown=(PersonRefusal, LeavingRefusal, AccountThen, PhotoRefusal),
)  # fmt: skip

MAX_REASON = 200
FIELD_OF = {
    PersonRefusal.NUMBER_TAKEN: "number",
    PersonRefusal.UNKNOWN_CATEGORY: "category",
    PersonRefusal.UNKNOWN_DEPARTMENT: "department",
    PersonRefusal.NAME_MISSING: "name",
}


@router.get("/people/new", name="person_new")
async def person_new(visit: StaffVisit) -> Response:
    """Ask for the particulars of somebody new."""
    return await _particulars(visit, Form({}), None, 200)


@router.post("/people/new", name="person_add")
async def person_add(visit: StaffVisit) -> Response:
    """Add somebody."""
    form = Form(await read_form(visit.request))
    new = _read(form, form.text("number", MAX_NUMBER))
    if form.is_good:
        actor = staff_actor(visit.actor)
        made = await visit.write(lambda session: people.create_person(session, visit.system, visit.site_id, new, actor))
        if not isinstance(made, PersonRefusal):
            return visit.go(f"/people/{made}", said="person_added")
        form.refuse(FIELD_OF.get(made, WHOLE), key_of(made))
    return await _particulars(visit, form, None, 422)


@router.get("/people/{person_id}/edit", name="person_edit")
async def person_edit(visit: StaffVisit, person_id: UUID) -> Response:
    """Show somebody's particulars as a form."""
    row = await _person(visit, person_id)
    return await _particulars(visit, _filled(row), row, 200)


@router.post("/people/{person_id}/edit", name="person_change")
async def person_change(visit: StaffVisit, person_id: UUID) -> Response:
    """Change somebody's particulars; the number stays."""
    row = await _person(visit, person_id)
    form = Form(await read_form(visit.request))
    new = _read(form, row["number"])
    if form.is_good:
        actor, who = staff_actor(visit.actor), PersonId(person_id)
        refusal = await visit.write(
            lambda session: people.change_person(session, visit.system, visit.site_id, who, new, actor)
        )
        if refusal is None:
            return visit.go(f"/people/{person_id}", said="person_changed")
        form.refuse(FIELD_OF.get(refusal, WHOLE), key_of(refusal))
    return await _particulars(visit, form, row, 422)


@router.get("/people/{person_id}/leave", name="person_leaving")
async def person_leaving(visit: StaffVisit, person_id: UUID) -> Response:
    """Show what leaving ends, and ask what was handed in."""
    return await _leaving(visit, person_id, Form({"account": AccountThen.FROZEN}), 200)


@router.post("/people/{person_id}/leave", name="person_leave")
async def person_leave(visit: StaffVisit, person_id: UUID) -> Response:
    """End somebody's cards and rights."""
    form = Form(await read_form(visit.request))
    account, reason = form.choice("account", AccountThen), form.text("reason", MAX_REASON)
    if form.is_good:
        held = await visit.read(lambda session: people.cards_of(session, visit.site_id, PersonId(person_id)))
        handed_in = frozenset(CardId(card["id"]) for card in held if form.is_on(f"card-{card['id']}"))
        wanted, actor = Leaving(PersonId(person_id), account, handed_in, reason), staff_actor(visit.actor)
        left = await visit.write(lambda session: leaving.leave(session, visit.system, visit.site_id, wanted, actor))
        if not isinstance(left, LeavingRefusal):
            return visit.go(f"/people/{person_id}", said="person_left")
        form.refuse(WHOLE, key_of(left))
    return await _leaving(visit, person_id, form, 422)


@router.get("/people/{person_id}/photo", name="person_photo")
async def person_photo(visit: StaffVisit, person_id: UUID) -> Response:
    """Return somebody's photo; no copy stays in the browser."""
    content = await visit.read(lambda session: photos.photo(session, visit.site_id, PersonId(person_id)))
    if content is None:
        raise HTTPException(404)
    return Response(content, media_type="image/jpeg", headers={"Cache-Control": "no-store"})


@router.post("/people/{person_id}/photo/upload", name="person_photo_put")
async def person_photo_put(visit: StaffVisit, person_id: UUID) -> Response:
    """Take a photo in place of an older one."""
    upload, actor = await read_upload(visit.request), staff_actor(visit.actor)
    who = PersonId(person_id)
    refusal = await visit.write(
        lambda session: photos.put_photo(session, visit.system, visit.site_id, who, upload.content, actor)
    )
    if refusal is None:
        return visit.go(f"/people/{person_id}", said="photo_taken")
    row = await _person(visit, person_id)
    form = _filled(row)
    form.refuse(WHOLE, key_of(refusal))
    return await _particulars(visit, form, row, 422)


@router.post("/people/{person_id}/photo/drop", name="person_photo_drop")
async def person_photo_drop(visit: StaffVisit, person_id: UUID) -> Response:
    """Delete somebody's photo."""
    actor = staff_actor(visit.actor)
    await visit.write(
        lambda session: photos.drop_photo(session, visit.system, visit.site_id, PersonId(person_id), actor)
    )
    return visit.go(f"/people/{person_id}/edit", said="photo_dropped")


@router.get("/cards/{card_id}/badge", name="card_badge")
async def card_badge(visit: StaffVisit, card_id: UUID) -> Response:
    """Return the printed side of a card as PDF, in the size of the plastic."""
    badge = await visit.read(lambda session: _badge(session, visit, CardId(card_id)))
    if badge is None:
        raise HTTPException(404)
    content = badge_pdf(badge)
    if isinstance(content, BadgeRefusal):
        raise HTTPException(400)
    headers = {"Content-Disposition": 'inline; filename="badge.pdf"', "Cache-Control": "no-store"}
    return Response(content, media_type="application/pdf", headers=headers)


def _badge(session: ReadSession, visit: Visit, card_id: CardId) -> Badge | None:
    card = cards.get(session, visit.site_id, card_id)
    if card is None or card["person_id"] is None:
        return None
    photo = photos.photo(session, visit.site_id, PersonId(card["person_id"])) or b""
    language = "zh" if visit.language == "zh-CN" else "en"
    kind = visit.web.renderer.text(visit.language, f"product.{card['product']}")
    until = card["valid_until"].date().isoformat() if card["valid_until"] else ""
    return Badge(
        visit.web.settings.site_name, card["person_name"], card[f"department_{language}"] or "", card["number"], kind,
        until, photo,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Choices:
    """Categories and departments by id, in the visitor's language."""

    categories: dict[str, str]
    departments: dict[str, str]


def _choices(session: ReadSession, visit: Visit) -> _Choices:
    column = "name_zh" if visit.language == "zh-CN" else "name_en"
    return _Choices(
        {row["id"]: row[column] or row["id"] for row in people_rows.category_rows(session, visit.site_id)},
        {row["id"]: row[column] or row["id"] for row in people_rows.department_rows(session, visit.site_id)},
    )


async def _particulars(visit: Visit, form: Form, row: Row | None, status: int) -> Response:
    lists = await visit.read(lambda session: _choices(session, visit))
    return visit.page("people/particulars.html", status, form=form, row=row, lists=lists)


async def _person(visit: Visit, person_id: UUID) -> Row:
    row = await visit.read(lambda session: people.get(session, visit.site_id, PersonId(person_id)))
    if row is None:
        raise HTTPException(404)
    return row


async def _leaving(visit: Visit, person_id: UUID, form: Form, status: int) -> Response:
    row = await _person(visit, person_id)
    held = await visit.read(lambda session: people.cards_of(session, visit.site_id, PersonId(person_id)))
    rights = await visit.read(lambda session: leaving.rights(session, visit.site_id, PersonId(person_id)))
    ending = [card for card in held if allowed(CardState(card["state"]), CardState.REVOKED)]
    return visit.page("people/leave.html", status, form=form, row=row, cards=ending, rights=rights)


def _read(form: Form, number: str) -> NewPerson:
    name, category = form.text("name", MAX_NAME), form.text("category", MAX_NUMBER)
    department = form.text("department", MAX_NUMBER, required=False)
    initials = form.text("initials", MAX_INITIALS, required=False)
    return NewPerson(number, name, CategoryId(category), department or None, initials)


def _filled(row: Row) -> Form:
    names = {"name": "name", "initials": "initials", "category": "category_id", "department": "department_id"}
    return Form({name: row[column] or "" for name, column in names.items()})
