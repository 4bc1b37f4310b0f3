"""REST of the gate's guests: visitors to the end of the visit, vehicles, garages, roll-call, patrols, attendance."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial

import httpx2
import pytest
from fastapi import FastAPI

from cardcore.ids import SiteId
from server.api.caller import ApiParts
from server.api.routes import api_router
from server.database import Database
from server.executor import Executor
from server.problem import install_problems
from server.staff.roles import Permission, Role
from server.system import System
from server.tokens import service as tokens
from server.tokens.service import MadeToken, NewToken
from server.vehicles import garages
from server.vehicles.models import Garage, GarageId, LaneSide
from tests.server.conftest import NOON, Hire
from tests.server.visitors.lobby import HALL, ID_CARD, WAY_IN, WAY_OUT, Lobby, open_lobby

WANTED = frozenset(
    {
        Permission.VISITS_READ, Permission.VISITS_WRITE, Permission.VISITS_APPROVE, Permission.PERMITS_READ,
        Permission.VEHICLES_READ, Permission.VEHICLES_WRITE, Permission.MUSTER_READ, Permission.MUSTER_WRITE,
        Permission.TOURS_READ, Permission.TOURS_WRITE,
    }
)  # fmt: skip


class Api:
    """A client of two officers of a lobby."""

    def __init__(self, lobby: Lobby, client: httpx2.AsyncClient, officers: tuple[str, str]) -> None:
        self.lobby, self._client, self._officers = lobby, client, officers

    async def ask(self, method: str, path: str, body: object = None, *, second: bool = False) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {self._officers[second]}"}
        return await self._client.request(method, f"/api/v1{path}", json=body, headers=headers)


@pytest.fixture
async def api(database: Database, system: System, site: SiteId, hire: Hire) -> AsyncIterator[Api]:
    lobby = open_lobby(database, system, site)
    assert lobby.rules() is None
    officers = []
    for _ in range(2):
        officer, _ = hire(Role.SECURITY_OFFICER)
        new = NewToken("test", WANTED, timedelta(days=1))
        made = database.write(partial(tokens.create, system=system, site_id=site, actor=officer, new=new))
        assert isinstance(made, MadeToken)
        officers.append(made.text)
    run = Executor("api", 2)
    app = FastAPI(openapi_url=None)
    app.state.api = ApiParts(database, run, system, b"k" * 32)
    install_problems(app, system.ids)
    app.include_router(api_router())
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://localhost") as client:
        yield Api(lobby, client, (officers[0], officers[1]))
    run.close()


async def test_a71_a_visit_over_rest_from_registration_to_its_end(api: Api) -> None:
    body = {
        "name": "Vera Visitor", "host": str(api.lobby.host), "purpose": "a meeting", "document_kind": "id_card",
        "document_number": ID_CARD, "starts_at": NOON.isoformat(), "ends_at": (NOON + timedelta(hours=1)).isoformat(),
    }  # fmt: skip
    refused = await api.ask("POST", "/visits", {**body, "host": None})
    assert (refused.status_code, refused.json()["refusal"]) == (409, "host_missing")
    assert (await api.ask("POST", "/visits", {**body, "state": "open"})).status_code == 422
    made = await api.ask("POST", "/visits", body)
    assert made.status_code == 201, made.text
    assert made.json()["document_mask"] == "**************002X"
    assert ID_CARD not in made.text
    visit = made.json()["id"]
    own = await api.ask("POST", f"/visits/{visit}/answer", {"agreed": True})
    assert (own.status_code, own.json()["refusal"]) == (409, "same_person")
    assert (await api.ask("POST", f"/visits/{visit}/answer", {"agreed": True}, second=True)).status_code == 204
    listed = (await api.ask("GET", "/visits?state=approved")).json()
    assert [row["id"] for row in listed["rows"]] == [visit]
    assert (await api.ask("POST", f"/visits/{visit}/end", {})).json()["refusal"] == "wrong_state"
    assert (await api.ask("GET", f"/visits/{api.lobby.site}")).status_code == 404
    assert (await api.ask("GET", "/permits")).json()["rows"] == []


async def test_a71_vehicles_garages_roll_call_and_patrols_over_rest(api: Api) -> None:
    garage = Garage(GarageId("north"), "North", "北", 5, ((WAY_IN, LaneSide.IN), (WAY_OUT, LaneSide.OUT)))
    api.lobby.write(lambda session, system, site: garages.put_garage(session, system, site, garage, "test"))
    vehicle = {"plate": "浙A12345", "holder": str(api.lobby.host)}
    made = await api.ask("POST", "/vehicles", vehicle)
    assert made.status_code == 201, made.text
    assert (await api.ask("POST", "/vehicles", vehicle)).json()["refusal"] == "plate_taken"
    assert [row["plate"] for row in (await api.ask("GET", "/vehicles")).json()["rows"]] == ["浙A12345"]
    assert (await api.ask("DELETE", f"/vehicles/{made.json()['id']}")).status_code == 204
    recount = {"occupied": 2, "reason": "counted"}
    assert (await api.ask("POST", "/garages/north/recount", recount)).status_code == 204
    assert [one["free"] for one in (await api.ask("GET", "/garages")).json()] == [3]
    assert (await api.ask("GET", "/muster")).status_code == 404
    assert (await api.ask("POST", "/muster", {"zones": [HALL], "reason": "drill"})).status_code == 201
    assert (await api.ask("GET", "/muster")).json()["missing"] == 0
    assert (await api.ask("POST", "/muster/end", {})).status_code == 204
    assert (await api.ask("GET", "/patrols/rounds")).json() == []
    assert (await api.ask("POST", "/patrols/night/rounds")).json()["refusal"] == "unknown"
    assert (await api.ask("GET", "/attendance?since=2026-09-07&until=2026-09-07")).status_code == 403
