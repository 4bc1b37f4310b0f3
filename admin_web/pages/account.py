"""One's own account: password, second factors, recovery codes, open sessions. Changes ask for the password."""

from __future__ import annotations

from uuid import UUID

import segno
from fastapi import APIRouter, Response

from admin_web.area import Area
from admin_web.asking import in_language
from admin_web.forms import WHOLE, Form
from admin_web.i18n import key_of
from admin_web.pages.second_step import typed_twice
from admin_web.settings import MAX_PASSWORD_CHARACTERS
from admin_web.visits import StaffVisit, Visit, cookie_name, read_form, set_session_cookie
from server.audit.service import staff_actor
from server.audit.texts import words_of
from server.staff import factors, service, sign_in, totp
from server.staff.factors import MAX_CODE_CHARACTERS, FactorKind, FactorRefusal
from server.staff.history import sign_ins
from server.staff.passwords import MIN_CHARACTERS
from server.staff.roles import Permission
from server.staff.sign_in import Opening, SignInOutcome

router = APIRouter(prefix="/account")
ROUTES = (
    "own_account", "own_account_password", "own_account_totp", "own_account_totp_confirm", "own_account_codes",
    "own_account_factor_remove",
    "own_account_session_end", "own_account_sessions_end",
)  # fmt: skip
AREA = Area(router, dict.fromkeys(ROUTES, frozenset(Permission)), shown=(FactorKind,))
QR_SCALE = 5


@router.get("", name="own_account")
async def account(visit: StaffVisit) -> Response:
    """Show how one signs in, and where one is signed in."""
    return await _shown(visit, Form({}), Form({}))


@router.post("/password", name="own_account_password")
async def account_password(visit: StaffVisit) -> Response:
    """Set a new password; every other session ends, this one goes on under a new token."""
    form = Form(await read_form(visit.request))
    password = typed_twice(form)
    await _prove(visit, form)
    if form.is_good:
        passwords, actor = visit.web.services.passwords, visit.actor
        refusal = await visit.write(
            lambda session: service.set_password(session, visit.system, passwords, actor, password, staff_actor(actor))
        )
        if refusal is not None:
            form.refuse("password", "account.password_weak", least=MIN_CHARACTERS)
    if not form.is_good:
        return await _shown(visit, form, Form({}), 422)
    services, name = visit.web.services, cookie_name(visit.request)
    opening = Opening("", _address(visit), visit.request.headers.get("user-agent", ""))
    token = await services.run(services.sign_in.open_session, visit.actor, opening)
    answer = visit.go("/account", said="account.password_set")
    if name is not None:
        set_session_cookie(answer, name, token)
    return answer


@router.post("/totp", name="own_account_totp")
async def account_totp(visit: StaffVisit) -> Response:
    """Begin an authenticator app: show its secret as a QR image and as text."""
    form = Form(await read_form(visit.request))
    await _prove(visit, form)
    if not form.is_good:
        return await _shown(visit, Form({}), form, 422)
    return await _totp(visit, Form({}))


@router.post("/totp/confirm", name="own_account_totp_confirm")
async def account_totp_confirm(visit: StaffVisit) -> Response:
    """Put the app into use by its first code, and show the recovery codes once."""
    form = Form(await read_form(visit.request))
    code = form.text("code", MAX_CODE_CHARACTERS)
    if not form.is_good:
        return await _totp(visit, form, 422)
    actor, secrets = visit.actor, visit.web.services.secrets
    made = await visit.write(
        lambda session: factors.confirm_totp(session, visit.system, secrets, visit.site_id, actor, code)
    )
    if isinstance(made, FactorRefusal):
        form.refuse("code", key_of(made))
        return await _totp(visit, form, 422)
    return visit.page("account/codes.html", codes=made)


@router.post("/codes", name="own_account_codes")
async def account_codes(visit: StaffVisit) -> Response:
    """Make new recovery codes in place of all earlier ones."""
    form = Form(await read_form(visit.request))
    await _prove(visit, form)
    if not form.is_good:
        return await _shown(visit, Form({}), form, 422)
    actor = visit.actor
    made = await visit.write(lambda session: factors.new_codes(session, visit.system, visit.site_id, actor))
    return visit.page("account/codes.html", codes=made)


@router.post("/factors/{factor_id}/remove", name="own_account_factor_remove")
async def account_factor_remove(visit: StaffVisit, factor_id: UUID) -> Response:
    """Remove a factor."""
    form = Form(await read_form(visit.request))
    await _prove(visit, form)
    if not form.is_good:
        return await _shown(visit, Form({}), form, 422)
    actor = visit.actor
    refusal = await visit.write(lambda session: factors.remove(session, visit.system, visit.site_id, actor, factor_id))
    if refusal is not None:
        form.refuse(WHOLE, key_of(refusal))
        return await _shown(visit, Form({}), form, 422)
    return visit.go("/account", said="account.factor_removed")


@router.post("/sessions/{session_id}/end", name="own_account_session_end")
async def account_session_end(visit: StaffVisit, session_id: str) -> Response:
    """End one other session."""
    actor = visit.actor
    await visit.write(lambda session: sign_in.end_session(session, visit.system, visit.site_id, actor, session_id))
    return visit.go("/account", said="account.session_ended")


@router.post("/sessions/end", name="own_account_sessions_end")
async def account_sessions_end(visit: StaffVisit) -> Response:
    """End every session but this one."""
    actor, token = visit.actor, visit.token or ""
    await visit.write(lambda session: sign_in.end_other_sessions(session, visit.system, visit.site_id, actor, token))
    return visit.go("/account", said="account.session_ended")


async def _prove(visit: Visit, form: Form) -> None:
    """Ask for the password again (ASVS 7.5.1); tries are counted with those of signing in."""
    password = form.value("current")
    if not password or len(password) > MAX_PASSWORD_CHARACTERS:
        form.refuse("current", "form.missing")
        return
    services = visit.web.services
    login = visit.session.staff.login if visit.session is not None else ""
    result = await services.run(services.sign_in.verify, login, password, _address(visit))
    if result.outcome is SignInOutcome.THROTTLED:
        form.refuse("current", "account.throttled", minutes=-(-result.retry_after_s // 60))
    elif result.outcome is not SignInOutcome.ACCEPTED:
        form.refuse("current", "account.wrong_password")


def _address(visit: Visit) -> str:
    return visit.request.client.host if visit.request.client is not None else ""


async def _totp(visit: Visit, form: Form, status: int = 200) -> Response:
    actor, secrets = visit.actor, visit.web.services.secrets
    secret = await visit.write(lambda session: factors.begin_totp(session, visit.system, secrets, actor))
    login = visit.session.staff.login if visit.session is not None else ""
    image = segno.make(totp.address_of(secret, "Onecard", login), error="m").svg_data_uri(scale=QR_SCALE, light="#fff")
    return visit.page("account/totp.html", status, form=form, image=image, typed=totp.typed_secret(secret))


async def _shown(visit: Visit, password: Form, proof: Form, status: int = 200) -> Response:
    actor, token, now = visit.actor, visit.token or "", visit.web.clock.now()
    held, left, sessions, entries = await visit.read(
        lambda session: (
            factors.held(session, actor),
            factors.codes_left(session, actor),
            sign_in.open_sessions(session, actor, token, now),
            sign_ins(session, visit.site_id, actor),
        )
    )
    return visit.page(
        "account/account.html",
        status,
        password=password,
        proof=proof,
        factors=held,
        codes_left=left,
        sessions=sessions,
        entries=entries,
        words=lambda deed: in_language(visit, words_of(deed)),
        least=MIN_CHARACTERS,
    )
