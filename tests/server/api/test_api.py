"""REST: tokens alone open it, every address says what it needs, and the published description is the true one."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from cardcore.ids import SiteId, StaffId
from server.api.body_limit import MAX_API_BODY_BYTES, BodyLimit
from server.api.caller import ApiParts, Needs
from server.api.routes import NOUNS, api_router, openapi
from server.database import Database
from server.executor import Executor
from server.problem import install_problems
from server.staff.roles import Permission, Role
from server.system import System
from server.tokens import service
from server.tokens.service import MadeToken, NewToken
from tests.server.conftest import Hire

DESCRIPTION = Path(__file__).parents[3] / "docs" / "openapi.json"
OWN = "/api/v1/tokens/own"


def routes() -> Iterator[APIRoute]:
    for noun in NOUNS:
        yield from (route for route in noun.routes if isinstance(route, APIRoute))


def method_of(route: APIRoute) -> str:
    return min(route.methods or ())


def needs_of(dependant: Dependant) -> list[Needs]:
    found = [dependant.call] if isinstance(dependant.call, Needs) else []
    return found + [need for part in dependant.dependencies for need in needs_of(part)]


@pytest.fixture
def app(database: Database, system: System) -> Iterator[FastAPI]:
    run = Executor("api", 2)
    built = FastAPI(openapi_url=None)
    built.state.api = ApiParts(database, run, system)
    install_problems(built, system.ids)
    built.include_router(api_router())
    built.add_middleware(BodyLimit)
    yield built
    run.close()


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://localhost") as opened:
        yield opened


def token(database: Database, system: System, site: SiteId, actor: StaffId, *permissions: Permission) -> dict[str, str]:
    new = NewToken("test", frozenset(permissions), timedelta(days=1))
    made = database.write(lambda session: service.create(session, system, site, actor, new))
    assert isinstance(made, MadeToken)
    return {"Authorization": f"Bearer {made.text}"}


@pytest.mark.parametrize("route", list(routes()), ids=lambda route: f"{method_of(route)} {route.path}")
async def test_no_address_answers_without_a_token(client: httpx2.AsyncClient, route: APIRoute) -> None:
    assert len(needs_of(route.dependant)) == 1, "ask for a Caller with needs(...), once"
    path = "/api/v1" + route.path.replace("{", "").replace("}", "")
    for headers in ({}, {"Authorization": "Bearer onecard_" + "A" * 43}, {"Cookie": "onecard=" + "A" * 43}):
        answer = await client.request(method_of(route), path, headers=headers)
        assert answer.status_code == 401, answer.text


async def test_a_token_without_the_permission_is_refused_and_told_what_it_needs(
    client: httpx2.AsyncClient, database: Database, system: System, site: SiteId, hire: Hire
) -> None:
    finance, _ = hire(Role.FINANCE)
    headers = token(database, system, site, finance, Permission.BOOKS_READ)
    answer = await client.get("/api/v1/tokens", headers=headers)
    assert (answer.status_code, answer.json()["needs"]) == (403, ["staff_write"])
    assert (await client.get(OWN, headers=headers)).json()["permissions"] == ["books_read"]


async def test_use_is_noted_once_an_hour(
    client: httpx2.AsyncClient, database: Database, system: System, site: SiteId, hire: Hire
) -> None:
    admin, _ = hire(Role.SYSTEM_ADMIN)
    headers = token(database, system, site, admin, Permission.STAFF_WRITE)
    await client.get(OWN, headers=headers)
    rows = (await client.get("/api/v1/tokens", headers=headers)).json()["rows"]
    assert rows[0]["used_at"] == system.clock.now().isoformat().replace("+00:00", "Z")


async def test_a_token_is_revoked_once_and_its_next_call_fails(
    client: httpx2.AsyncClient, database: Database, system: System, site: SiteId, hire: Hire
) -> None:
    admin, _ = hire(Role.SYSTEM_ADMIN)
    headers = token(database, system, site, admin, Permission.STAFF_WRITE)
    own = (await client.get(OWN, headers=headers)).json()["token"]
    assert (await client.delete(f"/api/v1/tokens/{own}", headers=headers)).status_code == 204
    assert (await client.get(OWN, headers=headers)).status_code == 401


@pytest.mark.parametrize("as_stream", [False, True])
async def test_a_long_body_is_not_read(client: httpx2.AsyncClient, as_stream: bool) -> None:
    body = b"x" * (MAX_API_BODY_BYTES + 1)

    async def pieces() -> AsyncIterator[bytes]:
        yield body

    content: Any = pieces() if as_stream else body
    assert (await client.post(OWN, content=content)).status_code == 413


def test_the_published_description_is_the_true_one() -> None:
    assert json.loads(DESCRIPTION.read_text(encoding="utf-8")) == openapi(), (
        "write it anew: python -m server.api > docs/openapi.json"
    )


def test_nothing_is_described_as_a_float() -> None:
    """Amounts are integer fen: a `number` in the description would be one that is not."""
    assert '"type": "number"' not in json.dumps(openapi())
