"""REST of the books: a day is closed, signed by another, its findings explained, its meals summed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import httpx2
import pytest
from fastapi import FastAPI

from cardcore.ids import StaffId
from server.api.caller import ApiParts
from server.api.routes import api_router
from server.database import Database
from server.executor import Executor
from server.problem import install_problems
from server.staff.roles import Permission
from server.tokens import service as tokens
from tests.server.close.counting_house import DAY, CountingHouse


@pytest.fixture
async def house(database: Database) -> AsyncIterator[CountingHouse]:
    house = CountingHouse(database)
    house.play()
    house.next_morning()
    yield house
    house.taps.close()


@pytest.fixture
async def client(house: CountingHouse) -> AsyncIterator[httpx2.AsyncClient]:
    """Return a program; which token it sends says each call."""
    run = Executor("api", 2)
    app = FastAPI(openapi_url=None)
    app.state.api = ApiParts(house.database, run, house.system)
    install_problems(app, house.system.ids)
    app.include_router(api_router())
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost/api/v1") as opened:
        yield opened
    run.close()


def as_(house: CountingHouse, who: StaffId, *permissions: Permission) -> dict[str, str]:
    new = tokens.NewToken("test", frozenset(permissions), timedelta(days=1))
    made = house.database.write(lambda session: tokens.create(session, house.system, house.site, who, new))
    assert isinstance(made, tokens.MadeToken), made
    return {"Authorization": f"Bearer {made.text}"}


async def test_c66_a_day_is_closed_signed_and_explained_by_programs(
    house: CountingHouse, client: httpx2.AsyncClient
) -> None:
    clerk = as_(house, house.clerk, Permission.BOOKS_READ, Permission.BOOKS_CLOSE, Permission.BOOKS_SIGN)
    second = as_(house, house.second, Permission.BOOKS_SIGN)
    day = {"business_day": DAY.isoformat()}
    waits = await client.post("/books/closes", json=day, headers=clerk)
    assert (waits.status_code, waits.json()["refusal"]) == (409, "tills_silent")
    closed = (await client.post("/books/closes", json={**day, "without_silent": True}, headers=clerk)).json()
    again = (await client.post("/books/closes", json=day, headers=clerk)).json()
    assert closed == again
    own = await client.post(f"/books/closes/{DAY}/sign", headers=clerk)
    assert own.json()["refusal"] == "same_person"
    assert (await client.post(f"/books/closes/{DAY}/sign", headers=second)).json()["signed_at"]
    span = {"from_day": DAY.isoformat(), "through_day": DAY.isoformat()}
    (listed,) = (await client.get("/books/closes", params=span, headers=clerk)).json()
    assert (listed["business_day"], listed["hash"]) == (DAY.isoformat(), closed["hash"])
    open_ones = (await client.get("/books/findings", headers=clerk)).json()["rows"]
    assert {one["kind"] for one in open_ones} >= {"silent_till", "unconfirmed"}
    settle = f"/books/findings/{open_ones[0]['id']}/settle"
    assert (await client.post(settle, json={"explanation": ""}, headers=clerk)).status_code == 422
    assert (await client.post(settle, json={"explanation": "known"}, headers=clerk)).status_code == 204
    left = (await client.get("/books/findings", headers=clerk)).json()["rows"]
    assert len(left) == len(open_ones) - 1


async def test_c72_sums_are_given_to_programs_that_may_read_the_books(
    house: CountingHouse, client: httpx2.AsyncClient
) -> None:
    reader = as_(house, house.clerk, Permission.BOOKS_READ)
    asked = {"from_day": DAY.isoformat(), "through_day": DAY.isoformat(), "by": ["stall", "meal"]}
    rows = (await client.get("/books/sums", params=asked, headers=reader)).json()["rows"]
    assert [(row["keys"], row["meals"], row["net"]) for row in rows] == [
        (["main", "lunch"], 2, 2700), (["noodles", "lunch"], 1, 1000),
    ]  # fmt: skip
    twice = await client.get("/books/sums", params={**asked, "by": ["stall", "stall"]}, headers=reader)
    assert twice.json()["refusal"] == "too_many_dimensions"
    assert (await client.post("/books/closes", json={"business_day": "2026-03-04"}, headers=reader)).status_code == 403
