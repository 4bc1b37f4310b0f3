"""Builds the admin pages as one application to mount at the root, after all other routes.

`server/asgi.py` is its only importer: `app.mount("/", create_pages(services, clock, settings))`, and at shutdown
`await pages.state.web.live.close()`. Nothing runs before the first request.
"""

from __future__ import annotations

from base64 import b64encode
from http import HTTPStatus
from urllib.parse import quote

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from admin_web.areas import AREAS, PAGE_PERMISSIONS, PLACES
from admin_web.assets import assets_router, load_assets
from admin_web.headers import SecurityHeaders, harden
from admin_web.live import LiveHub, Showing, photo_address
from admin_web.origin import SameOriginForms
from admin_web.paths import local_path
from admin_web.ports import PageServices
from admin_web.rendering import Renderer
from admin_web.settings import PageSettings
from admin_web.visits import NeedsSignIn, visit
from admin_web.web import Web
from cardcore.clock import Clock
from server.live.feed import LiveTap

EXPLAINED = frozenset({403, 404, 405, 503})
"""Statuses with texts of their own; all others are told as 500 or 400."""

log = structlog.get_logger(__name__)


def create_pages(services: PageServices, clock: Clock, settings: PageSettings) -> FastAPI:
    """Return the pages; raises OSError or ValueError if a catalogue or asset is missing or broken."""
    assets = load_assets()
    renderer = Renderer(assets, settings, clock, PLACES)

    def live_row(event: LiveTap, showing: Showing) -> str:
        photo = f"data:image/jpeg;base64,{b64encode(event.photo).decode()}" if event.photo else photo_address(event)
        return renderer.fragment("live_row.html", showing.language, event=event, photos=showing.photos, photo=photo)

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    hub = LiveHub(services.live, services.run, clock, live_row, settings.live)
    app.state.web = Web(services, clock, settings, renderer, hub, PAGE_PERMISSIONS)
    for area in AREAS:
        app.include_router(area.router)
    app.include_router(assets_router(assets))
    app.add_exception_handler(NeedsSignIn, _to_sign_in)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _not_found)
    app.add_exception_handler(Exception, _failed)
    # the last one added is the outermost: refusals get the security headers too
    app.add_middleware(SameOriginForms)
    app.add_middleware(SecurityHeaders)
    return app


async def _to_sign_in(request: Request, _fault: Exception) -> Response:
    """Send the visitor to sign in and then back; scripts of the page are told in htmx's way."""
    is_holder = request.url.path == "/me" or request.url.path.startswith("/me/")
    if request.headers.get("hx-request") is not None:
        return Response(status_code=401, headers={"HX-Redirect": "/me/login" if is_holder else "/login"})
    if is_holder:
        return Response(status_code=303, headers={"Location": "/me/login"})
    back = local_path(request.url.path) if request.method == "GET" else "/"
    return Response(status_code=303, headers={"Location": f"/login?next={quote(back)}"})


async def _refused(request: Request, fault: Exception) -> Response:
    status = fault.status_code if isinstance(fault, HTTPException) else HTTPStatus.INTERNAL_SERVER_ERROR
    return await _explain(request, status)


async def _not_found(request: Request, _fault: Exception) -> Response:
    """Answer a malformed id or number in an address as a page that does not exist."""
    return await _explain(request, HTTPStatus.NOT_FOUND)


async def _failed(request: Request, fault: Exception) -> Response:
    """Tell every fault in one text, with a reference that is in the log (ASVS 16.5.1).

    The trace is logged by the server that runs the pages: the fault goes on to it. Starlette calls this outside all
    middleware, so the headers are added here.
    """
    web: Web = request.app.state.web
    reference = str(web.services.ids.uuid7())
    log.error("page_failed", reference=reference, path=request.url.path, fault=type(fault).__name__)
    answer = web.renderer.bare_page("fault.html", HTTPStatus.INTERNAL_SERVER_ERROR, reference=reference)
    harden(answer.headers, request.url.scheme)
    return answer


async def _explain(request: Request, status: int) -> Response:
    web: Web = request.app.state.web
    told = status if status in EXPLAINED else 400
    return web.renderer.page(await visit(request), "error.html", status, told=told)
