"""Levels of whole groups: who belongs to one holds its level, and no longer than that."""

from __future__ import annotations

from cardcore.access.items import Product
from cardcore.calendar import Interval
from cardcore.ids import CategoryId, CredentialKey, LevelId, PersonId, ScheduleId, SiteId, ZoneId
from server.access import grants, repository, service
from server.access.fields import FieldProblem, FieldRefusal
from server.access.grants import GrantKind, Group
from server.access.service import AccessLevel, Schedule, Zone
from server.cards import service as cards
from server.cards.service import NewCard
from server.database import Database, WriteSession
from server.people import service as people
from server.people.service import Named, NewPerson
from server.policy import service as policy
from server.system import System

LEVEL, VAULT = LevelId("day"), LevelId("vault")
STAFF = CategoryId("staff")


def _prepare(session: WriteSession, system: System, site: SiteId) -> PersonId:
    assert service.put_zones(session, system, site, [Zone(ZoneId("in"), "In", "内")], "test") is None
    always = Schedule(ScheduleId("always"), "Always", "全天", (Interval(),))
    assert service.put_schedule(session, system, site, always, "test") is None
    for level in (LEVEL, VAULT):
        new = AccessLevel(level, level, level, always.id, (ZoneId("in"),), privileged=level == VAULT)
        assert service.put_level(session, system, site, new, "test") is None
    for category in ("staff", "guest"):
        people.put_category(session, system, site, CategoryId(category), Named(category, "类别"), "test")
    people.put_department(session, system, site, "d1", Named("One", "一"), "test")
    person = people.create_person(session, system, site, NewPerson("1", "甲", STAFF, "d1"), "test")
    assert not isinstance(person, people.PersonRefusal)
    new_card = NewCard("00000001", Product.COMBINED, (CredentialKey("uid:00000001"),), person)
    cards.issue_card(session, system, site, new_card, "test")
    return person


def test_a21_a_level_of_a_category_department_or_product_reaches_its_cards_and_goes_again(
    database: Database, system: System, site: SiteId
) -> None:
    person = database.write(lambda session: _prepare(session, system, site))

    def put(*groups: Group) -> FieldProblem | None:
        return database.write(lambda session: grants.put_groups(session, system, site, LEVEL, groups, "test"))

    def held() -> tuple[str, ...]:
        assert database.read(lambda session: policy.verify(session, site)) == []
        card = database.read(lambda session: policy.load_snapshot(session, site)).card("uid:00000001")
        assert card is not None
        return card.levels

    assert held() == ()
    for group in (
        Group(GrantKind.CATEGORY, "staff"), Group(GrantKind.DEPARTMENT, "d1"), Group(GrantKind.PRODUCT, "combined"),
    ):  # fmt: skip
        assert put(group) is None
        assert held() == (LEVEL,)
        assert database.read(lambda session: repository.holders_of_levels(session, site)) == {LEVEL: 1}
        assert put() is None
        assert held() == ()
    assert put(Group(GrantKind.CATEGORY, "staff")) is None
    guest = NewPerson("1", "甲", CategoryId("guest"))
    assert database.write(lambda session: people.change_person(session, system, site, person, guest, "test")) is None
    assert held() == ()


def test_a21_no_group_gets_a_privileged_level_nor_an_unknown_group_any(
    database: Database, system: System, site: SiteId
) -> None:
    database.write(lambda session: _prepare(session, system, site))

    def put(level: LevelId, group: Group) -> FieldProblem | None:
        return database.write(lambda session: grants.put_groups(session, system, site, level, [group], "test"))

    staff = Group(GrantKind.CATEGORY, "staff")
    refusals = [put(VAULT, staff), put(LEVEL, staff._replace(key="moon")), put(LevelId("no"), staff)]
    assert [(one.field, one.refusal) for one in refusals if one is not None] == [
        ("groups", FieldRefusal.CONTRADICTION), ("groups", FieldRefusal.UNKNOWN), ("id", FieldRefusal.UNKNOWN),
    ]  # fmt: skip
    assert put(LEVEL, staff) is None
    privileged = AccessLevel(LEVEL, "Day", "日", ScheduleId("always"), (ZoneId("in"),), privileged=True)
    problem = database.write(lambda session: service.put_level(session, system, site, privileged, "test"))
    assert problem is not None
    assert problem.field == "privileged"
