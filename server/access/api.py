"""REST of zones, lanes' settings, schedules, levels and the calendar: listed, put in place, retired."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from cardcore.access.items import Degraded, LaneMode, Passback
from cardcore.calendar import DayKind, Interval
from cardcore.ids import LaneId, LevelId, ScheduleId, ZoneId
from server.access import grants, repository, service
from server.access.fields import FieldProblem
from server.access.grants import GrantKind, Group
from server.access.service import AccessLevel, CalendarDay, Lane, Schedule, Zone
from server.api.answers import Body, Identity, Rows, refused_field, row_of
from server.api.caller import Caller, needs
from server.audit.service import staff_actor
from server.setup.retiring import Part, retire
from server.setup.together import together
from server.staff.roles import Permission

router = APIRouter(tags=["access"])
Planner = Annotated[Caller, needs(Permission.ACCESS_WRITE)]
Name = Annotated[str, Field(min_length=1, max_length=64)]
MAX_GROUPS = 200


class Named(Body):
    """What has a name in both languages."""

    name_en: Name
    name_zh: Name


class ZoneBody(Named):
    """A zone's rules."""

    low_assurance_allowed: bool = True
    passback: Passback = Passback.NONE
    passback_minutes: int = 0
    passback_forgets_hours: int = 168
    occupancy_limit: int = 0
    occupancy_hard: bool = False
    nightly_reset: bool = False
    requires: Annotated[tuple[str, ...], Field(max_length=50)] = ()
    pairs: bool = False
    pair_seconds: int = 20


class ZoneAnswer(ZoneBody):
    """A zone."""

    id: str


class LaneBody(Named):
    """A lane's settings; times in milliseconds, hours are schedules or empty."""

    reader: Annotated[str, Field(min_length=1, max_length=64)]
    from_zone: str
    to_zone: str
    mode: LaneMode = LaneMode.CARD
    degraded: Degraded = Degraded.LOCKED
    open_window_ms: int = 5_500
    pulse_ms: int = 300
    has_pass_sensor: bool = True
    has_ready_input: bool = True
    locked_hours: str = ""
    free_hours: str = ""
    first_person: bool = False
    interlock: Annotated[str, Field(max_length=32)] = ""
    escort_seconds: int = 60
    extended_window_ms: int = 15_000
    held_open_ms: int = 0


class LaneSettings(LaneBody):
    """A lane as it is set."""

    id: str


class IntervalBody(Body):
    """Hours of some weekdays, from a first to a last day if given."""

    start_seconds: int = 0
    end_seconds: int = 86_400
    weekdays: int = 127
    on_holidays: bool = False
    first_day: date | None = None
    last_day: date | None = None


class ScheduleBody(Named):
    """Weekly intervals: local seconds of the day, `weekdays` a sum of 1 for Monday to 64 for Sunday."""

    intervals: Annotated[tuple[IntervalBody, ...], Field(max_length=64)]


class ScheduleAnswer(ScheduleBody):
    """A schedule."""

    id: str


class GroupBody(Body):
    """A group that holds a level."""

    kind: GrantKind
    key: str


class LevelBody(Named):
    """Into which zones, by which schedule, and the groups that hold it."""

    schedule_id: str
    zones: Annotated[tuple[str, ...], Field(max_length=200)]
    privileged: bool = False
    passback_exempt: bool = False
    overrides_lockdown: bool = False
    needs_escort: bool = False
    escorts: bool = False
    supervises: bool = False
    groups: Annotated[tuple[GroupBody, ...], Field(max_length=MAX_GROUPS)] = ()


class LevelAnswer(LevelBody):
    """An access level; `holders` are the people in service who hold it."""

    id: str
    holders: int


class DayBody(Body):
    """A holiday or a make-up workday."""

    kind: DayKind
    name: Annotated[str, Field(max_length=64)] = ""


class DayAnswer(DayBody):
    """A day that is no ordinary one."""

    day: date


@router.get("/zones")
async def zones(caller: Planner) -> Rows[ZoneAnswer]:
    """List the zones."""
    rows = await caller.read(lambda session: repository.zone_rows(session, caller.site_id))
    return Rows(rows=[row_of(ZoneAnswer, row) for row in rows])


@router.put("/zones/{zone_id}", status_code=204)
async def put_zone(caller: Planner, zone_id: Identity, body: ZoneBody) -> None:
    """Add or change a zone."""
    await _do(caller, service.put_zones, [Zone(id=ZoneId(zone_id), **body.model_dump())])


@router.delete("/zones/{zone_id}", status_code=204)
async def retire_zone(caller: Planner, zone_id: Identity) -> None:
    """Take a zone out of use; refused while something needs it."""
    await _do(caller, retire, Part.ZONE, zone_id)


