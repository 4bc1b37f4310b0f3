"""Signing in and out, and the choice of language and theme. Says nothing about whether a login exists."""

from __future__ import annotations

from urllib.parse import quote

from fastapi import APIRouter, HTTPException, Response
from fastapi.responses import RedirectResponse

from admin_web.area import Area
from admin_web.formats import count_text
from admin_web.i18n import Language
from admin_web.paths import HOME, local_path
from admin_web.settings import MAX_LOGIN_CHARACTERS, MAX_PASSWORD_CHARACTERS
from admin_web.visits import (
    LANGUAGE_COOKIE,
    PREFERENCE_AGE_S,
    THEME_COOKIE,
    THEMES,
    AnyVisit,
    Visit,
    cookie_name,
    drop_session_cookie,
    read_form,
    require_form_token,
    set_session_cookie,
)
from server.staff.sign_in import WAITS_FOR_FACTOR, Opening, SignInOutcome

router = APIRouter()
AREA = Area(router, {}, open_routes=frozenset({"sign_in_form", "sign_in", "sign_out", "preferences"}))


@router.get("/login", name="sign_in_form")
async def sign_in_form(visit: AnyVisit, next: str = "/") -> Response:  # noqa: A002 - the name in the address
    """Show the form; a visitor with a session goes on at once."""
    if visit.session is not None:
        return RedirectResponse(local_path(next), 303)
    return _form(visit, 200, local_path(next))


@router.post("/login", name="sign_in")
async def sign_in(visit: AnyVisit) -> Response:
    """Check the password and open a new session, ending the one that was (ASVS 7.2.4)."""
    form = await read_form(visit.request)
    after, login = local_path(form.get("next")), form.get("login", "")
    password = form.get("password", "")
    name = cookie_name(visit.request)
    if name is None:
        return _form(visit, 403, after)
    if len(login) > MAX_LOGIN_CHARACTERS or len(password) > MAX_PASSWORD_CHARACTERS:
        return _form(visit, 401, after, failure="login.refused")
    services = visit.web.services
    address = visit.request.client.host if visit.request.client is not None else ""
    result = await services.run(services.sign_in.verify, login, password, address)
    if result.outcome == SignInOutcome.THROTTLED:
        answer = _form(visit, 429, after, login=login, failure="login.throttled", wait_s=result.retry_after_s)
        answer.headers["Retry-After"] = str(result.retry_after_s)
        return answer
    if result.outcome != SignInOutcome.ACCEPTED or result.staff is None:
        return _form(visit, 401, after, login=login, failure="login.refused")
    if visit.token is not None:
        await services.run(services.sign_in.close_session, visit.token)
    agent = visit.request.headers.get("user-agent", "")
    token = await services.run(
        services.sign_in.open_session, result.staff.id, Opening(result.waits_for, address, agent)
    )
    if result.waits_for:
        step = "second" if result.waits_for == WAITS_FOR_FACTOR else "password"
        response = RedirectResponse(f"/login/{step}?next={quote(after)}", 303)
    else:
        home = visit.web.renderer.home_of(result.staff.permissions)
        response = RedirectResponse(after if after != HOME else home, 303)
    set_session_cookie(response, name, token)
    return response


@router.post("/logout", name="sign_out")
async def sign_out(visit: AnyVisit) -> Response:
    """End the session at once; without one, only show the form again."""
    response = RedirectResponse("/login", 303)
    name = cookie_name(visit.request)
    if visit.token is not None and name is not None:
        await require_form_token(visit)
        await visit.web.services.run(visit.web.services.sign_in.close_session, visit.token)
        drop_session_cookie(response, name)
    return response


@router.post("/preferences", name="preferences")
async def preferences(visit: AnyVisit) -> Response:
    """Remember the language or theme of this browser; changes nothing on the server."""
    form = await read_form(visit.request)
    response = RedirectResponse(local_path(form.get("next")), 303)
    choices = {
        LANGUAGE_COOKIE: (form.get("language"), tuple(language.value for language in Language)),
        THEME_COOKIE: (form.get("theme"), THEMES),
    }
    for cookie, (chosen, allowed) in choices.items():
        if chosen is None:
            continue
        if chosen not in allowed:
            raise HTTPException(400)
        response.set_cookie(
            cookie,
            chosen,
            max_age=PREFERENCE_AGE_S,
            path="/",
            secure=visit.request.url.scheme == "https",
            httponly=True,
            samesite="lax",
        )
    return response


def _form(
    visit: Visit, status: int, after: str, *, login: str = "", failure: str | None = None, wait_s: int = 0
) -> Response:
    is_encrypted = cookie_name(visit.request) is not None
    return visit.web.renderer.page(
        visit,
        "login.html",
        status,
        after=after,
        login=login,
        failure=failure,
        wait_minutes=count_text(-(-wait_s // 60)),
        is_encrypted=is_encrypted,
    )
