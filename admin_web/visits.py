"""A visit: one request with its visitor, and whether they may.

Holds the cookie rules (ASVS 3.3) and the check of form tokens. Decides nothing about the domain: services check every
permission again.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, TypeVar
from urllib.parse import parse_qsl, quote

from fastapi import Depends, HTTPException, Request, Response
from fastapi.responses import RedirectResponse
from starlette.datastructures import UploadFile

from admin_web.i18n import choose_language
from admin_web.settings import MAX_BODY_BYTES, MAX_FORM_FIELDS, MAX_TOKEN_CHARACTERS
from admin_web.visitor import Visitor, form_token
from admin_web.web import Web
from cardcore.ids import SiteId, StaffId
from server.database import ReadSession, WriteSession
from server.system import System

Answer = TypeVar("Answer")

SECURE_COOKIE = "__Host-onecard"
LOOPBACK_COOKIE = "onecard"
LANGUAGE_COOKIE = "onecard_language"
THEME_COOKIE = "onecard_theme"
THEMES = ("auto", "light", "dark")
PREFERENCE_AGE_S = 365 * 86_400
TOKEN_FIELD = "form_token"  # noqa: S105 - the name of a field, no secret


class NeedsSignIn(Exception):  # noqa: N818 - no error: the visitor is sent to the sign-in page
    """Raised where a page needs a session and there is none in force."""


@dataclass(frozen=True, slots=True)
class Visit(Visitor):
    """One request, read: who sends it, and the parts of the site that answer it."""

    web: Web

    @property
    def actor(self) -> StaffId:
        """The member of staff who asks; raises HTTPException 403 without a session."""
        if self.session is None:
            raise HTTPException(403)
        return self.session.staff.id

    @property
    def site_id(self) -> SiteId:
        """The site whose pages these are."""
        return self.web.services.site_id

    @property
    def system(self) -> System:
        """Clock and ids, for services."""
        return self.web.services.system

    async def read(self, call: Callable[[ReadSession], Answer]) -> Answer:
        """Ask a service, in one read-only transaction, off the event loop."""
        services = self.web.services
        return await services.run(services.database.read, call)

    async def write(self, call: Callable[[WriteSession], Answer]) -> Answer:
        """Let a service do something, in one transaction, off the event loop; a lost race runs the call again."""
        services = self.web.services
        return await services.run(services.database.write, call)

    def page(self, template: str, status: int = 200, **values: object) -> Response:
        """Show a template."""
        return self.web.renderer.page(self, template, status, **values)

    def go(self, address: str, *, said: str = "") -> Response:
        """Lead on after a form was carried out; `said` is the last part of a text `said.*` that the next page tells."""
        path, _, query = address.partition("?")
        both = "&".join(part for part in (query, f"said={quote(said)}" if said else "") if part)
        return RedirectResponse(f"{path}?{both}" if both else path, 303)


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as a browser sent it, with the fields beside it."""

    name: str
    content: bytes
    fields: Mapping[str, str]


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


def is_upload(request: Request) -> bool:
    """Tell whether a request brings a file; only addresses that end in `/upload` may (`admin_web.origin`)."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == "multipart/form-data"


async def read_upload(request: Request, field: str = "file") -> Upload:
    """Read the one file of a form, at most `MAX_UPLOAD_BYTES`; raises HTTPException 400 if there is none."""
    read: Upload | None = getattr(request.state, "upload", None)  # the form token is looked at before the handler reads
    if read is not None:
        return read
    async with request.form(max_files=1, max_fields=MAX_FORM_FIELDS, max_part_size=MAX_BODY_BYTES) as form:
        file = form.get(field)
        if not isinstance(file, UploadFile):
            raise HTTPException(400)
        fields = {name: value for name, value in form.items() if isinstance(value, str)}
        request.state.upload = read = Upload(file.filename or "", await file.read(), fields)
    return read


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
    if not any(visit.may(permission) for permission in visit.web.permissions[request.scope["route"].name]):
        raise HTTPException(403)
    if request.method == "POST":
        await require_form_token(visit)
    return visit


async def require_form_token(visit: Visit) -> None:
    """Raise HTTPException 403 unless the form carries the token of the visitor's session."""
    fields = (await read_upload(visit.request)).fields if is_upload(visit.request) else await read_form(visit.request)
    sent = fields.get(TOKEN_FIELD, "")
    if visit.token is None or not hmac.compare_digest(sent.encode(), form_token(visit.token).encode()):
        raise HTTPException(403)


StaffVisit = Annotated[Visit, Depends(entitled)]
