"""REST of alarms: what waits, what was, looking at some with a note, and masks."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from server.alarms import service
from server.alarms.service import Alarm, Mask, Wanted
from server.api.answers import Body, Limit, Rows, refused
from server.api.caller import Caller, needs
from server.audit.service import staff_actor
from server.staff.roles import Permission

router = APIRouter(prefix="/alarms", tags=["alarms"])

Reader = Annotated[Caller, needs(Permission.LIVE_READ)]
Guard = Annotated[Caller, needs(Permission.LANES_COMMAND)]


class Acknowledge(Body):
    """Alarms that somebody looked at, and what they found."""

    alarms: list[UUID]
    note: str


class NewMask(Body):
    """Alarms to keep off the list: `*` stands for any kind or any place, not both."""

    kind: str
    place: str
    until: datetime
    reason: str


@router.get("")
async def alarms(
    caller: Reader,
    *,
    waiting: Annotated[bool, Query(description="Only those nobody looked at, less the masked.")] = True,
    kind: str = "",
    place: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    after: Annotated[UUID | None, Query(description="`next` of the answer before: goes on with older ones.")] = None,
    limit: Limit = 100,
) -> Rows[Alarm]:
    """List alarms, newest first."""
    wanted = Wanted(kind, place, since, until, after, limit)
    call = service.open_alarms if waiting else service.history
    found = await caller.read(lambda session: call(session, caller.site_id, wanted))
    return Rows(rows=found, next=str(found[-1].id) if len(found) == limit else None)


@router.post("/acknowledge", status_code=204)
async def acknowledge(caller: Guard, wanted: Acknowledge) -> None:
    """Say that somebody looked at these alarms: all of them or none."""
    actor = staff_actor(caller.actor)
    refusal = await caller.write(
        lambda session: service.acknowledge(session, caller.system, caller.site_id, actor, wanted.alarms, wanted.note)
    )
    if refusal is not None:
        refused(refusal)


@router.get("/masks")
async def masks(caller: Reader) -> Rows[Mask]:
    """List the masks in force."""
    return Rows(rows=await caller.read(lambda session: service.masks(session, caller.system, caller.site_id)))


@router.post("/masks", status_code=204)
async def mask(caller: Guard, wanted: NewMask) -> None:
    """Keep alarms of a kind, at a place, or both, off the list for a time."""
    new = Mask(wanted.kind, wanted.place, wanted.until, staff_actor(caller.actor), wanted.reason)
    refusal = await caller.write(lambda session: service.mask(session, caller.system, caller.site_id, new))
    if refusal is not None:
        refused(refusal)


@router.delete("/masks/{kind}/{place}", status_code=204)
async def unmask(caller: Guard, kind: str, place: str) -> None:
    """List such alarms again."""
    actor = staff_actor(caller.actor)
    refusal = await caller.write(
        lambda session: service.unmask(session, caller.system, caller.site_id, actor, kind, place)
    )
    if refusal is not None:
        refused(refusal)
