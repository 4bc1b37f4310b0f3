"""Who may pass where and when: zones, lanes, schedules, calendar and levels. Every change publishes in its transaction.

Refusals are values: a function that can refuse returns what is wrong (`server.access.fields`), or None.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import date

import msgspec

from cardcore.access.items import Degraded, LaneMode, Passback
from cardcore.calendar import DayKind, Interval
from cardcore.ids import DeviceId, LaneId, LevelId, PersonId, ScheduleId, SiteId, TillId, ZoneId
from server.access import fields, grant_repository, repository
from server.access.fields import FieldProblem
from server.audit.service import Deed, record
from server.canteen import repository as canteen_rows
from server.cards import repository as card_rows
from server.database import ReadSession, WriteSession
from server.devices.service import announce
from server.policy import repository as policy_rows
from server.policy import service as policy
from server.system import System


@dataclass(frozen=True, slots=True)
class NewSite:
    """A site to create."""

    slug: str
    name_en: str
    name_zh: str
    time_zone: str = "Asia/Shanghai"


@dataclass(frozen=True, slots=True)
class Zone:
    """An area with lanes around it."""

    id: ZoneId
    name_en: str
    name_zh: str
    low_assurance_allowed: bool = True
    passback: Passback = Passback.NONE
    passback_minutes: int = 0
    passback_forgets_hours: int = 168
    occupancy_limit: int = 0
    occupancy_hard: bool = False
    nightly_reset: bool = False
    """Whether everybody inside is forgotten at the end of the business day."""
    requires: tuple[str, ...] = ()
    """Requirements (`server.requirements`) that everybody who enters has shown."""
    pairs: bool = False
    pair_seconds: int = 20


@dataclass(frozen=True, slots=True)
class Schedule:
    """A named set of weekly intervals."""

    id: ScheduleId
    name_en: str
    name_zh: str
    intervals: tuple[Interval, ...]


@dataclass(frozen=True, slots=True)
class CalendarDay:
    """A holiday or a make-up workday."""

    day: date
    kind: DayKind
    name: str = ""


@dataclass(frozen=True, slots=True)
class AccessLevel:
    """Into which zones, by which schedule."""

    id: LevelId
    name_en: str
    name_zh: str
    schedule_id: ScheduleId
    zones: tuple[ZoneId, ...]
    privileged: bool = False
    """Whether giving it takes two people; cannot be taken back, since that would be one person's way around it."""
    passback_exempt: bool = False
    overrides_lockdown: bool = False
    needs_escort: bool = False
    escorts: bool = False
    supervises: bool = False


@dataclass(frozen=True, slots=True)
class Lane:
    """A way between two zones with the reader in front of it; times in milliseconds."""

    id: LaneId
    name_en: str
    name_zh: str
    reader: str
    from_zone: ZoneId
    to_zone: ZoneId
    mode: LaneMode = LaneMode.CARD
    degraded: Degraded = Degraded.LOCKED
    open_window_ms: int = 5_500
    pulse_ms: int = 300
    has_pass_sensor: bool = True
    has_ready_input: bool = True
    locked_hours: str = ""
    free_hours: str = ""
    """Schedules; empty = none."""
    first_person: bool = False
    interlock: str = ""
    escort_seconds: int = 60
    extended_window_ms: int = 15_000
    held_open_ms: int = 0


def create_site(session: WriteSession, system: System, new: NewSite, actor: str) -> SiteId:
    """Add a site with an empty policy, and publish its settings as version 1."""
    site_id = SiteId(system.ids.uuid7())
    repository.insert_site(session, {"id": site_id, "created_at": system.clock.now(), **asdict(new)})
    policy_rows.insert_state(session, site_id)
    record(session, system, site_id, Deed(actor, "site_created", f"site:{site_id}", after=asdict(new)))
    policy.refresh(session, system, site_id, {"site"})
    return site_id


def find_site(session: ReadSession | WriteSession, slug: str) -> SiteId | None:
    """Find a site by its short name."""
    found = repository.site_by_slug(session, slug)
    return SiteId(found) if found is not None else None


def put_zones(
    session: WriteSession, system: System, site_id: SiteId, zones: Sequence[Zone], actor: str
) -> FieldProblem | None:
    """Add or change zones: all or none; refused when a rule is out of its range or asks for something unknown."""
    known = repository.requirement_ids(session, site_id) if any(zone.requires for zone in zones) else frozenset()
    for zone in zones:
        problem = fields.zone_problem(zone, known)
        if problem is not None:
            return problem
    repository.upsert_zones(session, site_id, [asdict(zone) for zone in zones])
    _changed(session, system, site_id, actor, "zone", [asdict(zone) for zone in zones])
    return None


def put_schedule(
    session: WriteSession, system: System, site_id: SiteId, schedule: Schedule, actor: str
) -> FieldProblem | None:
    """Add or change a schedule; refused when an interval is wrong or two of them overlap."""
    problem = fields.schedule_problem(schedule)
    if problem is not None:
        return problem
    row = {**_names(schedule), "intervals": schedule.intervals}
    repository.upsert_schedules(session, site_id, [row])
    _changed(session, system, site_id, actor, "schedule", [msgspec.to_builtins(row)])
    return None


