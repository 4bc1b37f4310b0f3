"""Orders about readers' keys: install mode by two people, the rest by one, each written down before the box hears."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from cardcore.clock import to_millis
from cardcore.ids import DeviceId, SiteId, StaffId
from cardcore.wire.messages import Command, CommandDone, CommandKind, Health, ReaderHealth
from server.api.caller import ApiParts
from server.api.routes import api_router
from server.approvals import service as approvals
from server.approvals.models import ApprovalRefusal
from server.approvals.operations import OPERATIONS
from server.database import Database, ReadSession, WriteSession
from server.devices import reader_orders, repository
from server.devices.approved import INSTALL_KEY, InstallKey
from server.devices.reader_orders import KeyDeed, KeyOrder, KeyRefusal, Wanted
from server.executor import Executor
from server.lanes.orders import Orders
from server.problem import install_problems
from server.staff.roles import Permission, Role
from server.system import System
from server.tokens import service as tokens
from tests.server.conftest import Hire

READERS = (
    ReaderHealth("g01", "g01", online=True, secure=False, key="none"),
    ReaderHealth("g02", "g02", online=True, secure=True, key="own"),
    ReaderHealth("g03", "g03", online=True, secure=True, key="rolling"),
    ReaderHealth("desk", "", online=True, secure=False),
)


class Box:
    """A connected box with OSDP readers, and what it was told."""

    def __init__(self, database: Database, system: System, site: SiteId) -> None:
        self.database, self.system, self.site = database, system, site
        self.device = DeviceId(system.ids.uuid7())
        self.heard: list[Command] = []
        self.answers = True

        def enrol(session: WriteSession) -> None:
            now = system.clock.now()
            repository.insert_device(session, self.device, site, "north", ["gate"], (self.device.bytes * 2, b""), now)
            repository.set_connected(session, self.device, now, "test")
            health = Health(to_millis(now), 1, 0, 0, 0, 1, 1, 0, 1, READERS)
            repository.update_status(session, self.device, now, health)

        database.write(enrol)

    @property
    def connected(self) -> tuple[DeviceId, ...]:
        return (self.device,)

    async def command(self, _device: DeviceId, command: Command) -> CommandDone | None:
        self.heard.append(command)
        return CommandDone(command.nonce, "refused", "the disk is full") if self.answers else None

    def carry_out(self) -> None:
        """Hear what the outbox holds, as the process does that has the link."""

        async def run(call: Callable[..., object], *given: object) -> object:
            return call(*given)

        query = text("select payload from outbox where topic = 'lane_orders' order by id")
        told = self.database.read(lambda session: [row.payload for row in session.execute(query)])
        orders = Orders(self, self.database, run, self.system)  # type: ignore[arg-type]
        for one in told[len(self.heard) :]:
            asyncio.run(orders.heard(one))

    def give(self, wanted: Wanted) -> object:
        return self.database.write(
            lambda session: reader_orders.give(session, self.system, self.site, wanted, "staff:a")
        )

    def newest(self) -> list[KeyOrder]:
        return self.database.read(lambda session: reader_orders.newest(session, self.system, self.site, self.device))

    def trail(self) -> list[str]:
        query = text("select action from audit where object = :object order by at, id")

        def read(session: ReadSession) -> list[str]:
            return list(session.execute(query, {"object": f"device:{self.device}"}).scalars())

        return self.database.read(read)


@pytest.fixture
def box(database: Database, system: System, site: SiteId) -> Box:
    return Box(database, system, site)


def ask(box: Box, who: StaffId, reader: str = "g01") -> object:
    content = InstallKey(box.device, "north", reader, 10)
    return box.database.write(
        lambda session: approvals.ask(session, box.system, box.site, who, INSTALL_KEY, content, "new lane")
    )


def test_a72_install_mode_takes_two_people_and_the_box_hears_it_once(box: Box, hire: Hire) -> None:
    (admin, _), (officer, _), (issuer, _) = (
        hire(Role.SYSTEM_ADMIN), hire(Role.SECURITY_OFFICER), hire(Role.ISSUER),
    )  # fmt: skip
    assert ask(box, issuer) is ApprovalRefusal.NOT_ALLOWED
    asked = ask(box, admin)
    assert not isinstance(asked, ApprovalRefusal)
    box.carry_out()
    assert box.heard == []
    request = box.database.read(lambda session: approvals.get(session, box.site, asked))  # type: ignore[arg-type]
    assert request is not None

    def approve(who: StaffId) -> ApprovalRefusal | None:
        decision = (who, request.seen)
        return box.database.write(
            lambda session: approvals.approve(session, box.system, box.site, request.id, decision, OPERATIONS)
        )

    assert approve(admin) is ApprovalRefusal.NOT_ALLOWED  # no role may both ask and approve
    assert approve(officer) is None
    box.carry_out()
    box.carry_out()
    (command,) = box.heard
    assert (command.kind, command.place, command.minutes) == (CommandKind.INSTALL_READER_KEY, "g01", 10)
    assert command.reason == "new lane"
    (order,) = box.newest()
    assert (order.kind, order.result, order.detail) == (KeyDeed.INSTALL, "refused", "the disk is full")
    assert box.trail() == ["install_reader_key"]


def test_a_roll_is_one_persons_and_what_cannot_be_is_refused(box: Box) -> None:
    def wanted(reader: str, kind: KeyDeed = KeyDeed.ROLL, reason: str = "yearly", minutes: int = 0) -> Wanted:
        return Wanted(box.device, reader, kind, reason, minutes)

    refused = {
        box.give(wanted("g02", reason=" ")): KeyRefusal.REASON_MISSING,
        box.give(wanted("g02", minutes=1)): KeyRefusal.MINUTES,
        box.give(wanted("g01", KeyDeed.INSTALL, minutes=11)): KeyRefusal.MINUTES,
        box.give(wanted("desk")): KeyRefusal.UNKNOWN_READER,
        box.give(wanted("g09")): KeyRefusal.UNKNOWN_READER,
        box.give(wanted("g01")): KeyRefusal.NO_KEY_YET,
        box.give(wanted("g03")): KeyRefusal.KEY_ON_ITS_WAY,
    }
    assert all(answer is expected for answer, expected in refused.items())
    assert box.trail() == []
    assert not isinstance(box.give(wanted("g02")), KeyRefusal)
    box.answers = False
    box.carry_out()
    assert [(one.kind, one.place) for one in box.heard] == [(CommandKind.ROLL_READER_KEY, "g02")]
    assert box.newest()[0].result == "unknown"
    assert box.trail() == ["roll_reader_key"]
    box.database.write(lambda session: repository.set_disconnected(session, box.device))
    assert box.give(wanted("g02", KeyDeed.CONFIRM)) is KeyRefusal.NOT_CONNECTED


async def test_a72_a_program_orders_keys_and_never_sees_one(box: Box, hire: Hire) -> None:
    who, _ = hire(Role.SYSTEM_ADMIN)
    mine = frozenset({Permission.DEVICES_READ, Permission.DEVICES_WRITE})
    new = tokens.NewToken("test", mine, timedelta(days=1))
    made = box.database.write(lambda session: tokens.create(session, box.system, box.site, who, new))
    assert isinstance(made, tokens.MadeToken)
    run = Executor("api", 1)
    app = FastAPI(openapi_url=None)
    app.state.api = ApiParts(box.database, run, box.system)
    install_problems(app, box.system.ids)
    app.include_router(api_router())
    headers = {"Authorization": f"Bearer {made.text}"}
    url = f"/devices/{box.device}/reader-keys"
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost/api/v1", headers=headers) as client:
        told = (await client.get(url)).json()
        assert [(one["reader"], one["key"]) for one in told["readers"]] == [
            ("g01", "none"), ("g02", "own"), ("g03", "rolling"),
        ]  # fmt: skip
        roll = {"reader": "g02", "deed": "roll_reader_key", "reason": "yearly"}
        assert (await client.post(url, json=roll | {"key": "00" * 16})).status_code == 422
        assert (await client.post(url, json=roll)).json()["order"]
        install = {"reader": "g01", "deed": "install_reader_key", "minutes": 5, "reason": "new lane"}
        assert (await client.post(url, json=install)).json()["approval"]
        assert (await client.post(url, json=install | {"minutes": 0})).status_code == 409
        (order,) = (await client.get(url)).json()["orders"]
        assert (order["kind"], order["result"]) == ("roll_reader_key", "waiting")
        assert (await client.get(f"/devices/{box.system.ids.uuid7()}/reader-keys")).status_code == 404
    run.close()
