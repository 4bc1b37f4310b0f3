"""Enrolment over HTTP and PostgreSQL: one code, one device, and every refusal says what to do."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from uuid import UUID

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI

from cardcore.ids import DeviceId, SiteId
from cardcore.journal import GENESIS, Purpose
from server.database import Database
from server.devices import repository, service
from server.devices.api import enrolment_router
from server.devices.models import CodeProblem, EnrolmentCode
from server.devices.register import Register
from server.devices.throttle import TRIES
from server.executor import Executor
from server.problem import install_problems
from server.secrets_file import ServerSecrets, WrongKeyError, secrets_from
from server.system import System
from tests.server.conftest import StillClock

GATE = frozenset({Purpose.GATE})


@pytest.fixture
def secrets(system: System) -> ServerSecrets:
    return secrets_from(system.ids.random_bytes(32), system.ids)


@pytest.fixture
async def client(database: Database, system: System, secrets: ServerSecrets) -> AsyncIterator[httpx2.AsyncClient]:
    executor = Executor("test", 2)
    app = FastAPI()
    install_problems(app, system.ids)
    app.include_router(enrolment_router(database, executor, system, secrets))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://test") as opened:
        yield opened
    executor.close()


def make_code(database: Database, system: System, name: str = "gate-1") -> str:
    made = database.write(lambda session: service.make_code(session, system, "", name, GATE, "test"))
    assert isinstance(made, EnrolmentCode)
    return made.code


def request(system: System, code: str) -> dict[str, str]:
    key = Ed25519PrivateKey.from_private_bytes(system.ids.random_bytes(32)).public_key().public_bytes_raw()
    record_key = base64.b64encode(system.ids.random_bytes(32)).decode()
    return {"code": code, "public_key": key.hex(), "record_key": record_key, "software": "onecard-reader 0.1"}


async def test_a_code_makes_one_device_that_the_link_then_knows(
    client: httpx2.AsyncClient, database: Database, system: System, secrets: ServerSecrets, site: SiteId
) -> None:
    asked = request(system, make_code(database, system).lower())
    answer = await client.post("/device/enrol", json=asked)
    assert answer.status_code == 201
    body = answer.json()
    assert body["name"] == "gate-1"
    assert body["site"] == str(site)
    assert bytes.fromhex(body["server_key"]) == secrets.identity_public
    known = Register(database, system, secrets).known(DeviceId(UUID(body["device"])))
    assert known is not None
    assert known.public_key.hex() == asked["public_key"]
    assert base64.b64encode(known.link.record_key).decode() == asked["record_key"]
    assert known.link.purposes == GATE
    stored = database.read(repository.any_sealed_key)
    assert stored is not None
    assert known.link.record_key not in bytes(stored.record_key_sealed)


async def test_a_lost_answer_may_be_asked_for_again_but_a_second_box_may_not(
    client: httpx2.AsyncClient, database: Database, system: System, site: SiteId
) -> None:
    asked = request(system, make_code(database, system))
    first = await client.post("/device/enrol", json=asked)
    again = await client.post("/device/enrol", json=asked)
    assert again.json() == first.json()
    thief = await client.post("/device/enrol", json=request(system, asked["code"]))
    other_seal = await client.post(
        "/device/enrol", json={**request(system, asked["code"]), "public_key": asked["public_key"]}
    )
    assert [thief.json()["code"], other_seal.json()["code"]] == ["enrolment_code_used"] * 2
    assert "onecard device code" in thief.json()["title"]


async def test_a_code_dies_after_a_quarter_of_an_hour(
    client: httpx2.AsyncClient, database: Database, system: System, clock: StillClock, site: SiteId
) -> None:
    code = make_code(database, system)
    clock.forward(minutes=15)
    answer = await client.post("/device/enrol", json=request(system, code))
    assert (answer.status_code, answer.json()["code"]) == (403, "enrolment_code_expired")


async def test_a_wrong_code_is_refused_in_the_asked_language(
    client: httpx2.AsyncClient, system: System, site: SiteId
) -> None:
    answer = await client.post(
        "/device/enrol", json=request(system, "AAAAA-AAAAA-AAAAA-AAAAA"), headers={"Accept-Language": "zh-CN"}
    )
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "enrolment_code_unknown"
    assert "注册码" in answer.json()["title"]


async def test_guessing_is_throttled(
    client: httpx2.AsyncClient, system: System, clock: StillClock, site: SiteId
) -> None:
    asked = request(system, "WRONG")
    seen = [(await client.post("/device/enrol", json=asked)).status_code for _ in range(TRIES + 2)]
    assert seen == [403] * TRIES + [429, 429]
    clock.forward(minutes=5)
    assert (await client.post("/device/enrol", json=asked)).status_code == 403


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"public_key": "00" * 32}, 422, "device_key_unusable"),
        ({"public_key": "zz"}, 422, "device_key_unusable"),
        ({"record_key": "AAAA"}, 422, "device_key_unusable"),
        ({"record_key": "!"}, 422, "device_key_unusable"),
        ({"more": "x"}, 422, "unusable_input"),
        ({"code": "x" * 5000}, 413, "too_large"),
    ],
)
async def test_unusable_requests_spend_no_code(
    client: httpx2.AsyncClient,
    database: Database,
    system: System,
    site: SiteId,
    change: dict[str, str],
    status: int,
    code: str,
) -> None:
    asked = request(system, make_code(database, system))
    answer = await client.post("/device/enrol", json={**asked, **change})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert (await client.post("/device/enrol", json=asked)).status_code == 201


async def test_browsers_are_refused(client: httpx2.AsyncClient, system: System) -> None:
    answer = await client.post("/device/enrol", json=request(system, "X"), headers={"Origin": "http://test"})
    assert (answer.status_code, answer.json()["code"]) == (403, "browser_refused")


async def test_a_copied_box_cannot_enrol_its_old_key(
    client: httpx2.AsyncClient, database: Database, system: System, site: SiteId
) -> None:
    asked = request(system, make_code(database, system, "gate-1"))
    await client.post("/device/enrol", json=asked)
    copy = await client.post("/device/enrol", json={**asked, "code": make_code(database, system, "gate-2")})
    assert (copy.status_code, copy.json()["code"]) == (409, "device_key_known")


async def test_a_replacement_takes_the_name_and_the_old_keys_stay(
    client: httpx2.AsyncClient, database: Database, system: System, secrets: ServerSecrets, site: SiteId
) -> None:
    register = Register(database, system, secrets)
    first = (await client.post("/device/enrol", json=request(system, make_code(database, system)))).json()
    old = DeviceId(UUID(first["device"]))
    refused = database.write(lambda session: service.make_code(session, system, "", "gate-1", GATE, "test"))
    assert refused is CodeProblem.NAME_IN_USE
    assert database.write(lambda session: service.revoke(session, system, old, "test"))
    assert not database.write(lambda session: service.revoke(session, system, old, "test"))
    second = (await client.post("/device/enrol", json=request(system, make_code(database, system)))).json()
    assert second["name"] == "gate-1"
    former = register.known(old)
    assert former is not None
    assert former.link.revoked_at == system.clock.now()
    assert former.name.startswith("gate-1 (")


def enrolled(database: Database, system: System, secrets: ServerSecrets) -> DeviceId:
    code = make_code(database, system)
    keys = (system.ids.random_bytes(32), system.ids.random_bytes(32))
    made = database.write(lambda session: service.enrol(session, system, secrets, code, keys, ""))
    assert not isinstance(made, str)
    return made.device


def test_a_new_life_of_a_journal_closes_the_old_one_with_a_finding(
    database: Database, system: System, secrets: ServerSecrets, site: SiteId
) -> None:
    register, device = Register(database, system, secrets), enrolled(database, system, secrets)
    assert register.open_epoch(device, 7) == (0, GENESIS)
    assert register.open_epoch(device, 7) == (0, GENESIS)
    register.open_epoch(device, 9)
    register.open_epoch(device, 7)
    with database._engine.connect() as connection:
        kinds = connection.exec_driver_sql("select kind from finding order by kind").scalars().all()
        closed = (
            connection.exec_driver_sql("select epoch from device_epoch where closed_at is not null").scalars().all()
        )
    assert kinds == ["journal_replaced", "journal_returned"]
    assert closed == [7]


def test_another_server_key_is_noticed(
    database: Database, system: System, secrets: ServerSecrets, site: SiteId
) -> None:
    device = enrolled(database, system, secrets)
    other = secrets_from(system.ids.random_bytes(32), system.ids)
    assert database.read(lambda session: service.secrets_fit(session, secrets))
    assert not database.read(lambda session: service.secrets_fit(session, other))
    with pytest.raises(WrongKeyError):
        Register(database, system, other).known(device)


def test_the_generation_is_drawn_once(database: Database, system: System, secrets: ServerSecrets) -> None:
    register = Register(database, system, secrets)
    assert register.generation() == register.generation() != ""


def test_a_silent_device_is_not_connected(
    database: Database, system: System, clock: StillClock, secrets: ServerSecrets, site: SiteId
) -> None:
    device = enrolled(database, system, secrets)
    Register(database, system, secrets).connected(device, "0.1")
    found = [database.read(lambda session: repository.statuses(session, site, clock.now()))]
    assert found[0][0].is_connected
    clock.forward(seconds=16)
    later = database.read(lambda session: repository.statuses(session, site, clock.now()))
    assert not later[0].is_connected
