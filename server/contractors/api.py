"""REST of outside crews: permits with their state, and taking one back. Approving takes two people, on the pages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field
from sqlalchemy import RowMapping

from server.api.answers import Body, Rows, refused
from server.api.caller import Caller, needs
from server.audit.service import staff_actor
from server.contractors import service
from server.contractors.models import PermitId, PermitState
from server.staff.roles import Permission

router = APIRouter(prefix="/permits", tags=["permits"])


class PermitEndBody(Body):
    """Why a permit is taken back."""

    reason: Annotated[str, Field(min_length=1, max_length=100)]


@dataclass(frozen=True, slots=True)
class PermitAnswer:
    """A permit of an outside crew; both days are counted."""

    id: UUID
    firm: str
    work: str
    host: UUID
    starts_on: date
    ends_on: date
    levels: list[str]
    state: PermitState
    workers: int


@router.get("")
async def permits(
    caller: Annotated[Caller, needs(Permission.PERMITS_READ)],
    in_force: Annotated[bool, Query(description="Only those in force now.")] = False,  # noqa: FBT002 - a query field
    page: Annotated[int, Query(ge=1, le=2_000)] = 1,
) -> Rows[PermitAnswer]:
    """List permits, newest first day first; `next` is the number of the next page."""
    wanted, now = ("", "in_force" if in_force else ""), caller.system.clock.now()
    found = await caller.read(lambda session: service.search(session, caller.site_id, wanted, now, page))
    return Rows(rows=[_answer(row) for row in found.rows], next=str(page + 1) if found.has_next else None)


@router.post("/{permit_id}/end", status_code=204)
async def end_permit(
    caller: Annotated[Caller, needs(Permission.PERMITS_WRITE)], permit_id: UUID, body: PermitEndBody
) -> None:
    """Take a permit back at once: nobody of its crew gets in."""
    deed = (staff_actor(caller.actor), body.reason)
    refusal = await caller.write(
        lambda session: service.end(session, caller.system, caller.site_id, PermitId(permit_id), deed)
    )
    if refusal is not None:
        refused(refusal)


def _answer(row: RowMapping) -> PermitAnswer:
    return PermitAnswer(
        row["id"], row["firm"], row["work"], row["host_id"], row["starts_on"], row["ends_on"], list(row["levels"]),
        PermitState(row["state"]), row["crew_count"],
    )  # fmt: skip