@router.get("/lane-settings")
async def lane_settings(caller: Planner) -> Rows[LaneSettings]:
    """List the lanes as they are set; how they stand now is at `/lanes`."""
    rows = await caller.read(lambda session: repository.lane_rows(session, caller.site_id))
    return Rows(rows=[row_of(LaneSettings, row) for row in rows])


@router.put("/lane-settings/{lane_id}", status_code=204)
async def put_lane(caller: Planner, lane_id: Identity, body: LaneBody) -> None:
    """Add or change a lane; the box that serves it stays."""
    await _do(caller, service.put_lanes, [Lane(id=LaneId(lane_id), **body.model_dump())])


@router.delete("/lane-settings/{lane_id}", status_code=204)
async def retire_lane(caller: Planner, lane_id: Identity) -> None:
    """Take a lane out of use."""
    await _do(caller, retire, Part.LANE, lane_id)


@router.get("/schedules")
async def schedules(caller: Planner) -> Rows[ScheduleAnswer]:
    """List the schedules."""
    rows = await caller.read(lambda session: repository.schedule_rows(session, caller.site_id))
    return Rows(rows=[row_of(ScheduleAnswer, row) for row in rows])


@router.put("/schedules/{schedule_id}", status_code=204)
async def put_schedule(caller: Planner, schedule_id: Identity, body: ScheduleBody) -> None:
    """Add or change a schedule; overlapping intervals are refused by their number."""
    intervals = tuple(Interval(**one.model_dump()) for one in body.intervals)
    await _do(caller, service.put_schedule, Schedule(ScheduleId(schedule_id), body.name_en, body.name_zh, intervals))


@router.delete("/schedules/{schedule_id}", status_code=204)
async def retire_schedule(caller: Planner, schedule_id: Identity) -> None:
    """Take a schedule out of use."""
    await _do(caller, retire, Part.SCHEDULE, schedule_id)


@router.get("/levels")
async def levels(caller: Planner) -> Rows[LevelAnswer]:
    """List the access levels with the groups that hold them."""
    rows = await caller.read(lambda session: repository.level_rows(session, caller.site_id))
    groups = await caller.read(lambda session: grants.groups_of(session, caller.site_id))
    holders = await caller.read(lambda session: repository.holders_of_levels(session, caller.site_id))
    return Rows(rows=[
        row_of(LevelAnswer, {
            **row, "holders": holders.get(row["id"], 0),
            "groups": [GroupBody(kind=group.kind, key=group.key) for group in groups.get(row["id"], ())],
        })
        for row in rows
    ])  # fmt: skip


@router.put("/levels/{level_id}", status_code=204)
async def put_level(caller: Planner, level_id: Identity, body: LevelBody) -> None:
    """Add or change a level and exactly these groups that hold it."""
    identity, actor = LevelId(level_id), staff_actor(caller.actor)
    new = AccessLevel(id=identity, **body.model_dump(exclude={"groups"}))
    groups = [Group(group.kind, group.key) for group in body.groups]
    refused_field(
        await together(
            caller.write,
            lambda session: service.put_level(session, caller.system, caller.site_id, new, actor),
            lambda session: grants.put_groups(session, caller.system, caller.site_id, identity, groups, actor),
        )
    )


@router.delete("/levels/{level_id}", status_code=204)
async def retire_level(caller: Planner, level_id: Identity) -> None:
    """Take a level out of use; refused while somebody holds it."""
    await _do(caller, retire, Part.LEVEL, level_id)


@router.get("/calendar")
async def calendar(caller: Planner, year: int | None = None) -> Rows[DayAnswer]:
    """List the days that are no ordinary ones, of one year if given."""
    rows = await caller.read(lambda session: repository.day_rows(session, caller.site_id))
    return Rows(rows=[row_of(DayAnswer, row) for row in rows if year is None or row["day"].year == year])


@router.put("/calendar/{day}", status_code=204)
async def put_day(caller: Planner, day: date, body: DayBody) -> None:
    """Make a day a holiday or a make-up workday."""
    await _do(caller, service.put_days, [CalendarDay(day, body.kind, body.name)])


@router.delete("/calendar/{day}", status_code=204)
async def clear_day(caller: Planner, day: date) -> None:
    """Make a day an ordinary one."""
    await _do(caller, service.clear_days, [day])


async def _do(caller: Caller, change: Callable[..., FieldProblem | None], *what: object) -> None:
    """Let a service change `what` in the caller's name, or answer which field it did not take."""
    system, site, actor = caller.system, caller.site_id, staff_actor(caller.actor)
    refused_field(await caller.write(lambda session: change(session, system, site, *what, actor)))
