"""REST of alarms and lanes: a guard's program looks at an alarm, holds a lane, and learns why somebody is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import httpx2
import pytest
from fastapi import FastAPI

from cardcore.ids import SiteId
from server.alarms import service as alarms
from server.alarms.rows import NewAlarm
from server.api.caller import ApiParts
from server.api.routes import api_router
from server.database import Database
from server.executor import Executor
from server.problem import install_problems
from server.staff.roles import Permission, Role
from server.system import System
from server.tokens import service as tokens
from tests.server.api.test_people_cards_issuing import good
from tests.server.conftest import NOON, Hire, StillClock
from tests.server.lanes.test_lanes import Site

MINE = frozenset({Permission.LIVE_READ, Permission.LANES_COMMAND, Permission.ACCESS_WRITE})


@pytest.fixture
async def client(database: Database, system: System, site: SiteId, hire: Hire) -> AsyncIterator[httpx2.AsyncClient]:
    """Return a program that acts for a security officer."""
    who, _ = hire(Role.SECURITY_OFFICER)
    new = tokens.NewToken("test", MINE, timedelta(days=1))
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


async def test_a71_a59_a58_a66_a_guards_program(
    client: httpx2.AsyncClient, database: Database, system: System, site: SiteId, clock: StillClock
) -> None:
    yard = Site(database, system, site, clock)
    card = yard.card()
    for place in ("g01", "g02", "g03"):
        new = NewAlarm("forced_passage", place, NOON)
        database.write(lambda session, new=new: alarms.raise_alarm(session, system, site, new))  # type: ignore[misc]
    page = await good(await client.get("/alarms", params={"limit": 2}))
    rest = await good(await client.get("/alarms", params={"limit": 2, "after": page["next"]}))
    assert [row["place"] for row in page["rows"] + rest["rows"]] == ["g03", "g02", "g01"]
    seen = {"alarms": [row["id"] for row in page["rows"]], "note": "a loose contact"}
    assert (await client.post("/alarms/acknowledge", json={**seen, "note": ""})).status_code == 409
    assert (await client.post("/alarms/acknowledge", json={**seen, "by": "me"})).status_code == 422
    assert (await client.post("/alarms/acknowledge", json=seen)).status_code == 204
    assert [row["place"] for row in (await good(await client.get("/alarms")))["rows"]] == ["g01"]
    assert len((await good(await client.get("/alarms", params={"waiting": False})))["rows"]) == 3

    until = (NOON + timedelta(hours=1)).isoformat()
    mask = {"kind": "forced_passage", "place": "*", "until": until, "reason": "painters"}
    assert (await client.post("/alarms/masks", json=mask)).status_code == 204
    assert [row["place"] for row in (await good(await client.get("/alarms/masks")))["rows"]] == ["*"]
    assert (await client.delete("/alarms/masks/forced_passage/*")).status_code == 204

    hold = {"mode": "locked", "until": until, "reason": "a delivery"}
    assert (await client.post("/lanes/g01/hold", json={**hold, "mode": "wide open"})).status_code == 422
    assert (await client.post("/lanes/g01/hold", json=hold)).status_code == 204
    (lane,) = (await good(await client.get("/lanes")))["rows"]
    assert (lane["mode"], lane["mode_now"]) == ("card", "locked")
    why = await good(await client.get("/lanes/g01/may-pass", params={"number": "7"}))
    assert [(one["card"], one["reason"], one["steps"][-1]["check"]) for one in why["cards"]] == [
        (str(card), "lane_locked", "mode")
    ]
    assert (await client.post("/lanes/g01/release", json={"reason": "done"})).status_code == 204
    assert (await client.post("/lanes/g01/open", json={"reason": "a wheelchair"})).status_code == 409
    assert (await good(await client.get("/lane-orders")))["rows"] == []
    warned = (await good(await client.get("/access/warnings")))["rows"]
    assert {"warning": "zone_without_way_out", "object": "zone:in", "field": "lanes", "detail": ""} in warned
    assert (await good(await client.get("/presence/conflicts")))["rows"] == []
