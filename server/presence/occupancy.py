"""Tells once when a zone with a limit is full, has room again, or is empty: as durable events and as an alarm (A29).

Looked at every few seconds: a turn that is over sooner is told by the taps alone, each of which names it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from cardcore.ids import SiteId, ZoneId
from server.alarms.kinds import AlarmKind
from server.alarms.rows import NewAlarm
from server.alarms.service import end_alarm, raise_alarm
from server.database import WriteSession
from server.outbox import repository as outbox
from server.presence import repository
from server.system import System

TOPIC = "occupancy"
"""Of the outbox: a zone turned full, has room again, or turned empty. Numbers, no names."""


class Turn(StrEnum):
    """What is told of a zone with a limit."""

    LIMIT_REACHED = "limit_reached"
    ROOM_AGAIN = "room_again"
    EMPTY = "zone_empty"


class Told(NamedTuple):
    """One turn of one zone."""

    zone: ZoneId
    turn: Turn
    heads: int


def look(session: WriteSession, system: System, site_id: SiteId) -> list[Told]:
    """Compare what was told with how full the zones are now; tell what changed, each turn once."""
    now = system.clock.now()
    turns: list[Told] = []
    for row in repository.lock_limited(session, site_id, now):
        zone, heads, told = ZoneId(row["id"]), row["heads"], row["told"]
        state = "full" if heads >= row["occupancy_limit"] else "empty" if heads == 0 else ""
        if state == told:
            continue
        repository.set_told(session, site_id, zone, state)
        if told == "full":
            turns.append(Told(zone, Turn.ROOM_AGAIN, heads))
            end_alarm(session, site_id, AlarmKind.ZONE_FULL, zone, now)
        if state == "full":
            turns.append(Told(zone, Turn.LIMIT_REACHED, heads))
            detail = f"{heads} / {row['occupancy_limit']}"
            raise_alarm(session, system, site_id, NewAlarm(AlarmKind.ZONE_FULL, zone, now, detail=detail))
        elif state == "empty":
            turns.append(Told(zone, Turn.EMPTY, heads))
    for turn in turns:
        outbox.append(session, system, site_id, TOPIC, {"zone": turn.zone, "change": turn.turn, "heads": turn.heads})
    return turns
