"""What is odd about a site's rules is shown as a standing warning, with the object and the field; its calendar too."""

from __future__ import annotations

from datetime import date, timedelta

from sqlalchemy import text

from cardcore.access.items import ThreatEffect
from cardcore.calendar import DayKind, Interval
from cardcore.ids import CategoryId, LaneId, LevelId, PersonId, ScheduleId, SiteId, ZoneId
from server.access import service, threats, warnings, year
from server.access.service import AccessLevel, Lane, Schedule, Zone
from server.access.warnings import SiteWarning
from server.access.year import YearRefusal
from server.database import Database, WriteSession
from server.people import service as people
from server.system import System
from tests.server.conftest import StillClock

YARD, VAULT, OUT = ZoneId("yard"), ZoneId("vault"), ZoneId("out")
ALWAYS = ScheduleId("always")
W = SiteWarning


def warned(database: Database, system: System, site: SiteId) -> set[tuple[SiteWarning, str]]:
    found = database.read(lambda session: warnings.warnings(session, system, site))
    return {(one.warning, one.object) for one in found}


def _odd(session: WriteSession, system: System, site: SiteId) -> PersonId:
    zones = [Zone(OUT, "Out", "外"), Zone(YARD, "Yard", "院"), Zone(VAULT, "Vault", "库", pairs=True)]
    assert service.put_zones(session, system, site, zones, "test") is None
    assert service.put_schedule(session, system, site, Schedule(ALWAYS, "", "", (Interval(),)), "test") is None
    assert service.put_schedule(session, system, site, Schedule(ScheduleId("never"), "", "", ()), "test") is None
    guards = AccessLevel(LevelId("guards"), "", "", ALWAYS, (YARD, VAULT), overrides_lockdown=True)
    guests = AccessLevel(LevelId("guests"), "", "", ALWAYS, (YARD,), needs_escort=True)
    for level in (guards, guests):
        assert service.put_level(session, system, site, level, "test") is None
    lanes = [
        Lane(LaneId("a"), "", "", "a", OUT, YARD, interlock="trap", free_hours="always", first_person=True),
        Lane(LaneId("b"), "", "", "b", YARD, VAULT, interlock="trap"),
        Lane(LaneId("c"), "", "", "c", YARD, VAULT, interlock="alone"),
    ]
    assert service.put_lanes(session, system, site, lanes, "test") is None
    plan = threats.ThreatPlan("siege", "Siege", "封闭", (YARD,), effect=ThreatEffect.LOCK)
    assert threats.put_plan(session, system, site, plan, "test") is None
    people.put_category(session, system, site, CategoryId("staff"), people.Named("Staff", "职工"), "test")
    person = people.create_person(session, system, site, people.NewPerson("1", "Anna", CategoryId("staff")), "test")
    assert not isinstance(person, people.PersonRefusal)
    return person


def test_a20_a22_a36_what_cannot_be_meant_is_warned_of(database: Database, system: System, site: SiteId) -> None:
    anna = database.write(lambda session: _odd(session, system, site))
    assert warned(database, system, site) == {
        (W.ZONE_WITHOUT_WAY_OUT, "zone:vault"),
        (W.TOO_FEW_FOR_A_PAIR, "zone:vault"),
        (W.NOBODY_ESCORTS, "level:guests"),
        (W.SCHEDULE_NEVER_OPENS, "schedule:never"),
        (W.LANE_WITHOUT_BOX, "lane:a"),
        (W.LANE_WITHOUT_BOX, "lane:b"),
        (W.LANE_WITHOUT_BOX, "lane:c"),
        (W.NOBODY_SUPERVISES, "lane:a"),
        (W.INTERLOCK_OF_ONE, "lane:c"),
        (W.PLAN_LOCKS_EVERYBODY_OUT, "threat:siege"),
        (W.YEAR_WITHOUT_HOLIDAYS, "calendar:2026"),
    }
    database.write(lambda session: service.set_person_levels(session, system, site, anna, [LevelId("guards")], "test"))
    assert (W.PLAN_LOCKS_EVERYBODY_OUT, "threat:siege") not in warned(database, system, site)
    database.write(lambda session: session.execute(text("update person set state = 'left'")))
    assert (W.PLAN_LOCKS_EVERYBODY_OUT, "threat:siege") in warned(database, system, site)


def test_a22_a_year_is_filled_from_what_is_announced_and_edited(
    database: Database, system: System, site: SiteId, clock: StillClock
) -> None:
    def change(day: date, kind: DayKind | None, name: str = "") -> YearRefusal | None:
        return database.write(lambda session: year.change(session, system, site, "staff:a", day, (kind, name)))

    def fill(wanted: int) -> YearRefusal | None:
        return database.write(lambda session: year.fill(session, system, site, "staff:a", wanted))

    def days() -> dict[date, str]:
        return {day.day: day.name for day in database.read(lambda session: year.days(session, site, 2026))}

    assert change(date(2026, 10, 1), DayKind.HOLIDAY, "ours") is None
    assert fill(2026) is None
    assert days()[date(2026, 10, 1)] == "ours"
    assert days()[date(2026, 2, 28)] == "春节调休"
    assert change(date(2026, 2, 28), None) is None
    assert date(2026, 2, 28) not in days()
    assert change(date(2026, 11, 25), DayKind.MAKEUP_WORKDAY) is YearRefusal.WEEKDAY
    assert change(date(1999, 1, 1), DayKind.HOLIDAY) is YearRefusal.OUT_OF_RANGE
    assert fill(2028) is YearRefusal.NOT_ANNOUNCED
    assert warned(database, system, site) == set()
    clock.forward(days=90)  # December: the next year is near
    assert warned(database, system, site) == {(W.YEAR_WITHOUT_HOLIDAYS, "calendar:2027")}
    clock.at -= timedelta(days=90)
