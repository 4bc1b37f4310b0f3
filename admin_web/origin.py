"""Refuses unsafe requests that no page of ours sent, and bodies that no form of ours has (ASVS 3.5.1, 3.5.3).

Works before any route, so that no route can forget it. The form token (`visits`) is the second line.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from admin_web.settings import MAX_BODY_BYTES, MAX_UPLOAD_BYTES

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
FORM_TYPE = "application/x-www-form-urlencoded"
FILE_TYPE = "multipart/form-data"
UPLOAD_ENDING = "/upload"
"""Of the only addresses that take a file."""


def is_same_origin(headers: Mapping[str, str], scheme: str) -> bool:
    """Tell whether a browser vouches that the request came from a page of this very origin.

    `Sec-Fetch-Site` decides where it is sent; browsers leave it out on plain http except on loopback, then `Origin`
    must equal the address asked for. Neither header: refused, because every browser sends `Origin` with a form.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = headers.get("origin")
    if origin is None:
        return False
    parts = urlsplit(origin)
    return parts.scheme == scheme and parts.netloc == headers.get("host")


def body_refusal(headers: Mapping[str, str], path: str = "") -> int | None:
    """Return the status that refuses a body by its headers, or None if it may be read."""
    length = headers.get("content-length")
    if length is None or not length.isdecimal():
        return 411
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    is_file = kind == FILE_TYPE and path.endswith(UPLOAD_ENDING)
    if int(length) > (MAX_UPLOAD_BYTES if is_file else MAX_BODY_BYTES):
        return 413
    if int(length) > 0 and kind != FORM_TYPE and not is_file:
        return 415
    return None


class SameOriginForms:
    """Lets unsafe methods pass only from this origin, with a small form as body."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass or refuse one request."""
        if scope["type"] == "http" and scope["method"] not in SAFE_METHODS:
            headers = Headers(scope=scope)
            status = body_refusal(headers, scope["path"]) if is_same_origin(headers, scope["scheme"]) else 403
            if status is not None:
                await PlainTextResponse("", status_code=status)(scope, receive, send)
                return
        await self._app(scope, receive, send)
