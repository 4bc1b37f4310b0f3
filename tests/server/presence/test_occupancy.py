"""Full and empty zones are told once each, as events and as an alarm (A29)."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy import text

from cardcore.ids import CategoryId, PersonId, SiteId, ZoneId
from server.access import service as access
from server.access.service import Zone
from server.alarms import service as alarms
from server.database import Database
from server.outbox import events
from server.people import service as people
from server.presence import occupancy
from server.system import System

HALL, OUTSIDE = ZoneId("hall"), ZoneId("outside")


class Hall:
    """A hall for two, and three people."""

    def __init__(self, database: Database, system: System, site: SiteId) -> None:
        self.database, self.system, self.site = database, system, site
        zones = [Zone(HALL, "Hall", "大厅", occupancy_limit=2), Zone(OUTSIDE, "Outside", "外")]
        assert database.write(lambda session: access.put_zones(session, system, site, zones, "test")) is None
        self.people = [self.person(number) for number in range(3)]

    def person(self, number: int) -> PersonId:
        def call(session: object) -> object:
            named = people.Named("Staff", "职工")
            people.put_category(session, self.system, self.site, CategoryId("staff"), named, "test")  # type: ignore[arg-type]
            new = people.NewPerson(str(number), f"P{number}", CategoryId("staff"))
            return people.create_person(session, self.system, self.site, new, "test")  # type: ignore[arg-type]

        made = self.database.write(call)
        assert isinstance(made, UUID)
        return PersonId(made)

    def walk(self, who: int, zone: ZoneId) -> list[str]:
        """Let somebody pass into a zone, and return what is told of it."""
        statement = text(
            "insert into presence (person_id, site_id, zone_id, at) values (:person, :site, :zone, :at)"
            " on conflict (person_id) do update set zone_id = excluded.zone_id, at = excluded.at"
        )
        values = {"person": self.people[who], "site": self.site, "zone": zone, "at": self.system.clock.now()}
        self.database.write(lambda session: session.execute(statement, values))
        return self.look()

    def look(self) -> list[str]:
        told = self.database.write(lambda session: occupancy.look(session, self.system, self.site))
        return [one.turn.value for one in told]


@pytest.fixture
def hall(database: Database, system: System, site: SiteId) -> Hall:
    return Hall(database, system, site)


def test_a29_a_full_and_an_empty_zone_are_told_once_each(hall: Hall) -> None:
    assert hall.look() == ["zone_empty"]
    assert hall.walk(0, HALL) == []
    assert hall.walk(1, HALL) == ["limit_reached"]
    assert hall.walk(2, HALL) == []  # fuller still is nothing new
    (alarm,) = hall.database.read(lambda session: alarms.open_alarms(session, hall.site))
    assert (alarm.kind, alarm.place, alarm.detail, alarm.over_at) == ("zone_full", "hall", "2 / 2", None)
    assert hall.walk(2, OUTSIDE) == []
    assert hall.walk(1, OUTSIDE) == ["room_again"]
    (alarm,) = hall.database.read(lambda session: alarms.open_alarms(session, hall.site))
    assert alarm.over_at is not None
    assert hall.walk(0, OUTSIDE) == ["zone_empty"]
    assert hall.look() == []


def test_a29_programs_may_follow_full_and_empty_zones(hall: Hall) -> None:
    hall.walk(0, HALL)
    hall.walk(1, HALL)
    query = text("select payload from outbox where topic = :topic")
    topic = {"topic": events.Topic.OCCUPANCY}
    found = hall.database.read(lambda session: list(session.execute(query, topic).scalars()))
    assert found == [{"zone": "hall", "change": "limit_reached", "heads": 2}]


def test_a29_unknown_heads_fill_a_zone_too(hall: Hall) -> None:
    hall.walk(0, HALL)
    statement = text("update zone_state set unknown = 1 where zone_id = 'hall'")
    hall.database.write(lambda session: session.execute(statement))
    assert hall.look() == ["limit_reached"]
