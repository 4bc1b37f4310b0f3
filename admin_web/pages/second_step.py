"""Between the password and the session: the second factor, or a new password in place of a temporary one."""

from __future__ import annotations

from urllib.parse import quote

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from admin_web.area import Area
from admin_web.forms import Form
from admin_web.i18n import key_of
from admin_web.paths import HOME, local_path
from admin_web.settings import MAX_PASSWORD_CHARACTERS
from admin_web.visits import AnyVisit, Visit, cookie_name, read_form, require_form_token, set_session_cookie
from server.audit.service import staff_actor
from server.staff import factors, service
from server.staff.factors import MAX_CODE_CHARACTERS, FactorRefusal, Pending
from server.staff.passwords import MIN_CHARACTERS
from server.staff.sign_in import WAITS_FOR_FACTOR, WAITS_FOR_PASSWORD, Opening

router = APIRouter(prefix="/login")
AREA = Area(
    router,
    {},
    shown=(FactorRefusal,),
    open_routes=frozenset({"second_step", "second_step_done", "new_password", "new_password_set"}),
)


@router.get("/second", name="second_step")
async def second_step(visit: AnyVisit, next: str = HOME) -> Response:  # noqa: A002 - the name in the address
    """Ask for a code of the authenticator app, or a recovery code."""
    if await _waiting(visit, WAITS_FOR_FACTOR) is None:
        return RedirectResponse("/login", 303)
    return visit.page("account/second_step.html", form=Form({"next": local_path(next)}))


@router.post("/second", name="second_step_done")
async def second_step_done(visit: AnyVisit) -> Response:
    """Check the code and go on; the waiting session ends either way."""
    await require_form_token(visit)
    waiting = await _waiting(visit, WAITS_FOR_FACTOR)
    if waiting is None:
        return RedirectResponse("/login", 303)
    form, staff_id = Form(await read_form(visit.request)), waiting.staff.id
    code = form.text("code", MAX_CODE_CHARACTERS)
    if form.is_good:
        secrets = visit.web.services.secrets
        refusal = await visit.write(
            lambda session: factors.check(session, visit.system, secrets, visit.site_id, staff_id, code)
        )
        if refusal is not None:
            form.refuse("code", key_of(refusal))
    if not form.is_good:
        return visit.page("account/second_step.html", 422, form=form)
    return await onward(visit, waiting, WAITS_FOR_PASSWORD if waiting.must_set_password else "", form.value("next"))


@router.get("/password", name="new_password")
async def new_password(visit: AnyVisit, next: str = HOME) -> Response:  # noqa: A002 - the name in the address
    """Ask for a password in place of the temporary one."""
    if await _waiting(visit, WAITS_FOR_PASSWORD) is None:
        return RedirectResponse("/login", 303)
    return visit.page("account/new_password.html", form=Form({"next": local_path(next)}), least=MIN_CHARACTERS)


@router.post("/password", name="new_password_set")
async def new_password_set(visit: AnyVisit) -> Response:
    """Set it and open the session."""
    await require_form_token(visit)
    waiting = await _waiting(visit, WAITS_FOR_PASSWORD)
    if waiting is None:
        return RedirectResponse("/login", 303)
    form, staff_id = Form(await read_form(visit.request)), waiting.staff.id
    password = typed_twice(form)
    if form.is_good:
        refusal = await visit.write(
            lambda session: service.set_password(
                session, visit.system, visit.web.services.passwords, staff_id, password, staff_actor(staff_id)
            )
        )
        if refusal is not None:
            form.refuse("password", "account.password_weak", least=MIN_CHARACTERS)
    if not form.is_good:
        return visit.page("account/new_password.html", 422, form=form, least=MIN_CHARACTERS)
    return await onward(visit, waiting, "", form.value("next"))


def typed_twice(form: Form) -> str:
    """Return a new password, which was typed twice alike; spaces count."""
    password = form.value("password")
    if not password:
        form.refuse("password", "form.missing")
    elif len(password) > MAX_PASSWORD_CHARACTERS:
        form.refuse("password", "form.too_long", limit=MAX_PASSWORD_CHARACTERS)
    elif password != form.value("again"):
        form.refuse("again", "account.not_alike")
    return password


async def onward(visit: Visit, waiting: Pending, waits_for: str, after: str) -> Response:
    """End the session that waited and open the next one (ASVS 7.2.4)."""
    services, name = visit.web.services, cookie_name(visit.request)
    address = visit.request.client.host if visit.request.client is not None else ""
    opening = Opening(waits_for, address, visit.request.headers.get("user-agent", ""))
    if visit.token is not None:
        await services.run(services.sign_in.close_session, visit.token)
    token = await services.run(services.sign_in.open_session, waiting.staff.id, opening)
    target = local_path(after)
    if waits_for:
        target = f"/login/password?next={quote(target)}"
    elif target == HOME:
        target = visit.web.renderer.home_of(waiting.staff.permissions)
    response = RedirectResponse(target, 303)
    if name is not None:
        set_session_cookie(response, name, token)
    return response


async def _waiting(visit: Visit, for_what: str) -> Pending | None:
    token = visit.token
    if token is None or cookie_name(visit.request) is None:
        return None
    now = visit.web.clock.now()
    found = await visit.read(lambda session: factors.pending(session, visit.site_id, token, now))
    return found if found is not None and found.waits_for == for_what else None
