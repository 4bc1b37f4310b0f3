"""Security headers on every answer (ASVS 3.4): a plain ASGI middleware, because streams must pass unbuffered."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; "  # data: for the icons inside Tabler's style sheet
    "font-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)

ALWAYS: Mapping[str, str] = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    # not no-referrer: that makes browsers send "Origin: null" with our own forms
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
STRICT_TRANSPORT = "max-age=31536000"
NO_STORE = "no-store"
"""Default of every answer that sets no `Cache-Control` itself: pages are personal."""


def harden(headers: MutableHeaders, scheme: str) -> None:
    """Add the headers to an answer that goes out over `scheme`."""
    for name, value in ALWAYS.items():
        headers[name] = value
    headers.setdefault("Cache-Control", NO_STORE)
    if scheme == "https":
        headers["Strict-Transport-Security"] = STRICT_TRANSPORT


class SecurityHeaders:
    """Adds the headers; what an answer sets itself is kept only for `Cache-Control`."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                harden(MutableHeaders(scope=message), scope["scheme"])
            await send(message)

        await self._app(scope, receive, send_with_headers)
