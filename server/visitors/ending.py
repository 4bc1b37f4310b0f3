"""How visits end: at the way out by themselves, at the desk, or when their time is over. The pass dies with them.

`look` is called every few seconds: it goes by where the last passages took people (`server.presence`), so it may be
late but never wrong, and several processes may call it at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import RowMapping

from cardcore.ids import CardId, PersonId, SiteId, ZoneId
from server.access import service as access
from server.alarms.kinds import AlarmKind
from server.alarms.rows import NewAlarm
from server.alarms.service import end_alarm, raise_alarm
from server.audit.service import SYSTEM_ACTOR, Deed, record
from server.cards import loans
from server.database import WriteSession
from server.outbox import repository as outbox
from server.system import System
from server.visitors import passes, repository, service
from server.visitors.models import MAX_NOTE, TOPIC, PassKind, VisitId, VisitRefusal, VisitState

MOST_AT_ONCE = 500
"""Visits that one call ends or forgets."""


ASTRAY_AFTER_S = 60
"""Seconds in which a visitor who needs an escort follows the host into another zone (turnstiles sheet, section 4)."""


class Overstay(NamedTuple):
    """A visitor who should have left."""

    visit: VisitId
    person: PersonId
    host: PersonId
    ended_at: datetime


@dataclass(frozen=True, slots=True)
class Looked:
    """What time and passages brought about."""

    left: tuple[VisitId, ...] = ()
    missed: tuple[VisitId, ...] = ()
    overstays: tuple[Overstay, ...] = ()
    astray: tuple[VisitId, ...] = ()


def check_out(
    session: WriteSession,
    system: System,
    site_id: SiteId,
    visit_id: VisitId,
    deed: tuple[str, str],
    *,
    card_returned: bool,
) -> VisitRefusal | None:
    """End a visit at the desk; a card that was handed in goes back to stock. `deed` is the actor and a note."""
    visit = repository.lock_visit(session, site_id, visit_id)
    if visit is None:
        return VisitRefusal.NOT_FOUND
    if len(deed[1]) > MAX_NOTE:
        return VisitRefusal.TOO_LONG
    if visit["state"] == VisitState.OPEN:
        _end(session, system, site_id, visit, VisitState.ENDED, deed)
    elif visit["state"] != VisitState.ENDED or not card_returned:
        return VisitRefusal.WRONG_STATE
    if card_returned and visit["pass_kind"] == PassKind.CARD:
        loans.take_back(session, system, site_id, CardId(visit["card_id"]), deed[0])
    return None


def extend(
    session: WriteSession, system: System, site_id: SiteId, visit_id: VisitId, ends_at: datetime, actor: str
) -> VisitRefusal | None:
    """Let a visit end later or earlier. A pass says when it ends: hand out another one afterwards."""
    visit, how = repository.lock_visit(session, site_id, visit_id), service.rules(session, site_id)
    if visit is None or how is None:
        return VisitRefusal.NOT_FOUND
    if visit["state"] not in {VisitState.ANNOUNCED, VisitState.APPROVED, VisitState.OPEN}:
        return VisitRefusal.WRONG_STATE
    if ends_at <= visit["starts_at"] or ends_at <= system.clock.now():
        return VisitRefusal.ENDS_BEFORE_START
    if ends_at - visit["starts_at"] > timedelta(hours=how.longest_hours):
        return VisitRefusal.TOO_LONG_A_VISIT
    repository.extend(session, visit_id, ends_at)
    before, after = {"until": visit["ends_at"].isoformat()}, {"until": ends_at.isoformat()}
    service.note(session, system, site_id, visit_id, Deed(actor, "visit_extended", f"visit:{visit_id}", before, after))
    return None


def look(session: WriteSession, system: System, site_id: SiteId) -> Looked:
    """Check out who went out, find who stays too long, close what nobody came for."""
    how = service.rules(session, site_id)
    if how is None:
        return Looked()
    now = system.clock.now()
    changed = repository.note_passages(session, site_id, how.outside_zone)
    left = [VisitId(row["id"]) for row in changed if row["left_at"] is not None and not row["reentry"]]
    _end_all(session, system, site_id, left, "left through a lane")
    late = repository.note_overstays(session, site_id, how.overstay_minutes, now)
    over = [VisitId(visit) for visit in repository.over(session, site_id, how.grace_minutes, now, MOST_AT_ONCE)]
    _end_all(session, system, site_id, over, "time is over")
    overstays = [
        Overstay(VisitId(row["id"]), PersonId(row["person_id"]), PersonId(row["host_id"]), row["ends_at"])
        for row in late
    ]
    for overstay in overstays:
        alarm = NewAlarm(AlarmKind.VISITOR_OVERSTAY, f"visit:{overstay.visit}", now, person=overstay.person)
        raise_alarm(session, system, site_id, alarm)
        outbox.append(session, system, site_id, TOPIC, {"visit": str(overstay.visit), "change": "visit_overstayed"})
    astray = _look_astray(session, system, site_id, how.outside_zone)
    return Looked(tuple(left), tuple(over), tuple(overstays), astray)


def forget_old(session: WriteSession, system: System, site_id: SiteId) -> int:
    """Delete visits past their keeping, and the names of visitors who have none left; return how many visitors."""
    how = service.rules(session, site_id)
    if how is None:
        return 0
    before = system.clock.now() - timedelta(days=how.keep_days)
    gone = repository.delete_before(session, site_id, before, MOST_AT_ONCE)
    if gone:
        repository.blot_out(session, gone)
        deed = Deed(SYSTEM_ACTOR, "visitors_forgotten", f"site:{site_id}", after={"visitors": len(gone)})
        record(session, system, site_id, deed)
    return len(gone)


def _look_astray(session: WriteSession, system: System, site_id: SiteId, outside: ZoneId) -> tuple[VisitId, ...]:
    """Raise an alarm for each visitor whose host went on alone, and end it when they are together again."""
    now = system.clock.now()
    for row in repository.note_together(session, site_id, outside):
        end_alarm(session, site_id, AlarmKind.VISITOR_ASTRAY, f"visit:{row['id']}", now)
    astray = repository.note_astray(session, site_id, outside, now, ASTRAY_AFTER_S)
    for row in astray:
        alarm = NewAlarm(AlarmKind.VISITOR_ASTRAY, f"visit:{row['id']}", now, person=PersonId(row["person_id"]))
        raise_alarm(session, system, site_id, alarm)
        outbox.append(session, system, site_id, TOPIC, {"visit": str(row["id"]), "change": "visit_astray"})
    return tuple(VisitId(row["id"]) for row in astray)


def _end_all(session: WriteSession, system: System, site_id: SiteId, visits: Sequence[VisitId], why: str) -> None:
    for visit_id in sorted(visits):
        visit = repository.lock_visit(session, site_id, visit_id)
        if visit is not None and visit["state"] in {VisitState.ANNOUNCED, VisitState.APPROVED, VisitState.OPEN}:
            came = visit["entered_at"] is not None or visit["left_at"] is not None
            state = VisitState.ENDED if came else VisitState.MISSED
            _end(session, system, site_id, visit, state, (SYSTEM_ACTOR, why))


def _end(
    session: WriteSession, system: System, site_id: SiteId, visit: RowMapping, state: VisitState, deed: tuple[str, str]
) -> None:
    actor, note = deed
    values = {"state": state, "at": system.clock.now(), "by": actor, "note": note}
    repository.end(session, visit["id"], values)
    before = {"state": visit["state"]}
    service.note(
        session,
        system,
        site_id,
        visit["id"],
        Deed(actor, "visit_ended", f"visit:{visit['id']}", before, {"state": state}, note),
    )
    if visit["state"] == VisitState.OPEN:
        passes.revoke(session, system, site_id, visit, (actor, note or "the visit is over"))
        access.set_person_levels(session, system, site_id, PersonId(visit["person_id"]), [], actor)
