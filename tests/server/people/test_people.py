"""People: created once, found by the ways people look, and without rights once they have left."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cardcore.access.items import Product
from cardcore.calendar import Interval
from cardcore.ids import CategoryId, CredentialKey, LevelId, PersonId, ScheduleId, SiteId, ZoneId
from server.access import service as access
from server.cards.service import NewCard, issue_card
from server.database import Database, WriteSession
from server.people import service
from server.people.service import NewPerson, PersonRefusal
from server.policy import service as policy
from server.system import System

WANG = NewPerson("10001", "王小明", CategoryId("staff"), "d01", "WXM")


@pytest.fixture
def ready(database: Database, system: System, site: SiteId) -> SiteId:
    def write(session: WriteSession) -> None:
        service.put_category(session, system, site, CategoryId("staff"), service.Named("Staff", "职工"), "test")
        service.put_department(session, system, site, "d01", service.Named("Finance", "财政局"), "test")

    database.write(write)
    return site


def create(database: Database, system: System, site: SiteId, new: NewPerson) -> PersonId | PersonRefusal:
    return database.write(lambda session: service.create_person(session, system, site, new, "test"))


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({}, PersonRefusal.NUMBER_TAKEN),
        ({"number": "2", "category_id": "king"}, PersonRefusal.UNKNOWN_CATEGORY),
        ({"number": "2", "department_id": "d99"}, PersonRefusal.UNKNOWN_DEPARTMENT),
        ({"number": " "}, PersonRefusal.NAME_MISSING),
        ({"number": "2", "name": "x" * 101}, PersonRefusal.TOO_LONG),
    ],
)
def test_a_wrong_person_is_refused_with_its_reason(
    database: Database, system: System, ready: SiteId, changes: dict[str, str], refusal: PersonRefusal
) -> None:
    assert not isinstance(create(database, system, ready, WANG), PersonRefusal)
    assert create(database, system, ready, replace(WANG, **changes)) is refusal  # type: ignore[arg-type]


@pytest.mark.parametrize("term", ["", "王", "10001", "wxm", "WX", "财政", "finance"])
def test_a_person_is_found(database: Database, system: System, ready: SiteId, term: str) -> None:
    create(database, system, ready, WANG)
    found = database.read(lambda session: service.search(session, ready, term, 1))
    assert (found.total, [row["name"] for row in found.rows]) == (1, ["王小明"])


@pytest.mark.parametrize("term", ["小", "0001", "%", "_", "'", "教育"])
def test_a_person_is_not_found(database: Database, system: System, ready: SiteId, term: str) -> None:
    create(database, system, ready, WANG)
    assert database.read(lambda session: service.search(session, ready, term, 1)).total == 0


def test_pages_hold_fifty_and_follow_one_another(database: Database, system: System, ready: SiteId) -> None:
    for number in range(51):
        create(database, system, ready, replace(WANG, number=f"{number:05d}"))
    first, second = (
        database.read(lambda session, page=page: service.search(session, ready, "", page))  # type: ignore[misc]
        for page in (1, 2)
    )
    assert (len(first.rows), first.has_next, first.total) == (50, True, 51)
    assert ([row["number"] for row in second.rows], second.has_next) == (["00050"], False)


def test_who_has_left_has_no_level_until_back(database: Database, system: System, ready: SiteId) -> None:
    person = create(database, system, ready, WANG)
    assert not isinstance(person, PersonRefusal)
    key = CredentialKey("uid:00000001")

    def write(session: WriteSession) -> None:
        always = access.Schedule(ScheduleId("always"), "", "", (Interval(),))
        access.put_zones(session, system, ready, [access.Zone(ZoneId("in"), "", "")], "test")
        access.put_schedule(session, system, ready, always, "test")
        level = access.AccessLevel(LevelId("all"), "", "", always.id, (ZoneId("in"),))
        access.put_level(session, system, ready, level, "test")
        issue_card(session, system, ready, NewCard("1", Product.COMBINED, (key,), person), "test")
        assert access.set_person_levels(session, system, ready, person, [LevelId("none")], "test") is not None
        assert access.set_person_levels(session, system, ready, person, [LevelId("all")], "test") is None

    def levels() -> tuple[str, ...]:
        item = database.read(lambda session: policy.load_snapshot(session, ready)).card(key)
        assert item is not None
        return item.levels

    database.write(write)
    assert levels() == ("all",)
    database.write(lambda session: service.set_left(session, system, ready, person, "test", left=True))
    assert levels() == ()
    database.write(lambda session: service.set_left(session, system, ready, person, "test", left=False))
    assert levels() == ("all",)
