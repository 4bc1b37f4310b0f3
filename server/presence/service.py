"""Who is inside a zone, and how an operator puts it right: forgiving, resetting, the nightly reset, the muster list.

Only passages move people (`server.taps`). What is done here is done by a named operator with a reason, or by the
nightly reset, and stands in the audit trail.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from cardcore.ids import PersonId, SiteId, ZoneId
from server.access import repository as access_rows
from server.audit.service import SYSTEM_ACTOR, Deed, is_reason, record
from server.database import ReadSession, WriteSession
from server.presence import repository
from server.system import System

FORGOTTEN_AFTER = timedelta(days=7)
"""A position that nobody confirmed for so long counts nobody in (features sheet, section 4)."""
MAX_CONFLICT_DAYS = 31
MAX_CONFLICTS = 500


class PresenceRefusal(StrEnum):
    """Why nothing was put right."""

    REASON_MISSING = "reason_missing"
    UNKNOWN_ZONE = "unknown_zone"
    NOWHERE = "nowhere"
    """Nobody knows where this person is: there is nothing to forgive."""


@dataclass(frozen=True, slots=True)
class Inside:
    """Somebody who is in a zone by their last passage."""

    person: PersonId
    number: str
    name: str
    department: str | None
    zone: ZoneId
    since: datetime
    assumed: bool
    """Whether the passage was assumed, as the lane has no sensor."""


@dataclass(frozen=True, slots=True)
class Heads:
    """How many people are in a zone."""

    zone: ZoneId
    name_en: str
    name_zh: str
    known: int
    unknown: int
    limit: int
    uncertain_since: datetime | None


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two entries into a zone by one person without a way out between: (lane, instant, decided alone) each."""

    person: PersonId
    number: str
    name: str
    zone: ZoneId
    before: tuple[str, datetime, bool]
    after: tuple[str, datetime, bool]


def inside(session: ReadSession, system: System, site_id: SiteId, zones: Collection[ZoneId]) -> list[Inside]:
    """Return who is in these zones, by name: the muster list less those who have reported."""
    since = system.clock.now() - FORGOTTEN_AFTER
    return [
        Inside(
            PersonId(row["person_id"]), row["number"], row["name"], row["department_id"], ZoneId(row["zone_id"]),
            row["at"], row["assumed"],
        )
        for row in repository.people_inside(session, site_id, zones, since)
    ]  # fmt: skip


def heads(session: ReadSession, system: System, site_id: SiteId) -> list[Heads]:
    """Return how many people are in each zone."""
    return [
        Heads(
            ZoneId(row["id"]), row["name_en"], row["name_zh"], row["known"], row["unknown"], row["occupancy_limit"],
            row["uncertain_since"],
        )
        for row in repository.heads(session, site_id, system.clock.now() - FORGOTTEN_AFTER)
    ]  # fmt: skip


def conflicts(session: ReadSession, system: System, site_id: SiteId, days: int = 7) -> list[Conflict]:
    """Return who entered a zone twice without leaving it because a lane was alone, newest first (A27).

    Told for people to look at once the boxes have handed in what they have; nobody is refused for it afterwards.
    """
    since = system.clock.now() - timedelta(days=min(max(1, days), MAX_CONFLICT_DAYS))
    return [
        Conflict(
            PersonId(row["person_id"]), row["number"], row["name"], ZoneId(row["to_zone"]),
            (row["place_before"], row["at_before"], row["offline_before"]), (row["place"], row["at"], row["offline"]),
        )
        for row in repository.double_entries(session, site_id, since, MAX_CONFLICTS)
    ]  # fmt: skip


def forgive(
    session: WriteSession, system: System, site_id: SiteId, person_id: PersonId, deed: tuple[str, str]
) -> PresenceRefusal | None:
    """Forget where somebody is, so that the next tap accuses nobody; `deed` is actor and reason (A26)."""
    actor, reason = deed
    if not is_reason(reason):
        return PresenceRefusal.REASON_MISSING
    row = repository.lock_position(session, site_id, person_id)
    if row is None:
        return PresenceRefusal.NOWHERE
    repository.forget(session, person_id)
    before = {"zone": row["zone_id"], "at": row["at"].isoformat()}
    record(session, system, site_id, Deed(actor, "presence_forgiven", f"person:{person_id}", before, None, reason))
    return None


def reset_zone(
    session: WriteSession, system: System, site_id: SiteId, zone: ZoneId, deed: tuple[str, str]
) -> PresenceRefusal | None:
    """Forget everybody in a zone, its unknown heads and its uncertainty; `deed` is actor and reason."""
    actor, reason = deed
    if not is_reason(reason):
        return PresenceRefusal.REASON_MISSING
    if zone not in {row["id"] for row in access_rows.zone_rows(session, site_id)}:
        return PresenceRefusal.UNKNOWN_ZONE
    _reset(session, system, site_id, zone, Deed(actor, "zone_reset", f"zone:{zone}", reason=reason), None)
    return None


def reset_nightly(session: WriteSession, system: System, site_id: SiteId, day: date) -> list[ZoneId]:
    """Reset the zones that are reset every night and have not been on business day `day`; return them (A26).

    Safe to call as often as one likes: a zone is reset once a business day.
    """
    zones = [ZoneId(zone) for zone in repository.zones_to_reset(session, site_id, day)]
    for zone in zones:
        deed = Deed(SYSTEM_ACTOR, "zone_reset", f"zone:{zone}", reason=f"nightly reset, business day {day}")
        _reset(session, system, site_id, zone, deed, day)
    return zones


def _reset(session: WriteSession, system: System, site_id: SiteId, zone: ZoneId, deed: Deed, day: date | None) -> None:
    state = repository.clear_zone_state(session, site_id, zone, day)
    forgotten = repository.forget_zone(session, site_id, zone, system.clock.now())
    before = {"known": forgotten, "unknown": state["unknown"], "uncertain": state["uncertain_since"] is not None}
    record(session, system, site_id, Deed(deed.actor, deed.action, deed.object, before, None, deed.reason))
