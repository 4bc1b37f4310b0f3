"""Alarms as staff work with them: what waits, what was, looking at one with a note, masking what is known.

An alarm is raised by the tap path from what devices report (`server.taps`), or by a service with `raise_alarm`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import RowMapping

from cardcore.ids import PersonId, SiteId
from server.alarms import repository
from server.alarms.kinds import AlarmKind, Occurrence, Severity
from server.alarms.rows import ALARM_TOPIC, AlarmRows, NewAlarm, notice
from server.audit.service import Deed, is_reason, record
from server.database import ReadSession, WriteSession
from server.outbox import repository as outbox
from server.system import System

MAX_NOTE = 500
MAX_LISTED = 500
"""Alarms of one page."""
MAX_ACKNOWLEDGED = 200
"""Alarms looked at in one go."""
MAX_MASK = timedelta(days=7)
ESCALATED_AFTER = timedelta(minutes=5)
GONE_AFTER = timedelta(seconds=30)
"""A device without a link for so long is an alarm."""
ANY = "*"


class AlarmRefusal(StrEnum):
    """Why nothing was done."""

    UNKNOWN = "unknown"
    NOTE_MISSING = "note_missing"
    """What was found is said in 1 to `MAX_NOTE` characters."""
    ACKNOWLEDGED = "acknowledged"
    """Somebody looked at it before."""
    TOO_MANY = "too_many"
    REASON_MISSING = "reason_missing"
    MASK_TOO_WIDE = "mask_too_wide"
    """A mask names a kind or a place."""
    MASK_TOO_LONG = "mask_too_long"


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm with everything a page shows. Instants are aware UTC."""

    id: UUID
    kind: str
    """An `AlarmKind`, or a newer box's word."""
    place: str
    severity: Severity
    occurrence: Occurrence
    late: bool
    person: PersonId | None
    person_name: str
    person_number: str
    detail: str
    first_at: datetime
    last_at: datetime
    count: int
    over_at: datetime | None
    """Since when its cause is over."""
    raised_at: datetime
    masked: bool
    escalated_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str
    note: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which alarms to list; `since` <= last_at < `until`. `before` is the id of the last one of the page before."""

    kind: str = ""
    place: str = ""
    since: datetime | None = None
    until: datetime | None = None
    before: UUID | None = None
    limit: int = 100


@dataclass(frozen=True, slots=True)
class Mask:
    """Alarms of a kind at a place that are kept off the list until an instant; `*` stands for any."""

    kind: str
    place: str
    until: datetime
    actor: str
    reason: str


def open_alarms(session: ReadSession, site_id: SiteId, wanted: Wanted | None = None) -> list[Alarm]:
    """Return what nobody has looked at yet, newest first; masked ones are left out."""
    return _listed(session, site_id, wanted or Wanted(), is_open=True)


def history(session: ReadSession, site_id: SiteId, wanted: Wanted) -> list[Alarm]:
    """Return alarms of any state, newest first."""
    return _listed(session, site_id, wanted, is_open=False)


def alarm(session: ReadSession, site_id: SiteId, alarm_id: UUID) -> Alarm | None:
    """Find one alarm."""
    row = repository.get(session, site_id, alarm_id)
    return _alarm(row) if row is not None else None


def acknowledge(
    session: WriteSession, system: System, site_id: SiteId, actor: str, alarm_ids: Sequence[UUID], note: str
) -> AlarmRefusal | None:
    """Say that somebody looked at these alarms and what they found: all of them or none (A59)."""
    if not 0 < len(note.strip()) <= MAX_NOTE:
        return AlarmRefusal.NOTE_MISSING
    wanted = sorted(set(alarm_ids))
    if len(wanted) > MAX_ACKNOWLEDGED:
        return AlarmRefusal.TOO_MANY
    rows = repository.lock(session, site_id, wanted)
    if not wanted or len(rows) != len(wanted):
        return AlarmRefusal.UNKNOWN
    if any(row["acknowledged_at"] is not None for row in rows):
        return AlarmRefusal.ACKNOWLEDGED
    repository.acknowledge(session, wanted, system.clock.now(), actor, note)
    for row in rows:
        before = {"kind": row["kind"], "place": row["place"], "count": row["count"]}
        record(session, system, site_id, Deed(actor, "alarm_acknowledged", f"alarm:{row['id']}", before, None, note))
        outbox.append(session, system, site_id, ALARM_TOPIC, notice(dict(row), "acknowledged"))
    return None


def raise_alarm(session: WriteSession, system: System, site_id: SiteId, new: NewAlarm) -> None:
    """Raise an alarm that no device reported; an open one of the same kind, place and subject counts once more."""
    rows = AlarmRows()
    rows.raise_(site_id, new, system.ids.uuid7(), system.clock.now())
    repository.write(session, rows)
    for site, heard in rows.notices():
        outbox.append(session, system, site, ALARM_TOPIC, heard)


def end_alarm(session: WriteSession, site_id: SiteId, kind: str, place: str, at: datetime) -> None:
    """Say that the cause of an alarm is over; it still waits to be looked at."""
    rows = AlarmRows()
    rows.end(site_id, kind, place, at)
    repository.write(session, rows)


def mask(session: WriteSession, system: System, site_id: SiteId, wanted: Mask) -> AlarmRefusal | None:
    """Keep alarms of a kind, at a place, or both, off the list until an instant. They stay in the history."""
    if not is_reason(wanted.reason):
        return AlarmRefusal.REASON_MISSING
    if wanted.kind == ANY and wanted.place == ANY:
        return AlarmRefusal.MASK_TOO_WIDE
    now = system.clock.now()
    if not now < wanted.until <= now + MAX_MASK:
        return AlarmRefusal.MASK_TOO_LONG
    row = {"kind": wanted.kind, "place": wanted.place, "until": wanted.until}
    repository.put_mask(session, {"site_id": site_id, "actor": wanted.actor, "reason": wanted.reason, **row})
    after = {**row, "until": wanted.until.isoformat()}
    deed = Deed(wanted.actor, "alarms_masked", f"mask:{wanted.kind}/{wanted.place}", None, after, wanted.reason)
    record(session, system, site_id, deed)
    return None


def unmask(
    session: WriteSession, system: System, site_id: SiteId, actor: str, kind: str, place: str
) -> AlarmRefusal | None:
    """List alarms of a kind and place again."""
    row = repository.drop_mask(session, site_id, kind, place)
    if row is None:
        return AlarmRefusal.UNKNOWN
    before = {"until": row["until"].isoformat(), "reason": row["reason"]}
    record(session, system, site_id, Deed(actor, "alarms_unmasked", f"mask:{kind}/{place}", before))
    return None


def masks(session: ReadSession, system: System, site_id: SiteId) -> list[Mask]:
    """Return the masks in force, the one that ends first before the others."""
    rows = repository.masks(session, site_id, system.clock.now())
    return [Mask(row["kind"], row["place"], row["until"], row["actor"], row["reason"]) for row in rows]


def look(session: WriteSession, system: System, site_id: SiteId) -> int:
    """Raise what only time shows: devices without a link, urgent alarms that wait too long. Return how many."""
    now = system.clock.now()
    for row in repository.devices_back(session, site_id):
        end_alarm(session, site_id, AlarmKind.DEVICE_OFFLINE, row["name"], row["since"])
    gone = repository.devices_gone(session, site_id, now - GONE_AFTER)
    for row in gone:
        new = NewAlarm(AlarmKind.DEVICE_OFFLINE, row["name"], row["since"], device=row["id"])
        raise_alarm(session, system, site_id, new)
    waiting = repository.escalate(session, site_id, now, now - ESCALATED_AFTER)
    for row in waiting:
        outbox.append(session, system, site_id, ALARM_TOPIC, notice(dict(row), "escalated"))
    return len(gone) + len(waiting)


def _listed(session: ReadSession, site_id: SiteId, wanted: Wanted, *, is_open: bool) -> list[Alarm]:
    rows = repository.listed(
        session,
        {
            "site_id": site_id, "open": is_open, "kind": wanted.kind, "place": wanted.place, "from": wanted.since,
            "until": wanted.until, "before": wanted.before, "limit": min(max(1, wanted.limit), MAX_LISTED),
        },
    )  # fmt: skip
    return [_alarm(row) for row in rows]


def _alarm(row: RowMapping) -> Alarm:
    return Alarm(
        id=row["id"],
        kind=row["kind"],
        place=row["place"],
        severity=Severity(row["severity"]),
        occurrence=Occurrence(row["occurrence"]),
        late=row["late"],
        person=row["person_id"],
        person_name=row["person_name"] or "",
        person_number=row["person_number"] or "",
        detail=row["detail"],
        first_at=row["first_at"],
        last_at=row["last_at"],
        count=row["count"],
        over_at=row["over_at"],
        raised_at=row["raised_at"],
        masked=row["masked"],
        escalated_at=row["escalated_at"],
        acknowledged_at=row["acknowledged_at"],
        acknowledged_by=row["acknowledged_by"] or "",
        note=row["note"],
    )
