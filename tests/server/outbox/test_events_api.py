"""Events after an id over REST: in order, resumable, only what may be followed, only with the permission."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import httpx2
import pytest
from fastapi import FastAPI

from cardcore.ids import SiteId
from server.api.caller import ApiParts
from server.api.routes import api_router
from server.database import Database, WriteSession
from server.executor import Executor
from server.outbox import repository as outbox
from server.problem import install_problems
from server.staff.roles import Permission, Role
from server.system import System
from server.tokens import service
from server.tokens.service import MadeToken, NewToken
from tests.server.conftest import Hire


@pytest.fixture
def app(database: Database, system: System) -> Iterator[FastAPI]:
    run = Executor("api", 2)
    built = FastAPI(openapi_url=None)
    built.state.api = ApiParts(database, run, system)
    install_problems(built, system.ids)
    built.include_router(api_router())
    yield built
    run.close()


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://localhost") as opened:
        yield opened


def shown(database: Database, system: System, site: SiteId, hire: Hire, permission: Permission) -> dict[str, str]:
    owner, _ = hire(Role.SECURITY_OFFICER)
    new = NewToken("events", frozenset({permission}), timedelta(days=1))
    made = database.write(lambda session: service.create(session, system, site, owner, new))
    assert isinstance(made, MadeToken)
    return {"Authorization": f"Bearer {made.text}"}


async def test_a71_events_after_an_id_come_in_order_and_can_be_resumed(
    client: httpx2.AsyncClient, database: Database, system: System, site: SiteId, hire: Hire
) -> None:
    own = shown(database, system, site, hire, Permission.LIVE_READ)

    def write(session: WriteSession) -> None:
        for number in range(5):
            outbox.append(session, system, site, "alarms", {"n": number})
            outbox.append(session, system, site, "lane_orders", {"n": number})

    database.write(write)
    database.write(lambda session: outbox.number_waiting(session, site))
    first = (await client.get("/api/v1/events?topic=alarms&limit=3", headers=own)).json()
    assert [row["payload"]["n"] for row in first["rows"]] == [0, 1, 2]
    rest = (await client.get(f"/api/v1/events?topic=alarms&limit=3&after={first['next']}", headers=own)).json()
    assert [row["payload"]["n"] for row in rest["rows"]] == [3, 4]
    assert rest["next"] is None
    everything = (await client.get("/api/v1/events", headers=own)).json()
    assert {row["topic"] for row in everything["rows"]} & {"lane_orders", "policy"} == set()
    assert (await client.get("/api/v1/events?topic=lane_orders", headers=own)).status_code == 422


async def test_a71_events_need_their_permission(
    client: httpx2.AsyncClient, database: Database, system: System, site: SiteId, hire: Hire
) -> None:
    own = shown(database, system, site, hire, Permission.CARDS_READ)
    assert (await client.get("/api/v1/events", headers=own)).status_code == 403
    assert (await client.get("/api/v1/events")).status_code == 401
