"""API tokens: one's own and, for whoever looks after staff, everybody's. The text of a token is shown once."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from fastapi import APIRouter, Response

from admin_web.area import Area, Group, Place, allow
from admin_web.forms import WHOLE, Form
from admin_web.i18n import key_of
from admin_web.visits import StaffVisit, Visit, read_form
from server.staff.roles import Permission
from server.tokens import service
from server.tokens.service import MAX_NAME, MadeToken, NewToken, TokenRefusal

router = APIRouter(prefix="/tokens")
ROUTES = ("tokens", "token_create", "token_revoke")
AREA = Area(
    router,
    allow(dict.fromkeys(ROUTES, Permission.STAFF_WRITE)),
    (Place("/tokens", "key", "nav.tokens", Permission.STAFF_WRITE, Group.SYSTEM),),
    (TokenRefusal, Permission),
)
DAYS = ("30", "90", "180", "365")


@router.get("", name="tokens")
async def tokens(visit: StaffVisit) -> Response:
    """List the tokens of the site and offer to make one."""
    return await _shown(visit, Form({"days": "90"}))


@router.post("", name="token_create")
async def token_create(visit: StaffVisit) -> Response:
    """Make a token for oneself, with some of one's own permissions."""
    form = Form(await read_form(visit.request))
    name = form.text("name", MAX_NAME)
    days = form.one_of("days", dict.fromkeys(DAYS, True))
    wanted = frozenset(permission for permission in _own(visit) if form.is_on(f"may_{permission}"))
    if form.is_good:
        actor, new = visit.actor, NewToken(name, wanted, timedelta(days=int(days)))
        made = await visit.write(lambda session: service.create(session, visit.system, visit.site_id, actor, new))
        if isinstance(made, MadeToken):
            return visit.page("tokens/made.html", name=name, text=made.text)
        form.refuse("permissions" if made is TokenRefusal.NO_PERMISSION else WHOLE, key_of(made))
    return await _shown(visit, form, 422)


@router.post("/{token_id}/revoke", name="token_revoke")
async def token_revoke(visit: StaffVisit, token_id: UUID) -> Response:
    """End a token at once."""
    actor = visit.actor
    refusal = await visit.write(lambda session: service.revoke(session, visit.system, visit.site_id, actor, token_id))
    if refusal is None:
        return visit.go("/tokens", said="tokens.revoked")
    form = Form({"days": "90"})
    form.refuse(WHOLE, key_of(refusal))
    return await _shown(visit, form, 422)


def _own(visit: Visit) -> tuple[Permission, ...]:
    return tuple(permission for permission in Permission if visit.may(permission))


async def _shown(visit: Visit, form: Form, status: int = 200) -> Response:
    rows = await visit.read(lambda session: service.listed(session, visit.site_id))
    return visit.page(
        "tokens/tokens.html",
        status,
        form=form,
        rows=rows,
        known={permission.value: permission for permission in Permission},
        own=_own(visit),
        days=DAYS,
        now=visit.web.clock.now(),
    )
