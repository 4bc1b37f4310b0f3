"""The application: the device link, the JSON endpoints and the admin pages on one set of parts.

The only module of the server that imports `admin_web`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from server.link.endpoint import PATH
from server.parts import Parts
from server.settings import Settings


def create_app(settings: Settings) -> FastAPI:
    """Build the application; its tasks start and end with the server that runs it."""
    parts = Parts(settings)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        parts.start()
        yield
        await parts.stop()

    app = FastAPI(title="Onecard", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.parts = parts

    async def link(socket: WebSocket) -> None:
        await parts.link(socket)

    app.router.routes.append(WebSocketRoute(PATH, link))
    return app
