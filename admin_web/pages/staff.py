"""Staff: who may sign in and with which roles. Giving waits for a second person; taking away is done at once."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, HTTPException, Response

from admin_web.area import Area, Group, Place, allow
from admin_web.asking import refusal_text
from admin_web.forms import WHOLE, Form
from admin_web.i18n import Language, key_of
from admin_web.visits import StaffVisit, Visit, read_form
from cardcore.ids import StaffId
from server.approvals.models import MAX_REASON
from server.staff import desk
from server.staff.desk import MAX_NAME, MemberView, NewMember, Temporary
from server.staff.roles import Permission, Role
from server.staff.service import MAX_LOGIN, StaffRefusal

router = APIRouter(prefix="/staff")
ROUTES = ("staff", "staff_new", "staff_add", "staff_member", "staff_roles", "staff_disable", "staff_reset")
AREA = Area(
    router,
    allow(dict.fromkeys(ROUTES, Permission.STAFF_WRITE)),
    (Place("/staff", "users-group", "nav.staff", Permission.STAFF_WRITE, Group.SYSTEM),),
    (Role, StaffRefusal),
)
MAX_NUMBER = 32
FIELDS = {
    StaffRefusal.LOGIN_TAKEN: "login",
    StaffRefusal.LOGIN_UNUSABLE: "login",
    StaffRefusal.PERSON_UNKNOWN: "number",
    StaffRefusal.NO_ROLE: "roles",
    StaffRefusal.ROLES_CLASH: "roles",
}


@router.get("", name="staff")
async def staff(visit: StaffVisit) -> Response:
    """List everybody who has a login."""
    members = await visit.read(lambda session: desk.directory(session, visit.site_id))
    return visit.page("staff/staff.html", members=members)


@router.get("/new", name="staff_new")
async def staff_new(visit: StaffVisit) -> Response:
    """Show the form for a new login."""
    return visit.page("staff/new.html", form=Form({"language": visit.language.value}), roles=tuple(Role))


@router.post("/new", name="staff_add")
async def staff_add(visit: StaffVisit) -> Response:
    """Add a login and ask for its roles; the temporary password is shown once."""
    form = Form(await read_form(visit.request))
    new = NewMember(
        form.text("login", MAX_LOGIN),
        form.text("name", MAX_NAME),
        form.text("number", MAX_NUMBER),
        _roles(form),
        form.choice("language", Language).value,
    )
    reason = form.text("reason", MAX_REASON)
    if form.is_good:
        actor, passwords = visit.actor, visit.web.services.passwords
        made = await visit.write(
            lambda session: desk.add(session, visit.system, visit.site_id, passwords, actor, new, reason)
        )
        if isinstance(made, Temporary):
            return visit.page("staff/temporary.html", login=new.login, password=made.password, is_new=True)
        _refuse(visit, form, made)
    return visit.page("staff/new.html", 422, form=form, roles=tuple(Role))


@router.get("/{staff_id}", name="staff_member")
async def staff_member(visit: StaffVisit, staff_id: UUID) -> Response:
    """Show one login."""
    member = await _member(visit, staff_id)
    return _member_page(visit, member, Form({f"role_{role}": "1" for role in member.roles}))


@router.post("/{staff_id}/roles", name="staff_roles")
async def staff_roles(visit: StaffVisit, staff_id: UUID) -> Response:
    """Set roles: fewer at once, more when another person agrees."""
    member = await _member(visit, staff_id)
    form = Form(await read_form(visit.request))
    roles, reason = _roles(form), form.text("reason", MAX_REASON)
    if form.is_good:
        actor = visit.actor
        done = await visit.write(
            lambda session: desk.change_roles(session, visit.system, visit.site_id, actor, member.id, roles, reason)
        )
        if done is None:
            return visit.go(f"/staff/{staff_id}", said="staff.roles_taken")
        if isinstance(done, UUID):
            return visit.go(f"/staff/{staff_id}", said="staff.roles_asked")
        _refuse(visit, form, done)
    return _member_page(visit, member, form, 422)


@router.post("/{staff_id}/disable", name="staff_disable")
async def staff_disable(visit: StaffVisit, staff_id: UUID) -> Response:
    """End somebody's sessions and roles at once."""
    member, actor = await _member(visit, staff_id), visit.actor
    refusal = await visit.write(lambda session: desk.disable(session, visit.system, visit.site_id, actor, member.id))
    if refusal is None:
        return visit.go(f"/staff/{staff_id}", said="staff.disabled")
    form = Form({f"role_{role}": "1" for role in member.roles})
    _refuse(visit, form, refusal)
    return _member_page(visit, member, form, 422)


@router.post("/{staff_id}/reset", name="staff_reset")
async def staff_reset(visit: StaffVisit, staff_id: UUID) -> Response:
    """Ask for a new start of somebody's sign-in; the password is shown once and works when another person agrees."""
    member, actor, passwords = await _member(visit, staff_id), visit.actor, visit.web.services.passwords
    form = Form(await read_form(visit.request))
    reason = form.text("reason", MAX_REASON)
    if form.is_good:
        made = await visit.write(
            lambda session: desk.ask_reset(session, visit.system, visit.site_id, passwords, actor, member.id, reason)
        )
        if isinstance(made, Temporary):
            return visit.page("staff/temporary.html", login=member.login, password=made.password, is_new=False)
        _refuse(visit, form, made)
    return _member_page(visit, member, form, 422)


def _roles(form: Form) -> frozenset[Role]:
    roles = frozenset(role for role in Role if form.is_on(f"role_{role}"))
    if not roles:
        form.refuse("roles", key_of(StaffRefusal.NO_ROLE))
    return roles


def _refuse(visit: Visit, form: Form, refusal: desk.Refusal) -> None:
    if isinstance(refusal, StaffRefusal):
        form.refuse(FIELDS.get(refusal, WHOLE), key_of(refusal))
    else:
        form.refuse(WHOLE, "form.told", words=refusal_text(visit, refusal))


async def _member(visit: Visit, staff_id: UUID) -> MemberView:
    members = await visit.read(lambda session: desk.directory(session, visit.site_id))
    found = next((member for member in members if member.id == StaffId(staff_id)), None)
    if found is None:
        raise HTTPException(404)
    return found


def _member_page(visit: Visit, member: MemberView, form: Form, status: int = 200) -> Response:
    return visit.page(
        "staff/member.html", status, member=member, form=form, roles=tuple(Role), is_self=member.id == visit.actor
    )
