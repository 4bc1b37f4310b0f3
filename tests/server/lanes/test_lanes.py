"""Lanes in operation: holds, openings from afar, why somebody may pass, and what zones ask people to have shown."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from cardcore.access.decide import Check
from cardcore.access.items import LaneMode, Passback, Product
from cardcore.calendar import Interval
from cardcore.ids import CardId, CategoryId, CredentialKey, LaneId, LevelId, PersonId, ScheduleId, SiteId, ZoneId
from cardcore.reasons import Reason
from server.access import service as access
from server.access import why
from server.access.why import Why, WhyRefusal
from server.cards import service as cards
from server.database import Database, WriteSession
from server.lanes import service
from server.lanes.service import LaneRefusal, Order
from server.people import service as people
from server.policy import service as policy
from server.requirements import service as requirements
from server.requirements.service import Requirement, RequirementRefusal, Shown
from server.system import System
from tests.server.conftest import NOON, StillClock

IN, OUT, GATE = ZoneId("in"), ZoneId("out"), LaneId("g01")
GUARD = "staff:guard"
KEY = CredentialKey("uid:00c0ffee")


class Site:
    """A gate into a yard, Anna with a card, and a guard."""

    def __init__(self, database: Database, system: System, site: SiteId, clock: StillClock) -> None:
        self.database, self.system, self.site, self.clock = database, system, site, clock
        self.anna = database.write(self._made)

    def _made(self, session: WriteSession) -> PersonId:
        system, site = self.system, self.site
        zones = [access.Zone(IN, "In", "内"), access.Zone(OUT, "Out", "外")]
        hours = access.Schedule(ScheduleId("hours"), "", "", (Interval(8 * 3600, 18 * 3600),))
        level = access.AccessLevel(LevelId("day"), "Day", "日间", hours.id, (IN,))
        lane = access.Lane(GATE, "Gate", "门", "r1", OUT, IN)
        assert access.put_zones(session, system, site, zones, "test") is None
        assert access.put_schedule(session, system, site, hours, "test") is None
        assert access.put_level(session, system, site, level, "test") is None
        assert access.put_lanes(session, system, site, [lane], "test") is None
        people.put_category(session, system, site, CategoryId("staff"), people.Named("Staff", "职工"), "test")
        anna = people.create_person(session, system, site, people.NewPerson("7", "Anna", CategoryId("staff")), "test")
        assert not isinstance(anna, people.PersonRefusal)
        assert access.set_person_levels(session, system, site, anna, [level.id], "test") is None
        return anna

    def card(self) -> CardId:
        new = cards.NewCard("1001", Product.COMBINED, (KEY,), self.anna)
        made = self.database.write(lambda session: cards.issue_card(session, self.system, self.site, new, "test"))
        assert not isinstance(made, cards.CardRefusal)
        return made

    def hold(self, mode: LaneMode, hours: float, reason: str = "delivery", lane: LaneId = GATE) -> LaneRefusal | None:
        wanted = (mode, self.clock.now() + timedelta(hours=hours), reason)
        return self.database.write(lambda session: service.hold(session, self.system, self.site, GUARD, lane, wanted))

    def mode_now(self) -> tuple[LaneMode, LaneMode | None]:
        (view,) = self.database.read(lambda session: service.lanes(session, self.system, self.site))
        return view.mode_now, view.held

    def why(self, number: str = "7", lane: LaneId = GATE, **when: object) -> Why | WhyRefusal:
        return self.database.read(
            lambda session: why.may_pass(session, self.system, self.site, number, lane, **when)  # type: ignore[arg-type]
        )

    def reason(self, **when: object) -> Reason:
        found = self.why(**when)  # type: ignore[arg-type]
        assert isinstance(found, Why)
        return found.answers[0].explanation.decision.reason

    def show(self, requirement: str, hours: float) -> RequirementRefusal | None:
        shown = Shown(requirement, NOON, NOON + timedelta(hours=hours), "sheet 12")
        return self.database.write(
            lambda session: requirements.show(session, self.system, self.site, GUARD, self.anna, shown)
        )

    def audited(self) -> list[str]:
        query = text("select action from audit where site_id = :site and actor = :guard order by at, id")
        return self.database.read(
            lambda session: list(session.execute(query, {"site": self.site, "guard": GUARD}).scalars())
        )


@pytest.fixture
def yard(database: Database, system: System, site: SiteId, clock: StillClock) -> Site:
    return Site(database, system, site, clock)


def test_a58_a_lane_is_held_with_a_reason_and_goes_on_by_itself(yard: Site) -> None:
    assert yard.hold(LaneMode.FREE, 1, reason=" ") is LaneRefusal.REASON_MISSING
    assert yard.hold(LaneMode.FREE, 25) is LaneRefusal.TOO_LONG
    assert yard.hold(LaneMode.FREE, -1) is LaneRefusal.TOO_LONG
    assert yard.hold(LaneMode.FREE, 1, lane=LaneId("g99")) is LaneRefusal.UNKNOWN_LANE
    assert yard.hold(LaneMode.FREE, 1) is None
    assert yard.mode_now() == (LaneMode.FREE, LaneMode.FREE)
    yard.clock.forward(hours=1)
    assert yard.mode_now() == (LaneMode.CARD, None)
    assert yard.database.write(lambda session: service.end_due(session, yard.system, yard.site)) == [GATE]
    item = yard.database.read(lambda session: policy.load_snapshot(session, yard.site)).lane(GATE)
    assert item is not None
    assert item.held is None
    assert yard.audited() == ["lane_held"]


def test_a58_a_hold_is_released_by_hand(yard: Site) -> None:
    def release(reason: str) -> LaneRefusal | None:
        return yard.database.write(
            lambda session: service.release(session, yard.system, yard.site, GUARD, GATE, reason)
        )

    assert release("done") is LaneRefusal.NOT_HELD
    assert yard.hold(LaneMode.LOCKED, 1) is None
    assert release("") is LaneRefusal.REASON_MISSING
    assert release("done") is None
    assert yard.mode_now() == (LaneMode.CARD, None)
    assert yard.audited() == ["lane_held", "lane_released"]


def test_a58_an_opening_from_afar_needs_a_reason_and_a_box_with_a_link(yard: Site) -> None:
    def open_gate(reason: str = "a wheelchair") -> Order | LaneRefusal:
        return yard.database.write(
            lambda session: service.order_open(session, yard.system, yard.site, GUARD, GATE, reason)
        )

    assert open_gate() is LaneRefusal.NO_DEVICE
    yard.database.write(lambda session: _give_box(session, yard))
    assert open_gate() is LaneRefusal.NOT_CONNECTED
    yard.database.write(lambda session: session.execute(text("update device_status set connected = true")))
    assert open_gate("") is LaneRefusal.REASON_MISSING
    order = open_gate()
    assert isinstance(order, Order)
    yard.clock.forward(seconds=3)
    found = yard.database.read(lambda session: service.order(session, yard.system, yard.site, order.id))
    assert found is not None
    assert (found.result, found.reason) == ("no_answer", "a wheelchair")
    assert yard.audited() == ["lane_opened"]
    yard.clock.forward(seconds=20)
    assert open_gate() is LaneRefusal.NOT_CONNECTED  # it has been silent for too long


def _give_box(session: WriteSession, yard: Site) -> None:
    device = yard.system.ids.uuid7()
    session.execute(
        text(
            "insert into device (id, site_id, name, purposes, public_key, record_key_sealed, enrolled_at)"
            " values (:id, :site, 'box', '{gate}', :key, '', :at)"
        ),
        {"id": device, "site": yard.site, "key": bytes(32), "at": NOON},
    )
    session.execute(
        text("insert into device_status (device_id, connected, last_seen_at) values (:id, false, :at)"),
        {"id": device, "at": NOON},
    )
    session.execute(text("update lane set device_id = :id"), {"id": device})


def test_a66_why_somebody_would_be_refused_now_or_at_another_hour(yard: Site) -> None:
    assert yard.why() is WhyRefusal.NO_CARD
    assert yard.why("8") is WhyRefusal.UNKNOWN_PERSON
    yard.card()
    assert yard.why(lane=LaneId("g99")) is WhyRefusal.UNKNOWN_LANE
    assert yard.reason() is Reason.GRANTED
    tonight = yard.why(at=NOON + timedelta(hours=8))
    assert isinstance(tonight, Why)
    explanation = tonight.answers[0].explanation
    assert (explanation.decision.reason, explanation.steps[-1].check) == (Reason.NO_ACCESS_NOW, Check.HOUR)
    assert [(view.level, view.leads_here, view.opens_now) for view in explanation.levels] == [("day", True, False)]


def test_a66_why_looks_at_where_people_are_only_now(yard: Site) -> None:
    yard.card()
    zone = access.Zone(IN, "In", "内", passback=Passback.HARD)

    def write(session: WriteSession) -> None:
        assert access.put_zones(session, yard.system, yard.site, [zone], "test") is None
        session.execute(
            text("insert into presence (person_id, site_id, zone_id, at) values (:person, :site, 'in', :at)"),
            {"person": yard.anna, "site": yard.site, "at": NOON},
        )

    yard.database.write(write)
    assert yard.reason() is Reason.INSIDE_ALREADY
    assert yard.reason(at=NOON + timedelta(minutes=1)) is Reason.GRANTED


def test_a39_a_zone_asks_for_what_people_must_have_shown(yard: Site) -> None:
    yard.card()
    needed = Requirement("health", "Health certificate", "健康证")
    zone = access.Zone(IN, "In", "内", requires=("health",))

    def put_zone() -> object:
        return yard.database.write(lambda session: access.put_zones(session, yard.system, yard.site, [zone], "test"))

    assert put_zone() is not None
    assert yard.show("health", 24) is RequirementRefusal.UNKNOWN_REQUIREMENT
    yard.database.write(lambda session: requirements.put_requirement(session, yard.system, yard.site, GUARD, needed))
    assert put_zone() is None
    assert yard.reason() is Reason.PROOF_MISSING
    assert yard.show("health", 0) is RequirementRefusal.ENDS_BEFORE_IT_BEGINS
    assert yard.show("health", 2) is None
    assert yard.reason() is Reason.GRANTED
    assert yard.reason(at=NOON + timedelta(hours=2)) is Reason.PROOF_EXPIRED
    ending = yard.database.read(
        lambda session: requirements.ending(session, yard.site, NOON, NOON + timedelta(hours=3))
    )
    assert [(one.number, one.shown.requirement) for one in ending] == [("7", "health")]
    assert yard.database.read(lambda session: requirements.requirements(session, yard.site)) == [(needed, 1)]

    def withdraw() -> RequirementRefusal | None:
        return yard.database.write(
            lambda session: requirements.withdraw(session, yard.system, yard.site, GUARD, yard.anna, "health")
        )

    assert withdraw() is None
    assert withdraw() is RequirementRefusal.NOT_SHOWN
    assert yard.reason() is Reason.PROOF_MISSING
    assert yard.audited() == ["requirement_put", "requirement_shown", "requirement_withdrawn"]


def test_a43_a_person_who_needs_longer_is_published_as_such(yard: Site) -> None:
    yard.card()
    yard.database.write(
        lambda session: requirements.set_extended(session, yard.system, yard.site, GUARD, yard.anna, extended=True)
    )
    item = yard.database.read(lambda session: policy.load_snapshot(session, yard.site)).card(KEY)
    assert item is not None
    assert item.extended
