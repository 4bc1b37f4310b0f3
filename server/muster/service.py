"""Calling the roll: the list of who is inside, those who report at assembly points or leave, and who is missing (A64).

The list is taken when the roll is called and grows by whoever comes in later. A tap at an assembly point counts for
every card that belongs to somebody, expired and lost ones too.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NewType
from uuid import UUID

from sqlalchemy import RowMapping

from cardcore.ids import PersonId, SiteId, ZoneId
from server.access import repository as access_rows
from server.audit.service import Deed, is_reason, record
from server.database import ReadSession, WriteSession
from server.muster import repository
from server.outbox import repository as outbox
from server.presence.service import FORGOTTEN_AFTER
from server.system import System

CallId = NewType("CallId", UUID)

TOPIC = "muster"
"""Of the outbox: a roll-call began, changed or ended. No names, only ids."""
MAX_TEXT = 200
MAX_CALLS = 50
"""Roll-calls of one answer."""


class MusterRefusal(StrEnum):
    """Why nothing was done."""

    ZONE_MISSING = "zone_missing"
    ZONE_UNKNOWN = "zone_unknown"
    REASON_MISSING = "reason_missing"
    RUNS_ALREADY = "runs_already"
    NOT_RUNNING = "not_running"
    NOT_MISSING = "not_missing"
    """This person is on no list, or has reported."""


FIELDS = {
    MusterRefusal.ZONE_MISSING: "zones",
    MusterRefusal.ZONE_UNKNOWN: "zones",
    MusterRefusal.REASON_MISSING: "reason",
}
"""The field that a refusal speaks of; those not named speak of the whole."""


@dataclass(frozen=True, slots=True)
class RollCall:
    """A roll-call with its list: the missing first."""

    id: CallId
    zones: tuple[ZoneId, ...]
    reason: str
    unknown: int
    """Heads inside that nobody can name."""
    started_at: datetime
    ended_at: datetime | None
    missing: tuple[RowMapping, ...]
    safe: tuple[RowMapping, ...]


def call(
    session: WriteSession, system: System, site_id: SiteId, zones: Collection[ZoneId], deed: tuple[str, str]
) -> CallId | MusterRefusal:
    """Call the roll of zones; `deed` is who and why. One runs at a time."""
    actor, reason = deed
    if not zones:
        return MusterRefusal.ZONE_MISSING
    if not set(zones) <= {row["id"] for row in access_rows.zone_rows(session, site_id)}:
        return MusterRefusal.ZONE_UNKNOWN
    if not is_reason(reason, MAX_TEXT):
        return MusterRefusal.REASON_MISSING
    call_id, now = CallId(system.ids.uuid7()), system.clock.now()
    row = {"id": call_id, "site_id": site_id, "zones": sorted(set(zones)), "reason": reason.strip(), "started_at": now,
           "started_by": actor}  # fmt: skip
    if not repository.insert_call(session, row):
        return MusterRefusal.RUNS_ALREADY
    listed = repository.list_inside(session, row, now - FORGOTTEN_AFTER)
    after = {"zones": row["zones"], "listed": listed}
    _tell(session, system, site_id, Deed(actor, "roll_called", f"muster:{call_id}", after=after, reason=reason))
    return call_id


def look(session: WriteSession, system: System, site_id: SiteId) -> int:
    """Bring the list of the running roll-call up to date; return how many people came on it or became safe."""
    running = repository.lock_open_call(session, site_id)
    if running is None:
        return 0
    row = dict(running)
    changed = repository.list_inside(session, row, system.clock.now() - FORGOTTEN_AFTER)
    changed += repository.note_taps(session, row) + repository.note_left(session, row)
    if changed:
        outbox.append(session, system, site_id, TOPIC, {"muster": str(row["id"]), "change": "people"})
    return changed


def mark_safe(
    session: WriteSession, system: System, site_id: SiteId, person: PersonId, actor: str
) -> MusterRefusal | None:
    """Note that somebody who is missing was found."""
    running = repository.lock_open_call(session, site_id)
    if running is None:
        return MusterRefusal.NOT_RUNNING
    if not repository.mark_safe(session, running["id"], person, system.clock.now(), actor):
        return MusterRefusal.NOT_MISSING
    deed = Deed(actor, "muster_marked_safe", f"muster:{running['id']}", after={"person": str(person)})
    _tell(session, system, site_id, deed)
    return None


def end(session: WriteSession, system: System, site_id: SiteId, deed: tuple[str, str]) -> MusterRefusal | None:
    """End the roll-call that runs; `deed` is who and a closing note."""
    actor, note = deed
    running = repository.lock_open_call(session, site_id)
    if running is None:
        return MusterRefusal.NOT_RUNNING
    if len(note) > MAX_TEXT:
        return MusterRefusal.REASON_MISSING
    look(session, system, site_id)
    repository.end_call(session, running["id"], system.clock.now(), actor, note.strip())
    missing = sum(row["how"] == "" for row in repository.people(session, running["id"]))
    done = Deed(actor, "roll_call_ended", f"muster:{running['id']}", after={"missing": missing}, reason=note)
    _tell(session, system, site_id, done)
    return None


def running(session: ReadSession | WriteSession, site_id: SiteId) -> RollCall | None:
    """Return the roll-call that runs, or None."""
    row = repository.open_call(session, site_id)
    return None if row is None else _roll(session, row)


def get(session: ReadSession, site_id: SiteId, call_id: CallId) -> RollCall | None:
    """Return a roll-call, or None."""
    row = repository.get(session, site_id, call_id)
    return None if row is None else _roll(session, row)


def calls(session: ReadSession, site_id: SiteId) -> Sequence[RowMapping]:
    """Return roll-calls, newest first, with `listed` and `missing`."""
    return repository.calls(session, site_id, MAX_CALLS)


def _roll(session: ReadSession | WriteSession, row: RowMapping) -> RollCall:
    people = repository.people(session, row["id"])
    return RollCall(
        CallId(row["id"]), tuple(ZoneId(zone) for zone in row["zones"]), row["reason"], row["unknown"],
        row["started_at"], row["ended_at"],
        tuple(one for one in people if one["how"] == ""), tuple(one for one in people if one["how"] != ""),
    )  # fmt: skip


def _tell(session: WriteSession, system: System, site_id: SiteId, deed: Deed) -> None:
    record(session, system, site_id, deed)
    change = {"muster": deed.object.removeprefix("muster:"), "change": deed.action}
    outbox.append(session, system, site_id, TOPIC, change)
