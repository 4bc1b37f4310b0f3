"""REST of requirements: what zones may ask for, and what each person has shown."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field

from cardcore.ids import PersonId
from server.api.answers import Body, Identity, Rows, refused
from server.api.caller import Caller, needs
from server.audit.service import staff_actor
from server.requirements import service
from server.requirements.service import MAX_NAME, MAX_NOTE, Requirement, RequirementRefusal, Shown
from server.staff.roles import Permission

router = APIRouter(tags=["requirements"])
Planner = Annotated[Caller, needs(Permission.ACCESS_WRITE)]
Writer = Annotated[Caller, needs(Permission.PEOPLE_WRITE)]
Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME)]


class RequirementBody(Body):
    """Something people must have shown."""

    name_en: Name
    name_zh: Name


class RequirementAnswer(RequirementBody):
    """A requirement with the number of people who have shown it."""

    id: str
    holders: int


class ShownBody(Body):
    """What somebody has shown, valid from <= t < until."""

    valid_from: datetime
    valid_until: datetime
    note: Annotated[str, Field(max_length=MAX_NOTE)] = ""


class ShownAnswer(ShownBody):
    """What somebody has shown for a requirement."""

    requirement: str


@router.get("/requirements")
async def requirements(caller: Planner) -> Rows[RequirementAnswer]:
    """List the requirements."""
    rows = await caller.read(lambda session: service.requirements(session, caller.site_id))
    return Rows(rows=[
        RequirementAnswer(id=one.id, name_en=one.name_en, name_zh=one.name_zh, holders=holders) for one, holders in rows
    ])  # fmt: skip


@router.put("/requirements/{requirement}", status_code=204)
async def put_requirement(caller: Planner, requirement: Identity, body: RequirementBody) -> None:
    """Add or rename a requirement."""
    wanted, actor = Requirement(requirement, body.name_en, body.name_zh), staff_actor(caller.actor)
    _done(
        await caller.write(
            lambda session: service.put_requirement(session, caller.system, caller.site_id, actor, wanted)
        )
    )


@router.get("/people/{person_id}/requirements")
async def shown_by(caller: Writer, person_id: UUID) -> Rows[ShownAnswer]:
    """List what somebody has shown, valid or not."""
    rows = await caller.read(lambda session: service.shown_by(session, caller.site_id, PersonId(person_id)))
    return Rows(rows=[
        ShownAnswer(
            requirement=one.requirement, valid_from=one.valid_from, valid_until=one.valid_until, note=one.note
        ) for one in rows
    ])  # fmt: skip


@router.put("/people/{person_id}/requirements/{requirement}", status_code=204)
async def show(caller: Writer, person_id: UUID, requirement: Identity, body: ShownBody) -> None:
    """Keep what somebody has shown, in place of what was there."""
    shown = Shown(requirement, body.valid_from, body.valid_until, body.note)
    actor, who = staff_actor(caller.actor), PersonId(person_id)
    _done(await caller.write(lambda session: service.show(session, caller.system, caller.site_id, actor, who, shown)))


@router.delete("/people/{person_id}/requirements/{requirement}", status_code=204)
async def withdraw(caller: Writer, person_id: UUID, requirement: Identity) -> None:
    """Take back what somebody has shown."""
    actor, who = staff_actor(caller.actor), PersonId(person_id)
    _done(
        await caller.write(
            lambda session: service.withdraw(session, caller.system, caller.site_id, actor, who, requirement)
        )
    )


def _done(refusal: RequirementRefusal | None) -> None:
    if refusal is not None:
        refused(refusal)
