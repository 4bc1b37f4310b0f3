"""Events that other programs may hear of: which topics, and in what shape. Payloads hold ids and codes, no names."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from cardcore.ids import SiteId
from server.database import ReadSession
from server.outbox import repository


class Topic(StrEnum):
    """What can be followed. Orders to lanes, policy and issuing are the server's own and are not among them."""

    TAPS = "taps"
    ALARMS = "alarms"
    DEVICE = "device"
    VISIT = "visit"
    PERMIT = "permit"
    GARAGE = "garage"
    TOUR = "tour"
    MUSTER = "muster"
    OCCUPANCY = "occupancy"


@dataclass(frozen=True, slots=True)
class Event:
    """One event; `id` grows by one and is never reused at a site, so that nothing is missed and nothing comes twice."""

    id: int
    topic: str
    at: datetime
    payload: Any


def after(session: ReadSession, site_id: SiteId, number: int, topics: tuple[Topic, ...], limit: int) -> list[Event]:
    """Return the events after an id, in order; no topics means all that can be followed."""
    wanted = [str(topic) for topic in topics or tuple(Topic)]
    rows = repository.since(session, site_id, number, wanted, limit)
    return [Event(row.number, row.topic, row.created_at, row.payload) for row in rows]
