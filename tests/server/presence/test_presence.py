"""Putting right where people are: with a name and a reason, or at night by itself."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from cardcore.ids import CategoryId, PersonId, SiteId, ZoneId
from server.access import service as access
from server.access.service import Zone
from server.database import Database, WriteSession
from server.people import service as people
from server.presence import service
from server.presence.housekeeping import Housekeeping
from server.presence.service import FORGOTTEN_AFTER, PresenceRefusal
from server.system import System
from tests.server.conftest import StillClock

HALL, YARD = ZoneId("hall"), ZoneId("yard")
DEED = ("staff:guard", "lost count at the gate")


@pytest.fixture
def anna(database: Database, system: System, site: SiteId) -> PersonId:
    """Put a person into the hall, which is reset every night."""

    def call(session: WriteSession) -> PersonId:
        zones = [Zone(HALL, "Hall", "大厅", nightly_reset=True), Zone(YARD, "Yard", "院子")]
        assert access.put_zones(session, system, site, zones, "test") is None
        people.put_category(session, system, site, CategoryId("staff"), people.Named("Staff", "职工"), "test")
        person = people.create_person(session, system, site, people.NewPerson("1", "Anna", CategoryId("staff")), "test")
        assert not isinstance(person, people.PersonRefusal)
        put(session, site, person, HALL, system)
        return person

    return database.write(call)


def put(session: WriteSession, site: SiteId, person: PersonId, zone: ZoneId, system: System) -> None:
    session.execute(
        text("insert into presence (person_id, site_id, zone_id, at) values (:person, :site, :zone, :at)"),
        {"person": person, "site": site, "zone": zone, "at": system.clock.now()},
    )


def names(database: Database, system: System, site: SiteId, *zones: ZoneId) -> list[str]:
    return [inside.name for inside in database.read(lambda session: service.inside(session, system, site, zones))]


def heads(database: Database, system: System, site: SiteId) -> dict[str, tuple[int, int]]:
    found = database.read(lambda session: service.heads(session, system, site))
    return {zone.zone: (zone.known, zone.unknown) for zone in found}


def test_a63_a64_who_is_inside_by_name_and_by_number(
    database: Database, system: System, site: SiteId, anna: PersonId, clock: StillClock
) -> None:
    assert names(database, system, site, HALL, YARD) == ["Anna"]
    assert names(database, system, site, YARD) == []
    assert heads(database, system, site) == {"hall": (1, 0), "yard": (0, 0)}
    clock.at += FORGOTTEN_AFTER
    assert heads(database, system, site)["hall"] == (0, 0)


def test_a26_a_person_is_forgiven_with_a_reason_and_it_stands_in_the_trail(
    database: Database, system: System, site: SiteId, anna: PersonId
) -> None:
    def forgive(deed: tuple[str, str]) -> PresenceRefusal | None:
        return database.write(lambda session: service.forgive(session, system, site, anna, deed))

    assert forgive(("staff:guard", " ")) is PresenceRefusal.REASON_MISSING
    assert forgive(DEED) is None
    assert forgive(DEED) is PresenceRefusal.NOWHERE
    assert names(database, system, site, HALL) == []
    rows = database.read(
        lambda session: session.execute(
            text("select actor, reason, before ->> 'zone' from audit where action = 'presence_forgiven'")
        ).all()
    )
    assert [tuple(row) for row in rows] == [(*DEED, "hall")]


def test_a_zone_is_reset_with_its_unknown_heads_and_its_uncertainty(
    database: Database, system: System, site: SiteId, anna: PersonId, clock: StillClock
) -> None:
    def unsettle(session: WriteSession) -> None:
        session.execute(
            text("insert into zone_state (site_id, zone_id, unknown, uncertain_since) values (:site, 'hall', 3, :at)"),
            {"site": site, "at": clock.now()},
        )

    database.write(unsettle)
    clock.forward(seconds=1)
    assert heads(database, system, site)["hall"] == (1, 3)
    moon = database.write(lambda session: service.reset_zone(session, system, site, ZoneId("moon"), DEED))
    assert moon is PresenceRefusal.UNKNOWN_ZONE
    assert database.write(lambda session: service.reset_zone(session, system, site, HALL, DEED)) is None
    (hall, _) = database.read(lambda session: service.heads(session, system, site))
    assert (hall.known, hall.unknown, hall.uncertain_since) == (0, 0, None)


def test_a26_the_nightly_reset_comes_once_a_business_day(
    database: Database, system: System, site: SiteId, anna: PersonId, clock: StillClock
) -> None:
    async def never(*_: object) -> None:
        raise AssertionError

    keeping = Housekeeping(database, never, system)  # type: ignore[arg-type]
    clock.forward(seconds=1)
    keeping.once()
    assert names(database, system, site, HALL) == []
    database.write(lambda session: put(session, site, anna, HALL, system))
    clock.forward(hours=3)
    keeping.once()
    assert names(database, system, site, HALL) == ["Anna"]
    clock.at += timedelta(days=1)
    keeping.once()
    assert names(database, system, site, HALL) == []


@pytest.mark.parametrize(
    "rules", [{"passback_minutes": -1}, {"passback_minutes": 1441}, {"occupancy_limit": -1},
              {"passback_forgets_hours": 0}],
)  # fmt: skip
def test_a_rule_out_of_its_range_names_the_field(
    database: Database, system: System, site: SiteId, rules: dict[str, int]
) -> None:
    zone = Zone(HALL, "Hall", "大厅", **rules)  # type: ignore[arg-type]
    problem = database.write(lambda session: access.put_zones(session, system, site, [zone], "test"))
    assert problem is not None
    assert problem.field == next(iter(rules))
