"""Threat plans: agreed beforehand, begun with a reason, ended by somebody or by the clock, published at once."""

from __future__ import annotations

import pytest

from cardcore.access.items import ThreatEffect
from cardcore.calendar import Interval
from cardcore.ids import LevelId, ScheduleId, SiteId, ZoneId
from server.access import service, threats
from server.access.service import AccessLevel, Schedule, Zone
from server.access.threats import ThreatPlan, ThreatRefusal
from server.database import Database, WriteSession
from server.policy import service as policy
from server.system import System
from tests.server.conftest import StillClock

IN, OUT = ZoneId("in"), ZoneId("out")
PLAN = ThreatPlan("intruder", "Intruder", "闯入", (IN,), rank=10, minutes=30)
DEED = ("staff:guard", "somebody climbed the fence")


@pytest.fixture
def planned(database: Database, system: System, site: SiteId) -> SiteId:
    """Give the site a level that overrides lock-downs of the inside."""

    def call(session: WriteSession) -> None:
        service.put_zones(session, system, site, [Zone(IN, "In", "内"), Zone(OUT, "Out", "外")], "test")
        service.put_schedule(session, system, site, Schedule(ScheduleId("always"), "", "", (Interval(),)), "test")
        guards = AccessLevel(LevelId("guards"), "", "", ScheduleId("always"), (IN,), overrides_lockdown=True)
        assert service.put_level(session, system, site, guards, "test") is None

    database.write(call)
    return site


def put(database: Database, system: System, site: SiteId, plan: ThreatPlan) -> ThreatRefusal | None:
    return database.write(lambda session: threats.put_plan(session, system, site, plan, "test"))


def in_force(database: Database, site: SiteId) -> list[str]:
    return [plan.id for plan in database.read(lambda session: policy.load_snapshot(session, site)).threats]


def test_a37_a_plan_is_begun_with_a_reason_and_published_and_ended(
    database: Database, system: System, planned: SiteId
) -> None:
    assert put(database, system, planned, PLAN) is None
    assert in_force(database, planned) == []

    def begin(deed: tuple[str, str], plan: str = PLAN.id) -> ThreatRefusal | None:
        return database.write(lambda session: threats.begin(session, system, planned, plan, deed))

    def end(deed: tuple[str, str]) -> ThreatRefusal | None:
        return database.write(lambda session: threats.end(session, system, planned, PLAN.id, deed))

    assert begin(("staff:guard", "")) is ThreatRefusal.REASON_MISSING
    assert begin(DEED, "flood") is ThreatRefusal.UNKNOWN_PLAN
    assert end(DEED) is ThreatRefusal.NOT_IN_FORCE
    assert begin(DEED) is None
    assert begin(DEED) is ThreatRefusal.IN_FORCE
    assert in_force(database, planned) == ["intruder"]
    assert end(DEED) is None
    assert in_force(database, planned) == []


def test_a37_a_plan_ends_by_itself(database: Database, system: System, planned: SiteId, clock: StillClock) -> None:
    put(database, system, planned, PLAN)
    database.write(lambda session: threats.begin(session, system, planned, PLAN.id, DEED))
    clock.forward(minutes=29)
    assert database.write(lambda session: threats.end_due(session, system, planned)) == []
    clock.forward(minutes=1)
    assert database.write(lambda session: threats.end_due(session, system, planned)) == ["intruder"]
    assert in_force(database, planned) == []
    (state,) = database.read(lambda session: threats.plans(session, planned))
    assert (state.plan, state.active_since) == (PLAN, None)


@pytest.mark.parametrize(
    ("plan", "refusal"),
    [
        (ThreatPlan("p", "", "", ()), ThreatRefusal.NO_ZONE),
        (ThreatPlan("p", "", "", (ZoneId("moon"),)), ThreatRefusal.UNKNOWN_ZONE),
        (ThreatPlan("p", "", "", (IN,), rank=101), ThreatRefusal.OUT_OF_RANGE),
        (ThreatPlan("p", "", "", (IN,), minutes=-1), ThreatRefusal.OUT_OF_RANGE),
        (ThreatPlan("p", "", "", (IN, OUT)), ThreatRefusal.LAST_ONE_OUT),
        (ThreatPlan("p", "", "", (IN, OUT), effect=ThreatEffect.NORMAL), None),
    ],
)
def test_a_plan_that_would_lock_out_everybody_or_nobody_is_refused(
    database: Database, system: System, planned: SiteId, plan: ThreatPlan, refusal: ThreatRefusal | None
) -> None:
    assert put(database, system, planned, plan) is refusal
