"""The application: the device link, the JSON endpoints and the admin pages on one set of parts.

The only module of the server that imports `admin_web`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from admin_web.wiring import mount_pages
from server.api.body_limit import BodyLimit
from server.api.caller import ApiParts
from server.api.from_address import FromAddress
from server.api.routes import api_router
from server.devices.api import enrolment_router
from server.health import health_router
from server.link.endpoint import PATH
from server.parts import Parts
from server.payments.api import payments_router
from server.payments.config import load_providers
from server.payments.polling import keep_polling
from server.problem import install_problems
from server.settings import Settings
from server.system import System


def create_app(settings: Settings, system: System | None = None) -> FastAPI:
    """Build the application; its tasks start and end with the server that runs it.

    `system` is the host's own by default.
    """
    parts = Parts(settings, system)
    providers = load_providers(settings.data_dir, parts.system)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await parts.start()
        if providers:
            work = keep_polling(parts.run, parts.database, parts.system, tuple(providers.values()))
            parts.spawn("payments", work)
        yield
        if pages is not None:
            await pages.state.web.live.close()
        await parts.stop()

    app = FastAPI(title="Onecard", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.parts = parts
    install_problems(app, parts.system.ids)
    app.include_router(
        health_router(
            parts.database, parts.run, parts.bus, parts.pulse, parts.metrics, parts.settings.backups, parts.system.clock
        )
    )
    app.include_router(enrolment_router(parts.database, parts.run, parts.system, parts.secrets, parts.pump.nudge))
    app.state.api = ApiParts(
        parts.database, parts.run, parts.system, parts.secrets.document_secret, parts.secrets, parts.webhook_targets
    )
    app.include_router(api_router())
    app.add_middleware(BodyLimit)
    app.add_middleware(FromAddress)
    app.include_router(payments_router(parts.database, parts.run, parts.system, providers))

    async def link(socket: WebSocket) -> None:
        await parts.link(socket)

    app.router.routes.append(WebSocketRoute(PATH, link))
    pages = mount_pages(app, parts)
    return app
