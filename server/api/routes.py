"""All of `/api/v1` as one router, and its published description."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.openapi.utils import get_openapi

from server.access import api as access
from server.alarms import api as alarms
from server.attendance import api as attendance
from server.cards import api as cards
from server.cashdesk import api as desk
from server.close import api as books
from server.contractors import api as contractors
from server.devices import keys_api as reader_keys
from server.issuing import api as issuing
from server.lanes import api as lanes
from server.muster import api as muster
from server.outbox import api as events
from server.people import api as people
from server.requirements import api as requirements
from server.tokens import api as tokens
from server.tours import api as tours
from server.vehicles import api as vehicles
from server.visitors import api as visitors
from server.webhooks import api as webhooks

PREFIX = "/api/v1"
VERSION = "1"

NOUNS: tuple[APIRouter, ...] = (
    tokens.router,
    people.router,
    cards.router,
    issuing.router,
    alarms.router,
    lanes.router,
    access.router,
    requirements.router,
    visitors.router,
    contractors.router,
    vehicles.router,
    tours.router,
    muster.router,
    attendance.router,
    reader_keys.router,
    books.router,
    desk.router,
    events.router,
    webhooks.router,
)
"""One router a noun, from its own `api` module."""


def api_router() -> APIRouter:
    """Return the router; `app.state.api` must hold the `ApiParts`."""
    router = APIRouter(prefix=PREFIX)
    for noun in NOUNS:
        router.include_router(noun)

    @router.get("/openapi.json", include_in_schema=False, name="api_description")
    async def description() -> dict[str, Any]:
        return openapi()

    return router


def openapi() -> dict[str, Any]:
    """Return the OpenAPI description; `docs/openapi.json` is this, written down (`python -m server.api`)."""
    router = APIRouter(prefix=PREFIX)
    for noun in NOUNS:
        router.include_router(noun)
    described: dict[str, Any] = get_openapi(
        title="Onecard",
        version=VERSION,
        summary="Access, meals and money of one card. Amounts are integer fen, instants RFC 3339 in UTC.",
        routes=router.routes,
    )
    described["components"] = described.get("components", {}) | {
        "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}
    }
    described["security"] = [{"token": []}]
    return described
