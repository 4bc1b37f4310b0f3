"""REST of people, cards and issuing: from somebody new to a card in line, its loss, and leaving."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest
from fastapi import FastAPI

from cardcore.ids import CategoryId, DeviceId, PersonId, SiteId
from server.api.caller import ApiParts
from server.api.routes import api_router
from server.database import Database
from server.executor import Executor
from server.people import service as people
from server.problem import install_problems
from server.staff.roles import Permission, Role
from server.system import System
from server.tokens import service as tokens
from tests.server.cards.card_desk import Desk
from tests.server.conftest import Hire
from tests.server.issuing.encoder_rows import READER, an_encoder


@pytest.fixture
async def client(database: Database, system: System, site: SiteId, hire: Hire) -> AsyncIterator[httpx2.AsyncClient]:
    """Return a program that acts for an issuer."""
    who, _ = hire(Role.ISSUER)
    mine = {Permission.PEOPLE_READ, Permission.PEOPLE_WRITE, Permission.CARDS_READ, Permission.CARDS_ISSUE}
    new = tokens.NewToken("test", frozenset({*mine, Permission.CARDS_BLOCK}), timedelta(days=1))
    made = database.write(lambda session: tokens.create(session, system, site, who, new))
    assert isinstance(made, tokens.MadeToken), made
    run = Executor("api", 2)
    app = FastAPI(openapi_url=None)
    app.state.api = ApiParts(database, run, system)
    install_problems(app, system.ids)
    app.include_router(api_router())
    headers = {"Authorization": f"Bearer {made.text}"}
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost/api/v1", headers=headers) as opened:
        yield opened
    run.close()


@pytest.fixture
def desk(database: Database, system: System, site: SiteId) -> Desk:
    return Desk(database, system, site)


async def good(answer: Any, status: int = 200) -> Any:  # noqa: ANN401 - JSON
    assert answer.status_code == status, answer.text
    return answer.json()


async def test_somebody_is_added_gets_a_card_in_line_loses_one_and_leaves(
    client: httpx2.AsyncClient, desk: Desk
) -> None:
    device = DeviceId(desk.system.ids.uuid7())
    desk.write(lambda session, system, site: an_encoder(session, system, site, device))
    desk.write(
        lambda session, system, site: people.put_category(
            session, system, site, CategoryId("staff"), people.Named("Staff", "职工"), "test"
        )
    )
    person = await good(await client.post("/people", json={"number": "1", "name": "王明", "category": "staff"}), 201)
    changed = {"name": "王小明", "category": "staff"}
    assert (await good(await client.put(f"/people/{person['id']}", json=changed)))["name"] == "王小明"
    assert (await client.post("/people", json={**changed, "number": "1"})).status_code == 409
    (encoder,) = (await good(await client.get("/issuing/encoders")))["rows"]
    assert (encoder["device_name"], encoder["reader"], encoder["online"]) == ("box", READER, True)

    wanted = {"device": encoder["device"], "reader": READER, "cards": [{"person": person["id"]}]}
    batch = (await good(await client.post("/issuing", json=wanted), 201))["id"]
    assert (await client.post("/issuing", json=wanted)).status_code == 409
    (job,) = (await good(await client.get(f"/issuing/{batch}")))["rows"]
    assert (job["number"], job["state"]) == ("1-1", "waiting")
    assert (await client.delete(f"/issuing/{batch}")).status_code == 204
    assert (await client.get(f"/issuing/{device}")).status_code == 404

    card = desk.card("7", people_id(person))
    seen = await good(await client.get(f"/cards/{card}"))
    assert (seen["state"], "lost" in seen["steps"]) == ("active", True)
    lost = await good(await client.post(f"/cards/{card}/steps", json={"step": "lost", "reason": "bus"}))
    assert (lost["state"], lost["steps"]) == ("lost", ["stolen", "found", "revoke"])
    assert (await client.post(f"/cards/{card}/steps", json={"step": "return"})).status_code == 409
    assert "found" in (await good(await client.get("/cards/transitions")))["lost"]

    left = await good(await client.post(f"/people/{person['id']}/leave", json={"reason": "retired"}))
    assert (left["revoked"], left["balance"]) == (1, 0)
    assert not (await good(await client.get(f"/people/{person['id']}")))["active"]


def people_id(person: dict[str, str]) -> PersonId:

    return PersonId(UUID(person["id"]))
