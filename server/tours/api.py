"""REST of patrols: rounds as they stand, and beginning one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter

from server.api.answers import refused
from server.api.caller import Caller, needs
from server.audit.service import staff_actor
from server.staff.roles import Permission
from server.tours import service
from server.tours.progress import CheckpointState
from server.tours.service import TourRefusal

router = APIRouter(prefix="/patrols", tags=["patrols"])
SHOWN = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class StopAnswer:
    """One checkpoint of a round."""

    lane: str
    due_at: datetime
    at: datetime | None
    state: CheckpointState


@dataclass(frozen=True, slots=True)
class RoundAnswer:
    """A round of the last three days."""

    id: UUID
    tour: str
    starts_at: datetime
    state: str
    out_of_order: int
    stops: list[StopAnswer]


@dataclass(frozen=True, slots=True)
class RoundMade:
    """The id of a round that began."""

    id: UUID


@router.get("/rounds")
async def rounds(caller: Annotated[Caller, needs(Permission.TOURS_READ)]) -> list[RoundAnswer]:
    """List the rounds of the last three days, newest first."""
    since = caller.system.clock.now() - SHOWN
    found = await caller.read(lambda session: service.rounds(session, caller.system, caller.site_id, since))
    return [
        RoundAnswer(
            one.id, one.tour, one.starts_at, one.state, one.progress.out_of_order,
            [StopAnswer(stop.lane, stop.due_at, stop.at, stop.state) for stop in one.progress.stops],
        )
        for one in found
    ]  # fmt: skip


@router.post("/{tour_id}/rounds", status_code=201)
async def begin_round(caller: Annotated[Caller, needs(Permission.TOURS_WRITE)], tour_id: str) -> RoundMade:
    """Begin a round now."""
    actor = staff_actor(caller.actor)
    made = await caller.write(lambda session: service.begin(session, caller.system, caller.site_id, tour_id, actor))
    if isinstance(made, TourRefusal):
        refused(made)
    return RoundMade(made)
