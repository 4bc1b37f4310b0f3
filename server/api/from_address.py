"""Says for each request and socket from which address it comes, before any route (`server.audit.origin`)."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from server.audit.origin import SERVER, coming_from, of_address


class FromAddress:
    """Names the peer's address for each request and socket, before any route: none can forget it."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one connection on."""
        peer = scope.get("client")
        with coming_from(of_address(peer[0]) if peer else SERVER):
            await self._app(scope, receive, send)
