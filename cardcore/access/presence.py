"""Where people are, and what that means for the next tap: anti-passback, timed and not, and occupancy. Pure.

Only a passage moves anybody, never a grant (design decision 7). A position that is unknown, old, or in a zone whose
contents are uncertain (after a fire release, a power cut or free passage) accuses nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from cardcore.access.items import Passback, ZoneItem
from cardcore.ids import PersonId, ZoneId
from cardcore.reasons import Reason


class Position(NamedTuple):
    """The zone into which somebody passed last, and when."""

    zone: ZoneId
    at: datetime


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """What is known of people at this moment, as far as the tap in hand needs it."""

    positions: Mapping[PersonId, Position] = field(default_factory=dict)
    inside: Mapping[ZoneId, int] = field(default_factory=dict)
    """People in the zones that have a limit, unknown ones included."""
    uncertain: frozenset[ZoneId] = frozenset()
    """Zones in which hard anti-passback acts as soft until somebody clears them (turnstiles sheet, section 5)."""


NOWHERE = Whereabouts()
"""Nothing is known of anybody."""


def presence_reason(person: PersonId, zone: ZoneItem | None, where: Whereabouts, at: datetime) -> Reason:
    """Return the grant or refusal of somebody who has the right to enter `zone`; `at` is aware UTC."""
    if zone is None:
        return Reason.GRANTED
    position = where.positions.get(person)
    inside = position is not None and position.zone == zone.id and not _forgotten(position, zone, at)
    timed = zone.passback_minutes > 0  # else nothing is too soon, were the lane's clock ahead of ours or not
    if timed and inside and position is not None and at - position.at < timedelta(minutes=zone.passback_minutes):
        return Reason.ENTERED_JUST_NOW
    if inside and zone.passback is Passback.HARD and zone.id not in where.uncertain:
        return Reason.INSIDE_ALREADY
    is_full = 0 < zone.occupancy_limit <= where.inside.get(zone.id, 0) and not inside
    if is_full and zone.occupancy_hard:
        return Reason.ZONE_FULL
    if inside and zone.passback is not Passback.NONE:
        return Reason.GRANTED_AGAIN
    return Reason.GRANTED_FULL if is_full else Reason.GRANTED


def asks_where(zone: ZoneItem | None) -> bool:
    """Tell whether entering this zone depends on where people are, so that it must be looked up."""
    return zone is not None and (
        zone.passback is not Passback.NONE or zone.passback_minutes > 0 or zone.occupancy_limit > 0
    )


def _forgotten(position: Position, zone: ZoneItem, at: datetime) -> bool:
    return at - position.at > timedelta(hours=zone.passback_forgets_hours)
