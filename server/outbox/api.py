"""REST of events: everything that happened after an id, in order, for programs that follow the site (A71)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query

from server.api.answers import Limit, Rows
from server.api.caller import Caller, needs
from server.outbox import events
from server.outbox.events import Topic
from server.staff.roles import Permission

router = APIRouter(prefix="/events", tags=["events"])
MAX_ID = 2**62


@dataclass(frozen=True, slots=True)
class EventAnswer:
    """One event."""

    id: int
    topic: str
    at: datetime
    payload: Any
    """A map, or a list where one step tells of several things."""


@router.get("")
async def events_after(
    caller: Annotated[Caller, needs(Permission.LIVE_READ)],
    after: Annotated[int, Query(ge=0, le=MAX_ID, description="The last id that was read; 0 for the oldest kept.")] = 0,
    topic: Annotated[list[Topic] | None, Query(max_length=len(Topic))] = None,
    limit: Limit = 100,
) -> Rows[EventAnswer]:
    """Return events after an id, oldest first; `next` is the id to go on with, absent at the end."""
    found = await caller.read(lambda session: events.after(session, caller.site_id, after, tuple(topic or ()), limit))
    rows = [EventAnswer(event.id, event.topic, event.at, event.payload) for event in found]
    return Rows(rows=rows, next=str(rows[-1].id) if len(rows) == limit else None)