def put_days(session: WriteSession, system: System, site_id: SiteId, days: Sequence[CalendarDay], actor: str) -> None:
    """Add or change calendar days."""
    repository.upsert_days(session, site_id, [asdict(day) for day in days])
    _changed(session, system, site_id, actor, "day", [{**asdict(day), "id": str(day.day)} for day in days])


def clear_days(session: WriteSession, system: System, site_id: SiteId, days: Collection[date], actor: str) -> None:
    """Make days ordinary again."""
    repository.delete_days(session, site_id, days)
    _changed(session, system, site_id, actor, "day", [{"id": str(day), "kind": None} for day in sorted(days)])


def put_level(
    session: WriteSession, system: System, site_id: SiteId, level: AccessLevel, actor: str
) -> FieldProblem | None:
    """Add or change an access level; refused when it leads nowhere, or its schedule or a zone is unknown."""
    schedules = {row["id"] for row in repository.schedule_rows(session, site_id)}
    grouped = {row["level_id"] for row in grant_repository.rows(session, site_id)}
    zones = {row["id"] for row in repository.zone_rows(session, site_id)}
    problem = fields.level_problem(level, schedules, zones, is_grouped=level.id in grouped)
    if problem is not None:
        return problem
    row = {**asdict(level), "zones": list(level.zones)}
    repository.upsert_levels(session, site_id, [row])
    _changed(session, system, site_id, actor, "level", [row])
    return None


def put_lanes(
    session: WriteSession, system: System, site_id: SiteId, lanes: Sequence[Lane], actor: str
) -> FieldProblem | None:
    """Add or change lanes: all or none; refused when a zone or schedule is unknown or a lane leads nowhere."""
    zones = {row["id"] for row in repository.zone_rows(session, site_id)}
    schedules = {row["id"] for row in repository.schedule_rows(session, site_id)}
    readers = {row["reader"]: row["id"] for row in repository.lane_rows(session, site_id)}
    for lane in lanes:
        problem = fields.lane_problem(lane, zones, schedules, readers)
        if problem is not None:
            return problem
        readers[lane.reader] = lane.id
    repository.upsert_lanes(session, site_id, [asdict(lane) for lane in lanes])
    _changed(session, system, site_id, actor, "lane", [asdict(lane) for lane in lanes])
    return None


def set_lane_mode(
    session: WriteSession, system: System, site_id: SiteId, lane_id: LaneId, mode: LaneMode, actor: str
) -> bool:
    """Set what a lane does with taps; tell whether there is such a lane."""
    old = repository.set_lane_mode(session, site_id, lane_id, mode)
    if old is None:
        return False
    deed = Deed(actor, "lane_mode_set", f"lane:{lane_id}", before={"mode": old}, after={"mode": mode})
    record(session, system, site_id, deed)
    policy.refresh(session, system, site_id, {"lane"})
    return True


def set_person_levels(
    session: WriteSession,
    system: System,
    site_id: SiteId,
    person_id: PersonId,
    levels: Collection[LevelId],
    actor: str,
    *,
    approved: bool = False,
) -> str | None:
    """Give a person exactly these levels; refused when one is unknown. All cards of the person are published.

    A privileged level that the person did not have takes two people (`server.access.approved`); `approved` says so.
    """
    known = {row["id"]: row["privileged"] for row in repository.level_rows(session, site_id)}
    unknown = set(levels) - known.keys()
    if unknown:
        return f"there is no access level {min(unknown)}"
    new = set(levels) - set(repository.levels_of_person(session, site_id, person_id))
    privileged = sorted(level for level in new if known[level])
    if privileged and not approved:
        return f"the access level {privileged[0]} takes two people: ask for approval"
    cards = [row["id"] for row in card_rows.cards_of_person(session, site_id, person_id)]
    old = repository.replace_person_levels(session, site_id, person_id, sorted(set(levels)))
    deed = Deed(actor, "levels_set", f"person:{person_id}", before=old, after=sorted(set(levels)))
    record(session, system, site_id, deed)
    policy.refresh_cards(session, system, site_id, cards)
    return None


def assign_device(
    session: WriteSession,
    system: System,
    site_id: SiteId,
    device_id: DeviceId,
    places: tuple[Collection[LaneId], Collection[TillId]],
    actor: str,
) -> set[str]:
    """Put a device in charge of lanes and tills (in that order in `places`); return the names that do not exist."""
    lanes, tills = places
    found = repository.assign_lanes(session, site_id, device_id, lanes)
    found |= canteen_rows.assign_tills(session, site_id, device_id, tills)
    deed = Deed(actor, "device_assigned", f"device:{device_id}", after=sorted(found))
    record(session, system, site_id, deed)
    announce(session, system, site_id, device_id, "assigned")
    return {*lanes, *tills} - found


def _changed(
    session: WriteSession, system: System, site_id: SiteId, actor: str, kind: str, after: Sequence[dict[str, object]]
) -> None:
    for row in after:
        record(session, system, site_id, Deed(actor, f"{kind}_put", f"{kind}:{row['id']}", after=row))
    policy.refresh(session, system, site_id, {kind})


def _names(schedule: Schedule) -> dict[str, str]:
    return {"id": schedule.id, "name_en": schedule.name_en, "name_zh": schedule.name_zh}
