"""Zones, schedules, levels and lanes: what is wrong is refused in words, what is right is published at once."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import msgspec
import pytest

from cardcore.access.items import LaneMode
from cardcore.calendar import DayKind, Interval
from cardcore.ids import LaneId, LevelId, ScheduleId, SiteId, ZoneId
from server.access import service
from server.access.fields import FieldProblem, FieldRefusal, schedule_problem
from server.access.service import AccessLevel, CalendarDay, Lane, Schedule, Zone
from server.database import Database
from server.policy import service as policy
from server.system import System

IN, OUT = ZoneId("in"), ZoneId("out")
GATE = Lane(LaneId("g01"), "Gate", "门", "g01", OUT, IN)


@pytest.fixture
def zoned(database: Database, system: System, site: SiteId) -> SiteId:
    zones = [Zone(IN, "In", "内"), Zone(OUT, "Out", "外")]
    database.write(lambda session: service.put_zones(session, system, site, zones, "test"))
    return site


def put_lane(database: Database, system: System, site: SiteId, lane: Lane) -> FieldProblem | None:
    return database.write(lambda session: service.put_lanes(session, system, site, [lane], "test"))


def test_a_lane_is_published_and_its_mode_changes(database: Database, system: System, zoned: SiteId) -> None:
    assert put_lane(database, system, zoned, GATE) is None
    mode = LaneMode.LOCKED
    assert database.write(lambda session: service.set_lane_mode(session, system, zoned, LaneId("g01"), mode, "test"))
    item = database.read(lambda session: policy.load_snapshot(session, zoned)).lane("g01")
    assert item is not None
    assert (item.to_zone, item.mode) == (IN, LaneMode.LOCKED)
    assert not database.write(
        lambda session: service.set_lane_mode(session, system, zoned, LaneId("g99"), mode, "test")
    )


@pytest.mark.parametrize(
    ("changes", "field", "refusal"),
    [
        ({"to_zone": ZoneId("moon")}, "to_zone", FieldRefusal.UNKNOWN),
        ({"to_zone": OUT}, "to_zone", FieldRefusal.LEADS_NOWHERE),
        ({"free_hours": "never"}, "free_hours", FieldRefusal.UNKNOWN),
        ({"first_person": True}, "first_person", FieldRefusal.CONTRADICTION),
        ({"reader": "g01"}, "reader", FieldRefusal.TAKEN),
        ({"pulse_ms": 50}, "pulse_ms", FieldRefusal.OUT_OF_RANGE),
        ({"escort_seconds": 0}, "escort_seconds", FieldRefusal.OUT_OF_RANGE),
        ({"extended_window_ms": 999_999}, "extended_window_ms", FieldRefusal.OUT_OF_RANGE),
    ],
)
def test_a_wrong_lane_names_its_field(
    database: Database, system: System, zoned: SiteId, changes: dict[str, object], field: str, refusal: FieldRefusal
) -> None:
    assert put_lane(database, system, zoned, GATE) is None
    problem = put_lane(database, system, zoned, replace(GATE, **({"id": LaneId("x"), "reader": "x"} | changes)))  # type: ignore[arg-type]
    assert problem is not None
    assert (problem.object, problem.field, problem.refusal) == ("lane x", field, refusal)


@pytest.mark.parametrize("interval", [Interval(10, 10), Interval(-1, 5), Interval(0, 90_000), Interval(weekdays=0)])
def test_a_wrong_interval_is_refused(database: Database, system: System, site: SiteId, interval: Interval) -> None:
    schedule = Schedule(ScheduleId("s"), "", "", (interval,))
    assert database.write(lambda session: service.put_schedule(session, system, site, schedule, "test")) is not None
    assert database.read(lambda session: policy.load_snapshot(session, site)).schedule("s") is None


def test_a22_intervals_of_a_schedule_that_overlap_are_refused() -> None:
    morning, late = Interval(8 * 3600, 12 * 3600), Interval(11 * 3600, 13 * 3600)

    def problem(*intervals: Interval) -> tuple[str, FieldRefusal] | None:
        found = schedule_problem(Schedule(ScheduleId("s"), "", "", intervals))
        return None if found is None else (found.field, found.refusal)

    assert problem(morning, late) == ("intervals.1", FieldRefusal.OVERLAP)
    assert problem(morning, Interval(12 * 3600, 13 * 3600)) is None
    assert problem(morning, msgspec.structs.replace(late, weekdays=0b110_0000)) == ("intervals.1", FieldRefusal.OVERLAP)
    weekend, work = msgspec.structs.replace(late, weekdays=0b110_0000), msgspec.structs.replace(morning, weekdays=31)
    assert problem(work, weekend) is None
    spring = msgspec.structs.replace(morning, last_day=date(2026, 3, 31))
    assert problem(spring, msgspec.structs.replace(late, first_day=date(2026, 4, 1))) is None
    assert problem(spring, msgspec.structs.replace(late, first_day=date(2026, 3, 31))) is not None


def test_a_level_needs_its_schedule_and_zones(database: Database, system: System, zoned: SiteId) -> None:
    def put(*zones: ZoneId, **rules: bool) -> str | None:
        level = AccessLevel(LevelId("all"), "", "", ScheduleId("always"), zones, **rules)
        problem = database.write(lambda session: service.put_level(session, system, zoned, level, "test"))
        return None if problem is None else f"{problem.field} {problem.refusal}"

    assert put(IN) == "schedule_id unknown"
    schedule = Schedule(ScheduleId("always"), "", "", (Interval(),))
    database.write(lambda session: service.put_schedule(session, system, zoned, schedule, "test"))
    assert put(IN, ZoneId("moon")) == "zones unknown"
    assert put() == "zones missing"
    assert put(IN, needs_escort=True, escorts=True) == "escorts contradiction"
    assert put(OUT, IN) is None
    level = database.read(lambda session: policy.load_snapshot(session, zoned)).level("all")
    assert level is not None
    assert (level.zones, level.schedule) == ((IN, OUT), "always")


def test_calendar_days_come_and_go(database: Database, system: System, site: SiteId) -> None:
    day = date(2026, 10, 1)
    days = [CalendarDay(day, DayKind.HOLIDAY, "国庆节")]
    database.write(lambda session: service.put_days(session, system, site, days, "test"))
    assert database.read(lambda session: policy.load_snapshot(session, site)).days == {day: DayKind.HOLIDAY}
    database.write(lambda session: service.clear_days(session, system, site, [day], "test"))
    assert database.read(lambda session: policy.load_snapshot(session, site)).days == {}
    assert database.read(lambda session: policy.verify(session, site)) == []


def test_a_site_is_found_by_its_slug(database: Database, site: SiteId) -> None:
    assert database.read(lambda session: service.find_site(session, "test")) == site
    assert database.read(lambda session: service.find_site(session, "none")) is None
