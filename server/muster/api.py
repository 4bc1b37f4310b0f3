"""REST of the roll-call: who is missing now, calling it, ending it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field

from cardcore.ids import ZoneId
from server.api.answers import Body, refused
from server.api.caller import Caller, needs
from server.audit.service import staff_actor
from server.muster import service
from server.muster.service import MusterRefusal
from server.problem import Problem, ProblemError
from server.staff.roles import Permission

router = APIRouter(prefix="/muster", tags=["muster"])


class CallBody(Body):
    """Whose roll is called, and why."""

    zones: Annotated[list[str], Field(min_length=1, max_length=100)]
    reason: Annotated[str, Field(min_length=1, max_length=200)]


class MusterEndBody(Body):
    """A closing note."""

    note: Annotated[str, Field(max_length=200)] = ""


@dataclass(frozen=True, slots=True)
class Counted:
    """Somebody on the list; `how` is empty for who is missing, else tap, left or hand."""

    person: UUID
    name: str
    zone: str
    how: str


@dataclass(frozen=True, slots=True)
class RollAnswer:
    """The roll-call that runs, the missing first."""

    id: UUID
    zones: list[str]
    reason: str
    started_at: datetime
    unknown: int
    missing: int
    people: list[Counted]


@dataclass(frozen=True, slots=True)
class CallMade:
    """The id of a roll-call that began."""

    id: UUID


@router.get("")
async def roll_call(caller: Annotated[Caller, needs(Permission.MUSTER_READ)]) -> RollAnswer:
    """Return the roll-call that runs; 404 where none does."""
    roll = await caller.read(lambda session: service.running(session, caller.site_id))
    if roll is None:
        raise ProblemError(Problem.NOT_FOUND)
    people = [Counted(row["person_id"], row["name"], row["zone_id"], row["how"]) for row in (*roll.missing, *roll.safe)]
    return RollAnswer(roll.id, list(roll.zones), roll.reason, roll.started_at, roll.unknown, len(roll.missing), people)


@router.post("", status_code=201)
async def call_roll(caller: Annotated[Caller, needs(Permission.MUSTER_WRITE)], body: CallBody) -> CallMade:
    """Call the roll of zones; one runs at a time."""
    deed, zones = (staff_actor(caller.actor), body.reason), [ZoneId(zone) for zone in body.zones]
    made = await caller.write(lambda session: service.call(session, caller.system, caller.site_id, zones, deed))
    if isinstance(made, MusterRefusal):
        refused(made)
    return CallMade(made)


@router.post("/end", status_code=204)
async def end_roll(caller: Annotated[Caller, needs(Permission.MUSTER_WRITE)], body: MusterEndBody) -> None:
    """End the roll-call that runs."""
    deed = (staff_actor(caller.actor), body.note)
    refusal = await caller.write(lambda session: service.end(session, caller.system, caller.site_id, deed))
    if refusal is not None:
        refused(refusal)
