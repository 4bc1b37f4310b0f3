"""A visit: one request with its visitor, and whether they may.

Holds the cookie rules (ASVS 3.3), the check of form tokens, and the one table of which page asks for which
permission. Decides nothing about the domain: services check every permission again.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import Depends, HTTPException, Request, Response

from admin_web.i18n import choose_language
from admin_web.settings import MAX_FORM_FIELDS, MAX_TOKEN_CHARACTERS
from admin_web.visitor import Visitor, form_token
from admin_web.web import Web
from server.staff.roles import Permission

SECURE_COOKIE = "__Host-onecard"
LOOPBACK_COOKIE = "onecard"
LANGUAGE_COOKIE = "onecard_language"
THEME_COOKIE = "onecard_theme"
THEMES = ("auto", "light", "dark")
PREFERENCE_AGE_S = 365 * 86_400
TOKEN_FIELD = "form_token"  # noqa: S105 - the name of a field, no secret

PAGE_PERMISSIONS: Mapping[str, frozenset[Permission]] = {
    "overview": frozenset({Permission.OVERVIEW_READ}),
    "live": frozenset({Permission.LIVE_READ}),
    "live_stream": frozenset({Permission.LIVE_READ}),
    "people": frozenset({Permission.PEOPLE_READ}),
    "people_search": frozenset({Permission.PEOPLE_READ}),
    "person": frozenset({Permission.PEOPLE_READ}),
    "cards": frozenset({Permission.CARDS_READ}),
    "cards_search": frozenset({Permission.CARDS_READ}),
    "card": frozenset({Permission.CARDS_READ}),
    "card_block": frozenset({Permission.CARDS_BLOCK, Permission.CARDS_REPORT_LOST}),
    "card_unblock": frozenset({Permission.CARDS_UNBLOCK, Permission.CARDS_UNBLOCK_APPROVE}),
    "charges": frozenset({Permission.CHARGES_READ}),
    "devices": frozenset({Permission.DEVICES_READ}),
}
"""By route name: any one of them will do. A route that is neither here nor in `OPEN_ROUTES` fails a test."""
OPEN_ROUTES = frozenset({"static", "sign_in_form", "sign_in", "sign_out", "preferences"})


class NeedsSignIn(Exception):  # noqa: N818 - no error: the visitor is sent to the sign-in page
    """Raised where a page needs a session and there is none in force."""


@dataclass(frozen=True, slots=True)
class Visit(Visitor):
    """One request, read: who sends it, and the parts of the site that answer it."""

    web: Web


def cookie_name(request: Request) -> str | None:
    """Return the session cookie's name on this connection, or None where no session may travel: plain http on a LAN."""
    if request.url.scheme == "https":
        return SECURE_COOKIE
    return LOOPBACK_COOKIE if is_loopback(request.url.hostname or "") else None


def is_loopback(host: str) -> bool:
    """Tell whether a host name in an address means the browser's own machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def set_session_cookie(response: Response, name: str, token: str) -> None:
    """Give the browser its session until it is closed."""
    response.set_cookie(name, token, path="/", secure=name == SECURE_COOKIE, httponly=True, samesite="lax")


def drop_session_cookie(response: Response, name: str) -> None:
    """Take the session from the browser."""
    response.delete_cookie(name, path="/", secure=name == SECURE_COOKIE, httponly=True, samesite="lax")


async def read_form(request: Request) -> Mapping[str, str]:
    """Read a small form (its size is limited before); raises HTTPException 400 if it is none."""
    try:
        fields = parse_qsl(
            (await request.body()).decode("utf-8"), keep_blank_values=True, max_num_fields=MAX_FORM_FIELDS
        )
    except ValueError as fault:
        raise HTTPException(400) from fault
    return dict(fields)


async def visit(request: Request) -> Visit:
    """Read who is asking; with or without a session."""
    web: Web = request.app.state.web
    name = cookie_name(request)
    token = request.cookies.get(name) if name is not None else None
    if token is not None and len(token) > MAX_TOKEN_CHARACTERS:
        token = None
    # a background refresh is no activity: a forgotten tab must not keep the session alive
    is_activity = request.headers.get("onecard-background") is None
    session = None
    if token is not None:
        session = await web.services.run(web.services.sign_in.session, token, is_activity=is_activity)
    theme = request.cookies.get(THEME_COOKIE, THEMES[0])
    return Visit(
        request=request,
        web=web,
        language=choose_language(request.cookies.get(LANGUAGE_COOKIE), request.headers.get("accept-language")),
        theme=theme if theme in THEMES else THEMES[0],
        token=token,
        session=session,
    )


AnyVisit = Annotated[Visit, Depends(visit)]


async def entitled(visit: AnyVisit) -> Visit:
    """Let only a signed-in member of staff through who holds the route's permission, and whose form is their own."""
    request = visit.request
    if visit.session is None or visit.token is None:
        raise NeedsSignIn
    if not any(visit.may(permission) for permission in PAGE_PERMISSIONS[request.scope["route"].name]):
        raise HTTPException(403)
    if request.method == "POST":
        await require_form_token(visit)
    return visit


async def require_form_token(visit: Visit) -> None:
    """Raise HTTPException 403 unless the form carries the token of the visitor's session."""
    sent = (await read_form(visit.request)).get(TOKEN_FIELD, "")
    if visit.token is None or not hmac.compare_digest(sent.encode(), form_token(visit.token).encode()):
        raise HTTPException(403)


StaffVisit = Annotated[Visit, Depends(entitled)]
