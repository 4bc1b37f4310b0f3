"""REST of making cards: encoders, lists and how far they have come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field

from cardcore.access.items import Product
from cardcore.ids import CardId, DeviceId, PersonId
from server.api.answers import Body, Rows, refused
from server.api.caller import Caller, needs
from server.audit.service import staff_actor
from server.issuing import desk, service
from server.issuing.models import MAX_BATCH, BatchId, IssuingRefusal, JobState, NewBatch, NewJob
from server.problem import Problem, ProblemError
from server.staff.roles import Permission

router = APIRouter(prefix="/issuing", tags=["issuing"])
Issuer = Annotated[Caller, needs(Permission.CARDS_ISSUE)]


@dataclass(frozen=True, slots=True)
class EncoderAnswer:
    """A reader that makes cards."""

    device: UUID
    device_name: str
    reader: str
    online: bool


@dataclass(frozen=True, slots=True)
class JobAnswer:
    """One card of a list; `result` is `made`, or why the last try did not go well."""

    id: UUID
    position: int
    person: UUID
    number: str
    state: JobState
    step: str
    result: str
    attempts: int
    card: UUID | None


@dataclass(frozen=True, slots=True)
class ListAnswer:
    """A list that was put in line."""

    id: UUID


class JobBody(Body):
    """A card to make; without `number` it gets the person's number and a count."""

    person: UUID
    product: Product = Product.COMBINED
    number: Annotated[str, Field(max_length=40)] = ""
    replaces: UUID | None = None


class ListBody(Body):
    """Cards to make one after the other at one encoder."""

    device: UUID
    reader: Annotated[str, Field(max_length=32)]
    cards: Annotated[list[JobBody], Field(min_length=1, max_length=MAX_BATCH)]


@router.get("/encoders")
async def encoders(caller: Issuer) -> Rows[EncoderAnswer]:
    """List the readers that make cards."""
    found = await caller.read(lambda session: desk.encoders(session, caller.site_id, caller.system.clock.now()))
    return Rows(rows=[EncoderAnswer(one.device, one.device_name, one.reader, one.is_online) for one in found])


@router.post("", status_code=201)
async def begin(caller: Issuer, body: ListBody) -> ListAnswer:
    """Put a list in line: all of it, or nothing. Cards are then laid on the encoder one by one."""
    begun = await caller.write(
        lambda session: desk.start_for(
            session,
            caller.system,
            caller.site_id,
            NewBatch(
                DeviceId(body.device),
                body.reader,
                tuple(
                    NewJob(
                        PersonId(one.person),
                        one.product,
                        one.number or desk.next_number(session, caller.site_id, PersonId(one.person)),
                        replaces=CardId(one.replaces) if one.replaces else None,
                    )
                    for one in body.cards
                ),
            ),
            caller.actor,
        )
    )
    if isinstance(begun, IssuingRefusal):
        refused(begun)
    return ListAnswer(begun)


@router.get("/{batch_id}")
async def progress(caller: Issuer, batch_id: UUID) -> Rows[JobAnswer]:
    """Tell how far a list has come."""
    rows = await caller.read(lambda session: service.progress(session, caller.site_id, BatchId(batch_id)))
    if not rows:
        raise ProblemError(Problem.NOT_FOUND)
    return Rows(
        rows=[
            JobAnswer(
                row["id"], row["position"], row["person_id"], row["number"], JobState(row["state"]), row["step"],
                row["result"], row["attempts"], row["card_id"],
            )
            for row in rows
        ]
    )  # fmt: skip


@router.delete("/{batch_id}", status_code=204)
async def cancel(caller: Issuer, batch_id: UUID) -> None:
    """Drop what is left of a list."""
    actor = staff_actor(caller.actor)
    left = await caller.write(
        lambda session: service.cancel(session, caller.system, caller.site_id, BatchId(batch_id), actor)
    )
    if isinstance(left, IssuingRefusal):
        raise ProblemError(Problem.NOT_FOUND)
