"""Zones, schedules, levels and lanes: what is wrong is refused in words, what is right is published at once."""

from __future__ import annotations

from datetime import date

import pytest

from cardcore.access.items import LaneMode
from cardcore.calendar import DayKind, Interval
from cardcore.ids import LaneId, LevelId, ScheduleId, SiteId, ZoneId
from server.access import service
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


def put_lane(database: Database, system: System, site: SiteId, lane: Lane) -> str | None:
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
    ("lane", "problem"),
    [
        (Lane(LaneId("x"), "", "", "x", OUT, ZoneId("moon")), "there is no zone moon"),
        (Lane(LaneId("x"), "", "", "x", IN, IN), "lane x leads from in to itself"),
    ],
)
def test_a_wrong_lane_is_refused(database: Database, system: System, zoned: SiteId, lane: Lane, problem: str) -> None:
    assert put_lane(database, system, zoned, lane) == problem


@pytest.mark.parametrize("interval", [Interval(10, 10), Interval(-1, 5), Interval(0, 90_000), Interval(weekdays=0)])
def test_a_wrong_interval_is_refused(database: Database, system: System, site: SiteId, interval: Interval) -> None:
    schedule = Schedule(ScheduleId("s"), "", "", (interval,))
    assert database.write(lambda session: service.put_schedule(session, system, site, schedule, "test")) is not None
    assert database.read(lambda session: policy.load_snapshot(session, site)).schedule("s") is None


def test_a_level_needs_its_schedule_and_zones(database: Database, system: System, zoned: SiteId) -> None:
    def put(*zones: ZoneId) -> str | None:
        level = AccessLevel(LevelId("all"), "", "", ScheduleId("always"), zones)
        return database.write(lambda session: service.put_level(session, system, zoned, level, "test"))

    assert put(IN) == "there is no schedule always"
    schedule = Schedule(ScheduleId("always"), "", "", (Interval(),))
    database.write(lambda session: service.put_schedule(session, system, zoned, schedule, "test"))
    assert put(IN, ZoneId("moon")) == "there is no zone moon"
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
