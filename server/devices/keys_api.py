"""REST of readers' keys: how they stand, and orders about them. No key is ever in an answer: boxes keep their own."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from cardcore.ids import DeviceId
from server.api.answers import Body, refused
from server.api.caller import Caller, needs
from server.approvals import service as approvals
from server.approvals.models import ApprovalRefusal
from server.audit.service import staff_actor
from server.devices import reader_orders, repository
from server.devices.approved import INSTALL_KEY, InstallKey
from server.devices.models import DeviceStatus
from server.devices.reader_orders import MAX_REASON, KeyDeed, KeyOrder, KeyRefusal, Wanted
from server.problem import Problem, ProblemError
from server.staff.roles import Permission

router = APIRouter(prefix="/devices", tags=["devices"])

Reader = Annotated[Caller, needs(Permission.DEVICES_READ)]
Admin = Annotated[Caller, needs(Permission.DEVICES_WRITE)]


class KeyState(BaseModel):
    """How a reader's key stands: none, installing, own, rolling, or heard (its own, but others may know it)."""

    reader: str
    key: str
    online: bool
    secure: bool


class KeyStates(BaseModel):
    """The OSDP readers of a box, and the newest orders about them."""

    readers: list[KeyState]
    orders: list[KeyOrder]


class OrderBody(Body):
    """What is wanted. `minutes` is for the first key only; that waits for a second person."""

    reader: Annotated[str, Field(min_length=1, max_length=32)]
    deed: KeyDeed
    minutes: Annotated[int, Field(ge=0, le=reader_orders.MAX_MINUTES)] = 0
    reason: Annotated[str, Field(max_length=MAX_REASON)]


class Ordered(BaseModel):
    """The order that went out, or the request that waits for another person."""

    order: UUID | None = None
    approval: UUID | None = None


@router.get("/{device_id}/reader-keys")
async def keys(caller: Reader, device_id: UUID) -> KeyStates:
    """Return how the keys of a box's readers stand."""
    device = await _device(caller, device_id)
    states = [
        KeyState(reader=one["name"], key=one["key"], online=one["online"], secure=one["secure"])
        for one in device.health.get("readers", ())
        if one.get("key")
    ]
    orders = await caller.read(lambda session: reader_orders.newest(session, caller.system, caller.site_id, device.id))
    return KeyStates(readers=states, orders=orders)


@router.post("/{device_id}/reader-keys", status_code=202)
async def order(caller: Admin, device_id: UUID, body: OrderBody) -> Ordered:
    """Order something about a reader's key; how it ended is told by the answer to GET a second later."""
    device = await _device(caller, device_id)
    wanted = Wanted(device.id, body.reader, body.deed, body.reason, body.minutes)
    if body.deed is KeyDeed.INSTALL:
        content = InstallKey(device.id, device.name, body.reader, body.minutes)
        refusal = await caller.read(
            lambda session: reader_orders.refusal_of(session, caller.system, caller.site_id, wanted)
        )
        if refusal is not None:
            refused(refusal)
        asked = await caller.write(
            lambda session: approvals.ask(
                session, caller.system, caller.site_id, caller.actor, INSTALL_KEY, content, body.reason
            )
        )
        if isinstance(asked, ApprovalRefusal):
            refused(asked)
        return Ordered(approval=asked)
    actor = staff_actor(caller.actor)
    given = await caller.write(
        lambda session: reader_orders.give(session, caller.system, caller.site_id, wanted, actor)
    )
    if isinstance(given, KeyRefusal):
        refused(given)
    return Ordered(order=given)


async def _device(caller: Caller, device_id: UUID) -> DeviceStatus:
    now = caller.system.clock.now()
    rows = await caller.read(lambda session: repository.statuses(session, caller.site_id, now))
    found = next((row for row in rows if row.id == DeviceId(device_id)), None)
    if found is None:
        raise ProblemError(Problem.NOT_FOUND)
    return found
