"""`POST /api/v1/payments/PROVIDER/callback`: where a provider says that an order was paid. Believes signatures only.

The answer tells the provider whether to come again: 200 when the word was taken, also the second time; 4xx when it is
not believed; a fault or an absent database is 5xx, and the provider tries again.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import structlog
from fastapi import APIRouter, Request
from starlette.responses import Response

from server.database import Database
from server.link.ports import Run
from server.payments import service
from server.payments.models import MAX_CALLBACK_BYTES, Payment, Provider, Verdict
from server.problem import Problem, ProblemError
from server.system import System

PATH = "/api/v1/payments/{provider}/callback"
_STATUS = {Verdict.FORGED: 403, Verdict.STALE: 403, Verdict.UNREADABLE: 422, Verdict.UNKNOWN_ORDER: 404}

log = structlog.get_logger(__name__)


def payments_router(database: Database, run: Run, system: System, providers: Mapping[str, Provider]) -> APIRouter:
    """Return the router for the providers that are set up."""
    router = APIRouter()

    @router.post(PATH)
    async def callback(request: Request, provider: str) -> Response:
        known = providers.get(provider)
        if known is None:
            raise ProblemError(Problem.NOT_FOUND)
        body = await _body(request)
        said = known.read_callback(request.headers, body, system.clock.now())
        verdict = said if isinstance(said, Verdict) else await run(_settle, database, system, known, said)
        log.info("payment_callback", provider=provider, verdict=str(verdict))
        status = _STATUS.get(verdict, 200)
        answer = msgspec.json.encode({"verdict": verdict})
        return Response(answer, status, {"Cache-Control": "no-store"}, "application/json")

    return router


def _settle(database: Database, system: System, provider: Provider, said: Payment) -> Verdict:
    return database.write(lambda session: service.settle(session, system, provider.name, said))


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_CALLBACK_BYTES:
            raise ProblemError(Problem.TOO_LARGE)
    return body
