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


async def test_c36_c60_a_desk_and_a_refund_by_programs(house: CountingHouse, client: httpx2.AsyncClient) -> None:
    cashier = as_(house, house.cashier, Permission.TOP_UP, Permission.CHARGES_UNDO, Permission.REFUND)
    shift = (await client.post("/desk/shifts", json={"desk": "hall", "opening": 5000}, headers=cashier)).json()
    account = str(house.small.holders[0].account)
    order = {"transfer": str(house.system.ids.uuid7()), "account": account, "amount": 1000}
    cash = f"/desk/shifts/{shift['id']}"
    first, again = [(await client.post(f"{cash}/topups", json=order, headers=cashier)).json() for _ in range(2)]
    assert (first["number"], first["repeated"], again["repeated"]) == ("hall-1-0001", False, True)
    for amount in (0, -1, 1.5, 10**9):
        assert (
            await client.post(f"{cash}/topups", json={**order, "amount": amount}, headers=cashier)
        ).status_code == 422
    back = {**order, "transfer": str(house.system.ids.uuid7()), "amount": 400}
    paid = (await client.post(f"{cash}/payouts", json=back, headers=cashier)).json()
    assert first["balance"] - paid["balance"] == 400
    counted = (await client.post(f"{cash}/count", json={"counted": 5600}, headers=cashier)).json()
    assert (counted["open"], counted["expected"]) == (False, 5600)
    ((charge,),) = house.rows("select id from charge where revision = 0 and till_id = 't01' order by at limit 1")
    undo = {"refund": str(house.system.ids.uuid7()), "reason": "wrong dish"}
    late = await client.post(f"/charges/{charge}/undo", json=undo, headers=cashier)
    assert late.json()["refusal"] == "too_late"
    asked = await client.post(f"/charges/{charge}/refunds", json={"amount": 100, "reason": "wrong"}, headers=cashier)
    assert (asked.status_code, set(asked.json())) == (202, {"approval"})
    assert house.rows("select count(*) from refund") == [(0,)]
