"""What is no longer used is retired, not deleted; what something needs stays; a box gains and loses places."""

from __future__ import annotations

from collections.abc import Callable

from cardcore.calendar import Interval
from cardcore.ids import LaneId, LevelId, ScheduleId, SiteId, StallId, TillId, ZoneId
from cardcore.journal import Purpose
from server.access import repository, service
from server.access.fields import FieldProblem, FieldRefusal
from server.access.service import AccessLevel, Lane, Schedule, Zone
from server.canteen import repository as canteen_rows
from server.canteen import service as canteen
from server.canteen.service import Stall, Till
from server.database import Database, WriteSession
from server.devices import repository as devices
from server.policy import service as policy
from server.setup.placing import place
from server.setup.retiring import Part, retire
from server.system import System

OUT, YARD = ZoneId("out"), ZoneId("yard")


def _build(session: WriteSession, system: System, site: SiteId) -> None:
    zones = [Zone(OUT, "Out", "外"), Zone(YARD, "Yard", "院")]
    always = Schedule(ScheduleId("always"), "Always", "全天", (Interval(),))
    level = AccessLevel(LevelId("all"), "All", "全部", always.id, (YARD,))
    lane = Lane(LaneId("g1"), "Gate", "门", "r1", OUT, YARD, free_hours="always")
    canteen.put_stalls(session, system, site, [Stall(StallId("main"), "Main", "主")], "test")
    problems = [
        service.put_zones(session, system, site, zones, "test"),
        service.put_schedule(session, system, site, always, "test"),
        service.put_level(session, system, site, level, "test"),
        service.put_lanes(session, system, site, [lane], "test"),
        canteen.put_tills(session, system, site, [Till(TillId("t1"), "T", "机", "r2", StallId("main"))], "test"),
    ]
    assert problems == [None] * 5


def _retire(database: Database, system: System, site: SiteId) -> Callable[[Part, str], FieldProblem | None]:
    def call(part: Part, identity: str) -> FieldProblem | None:
        return database.write(lambda session: retire(session, system, site, part, identity, "test"))

    return call


def test_a20_what_is_needed_stays_and_the_rest_is_retired_with_its_history(
    database: Database, system: System, site: SiteId
) -> None:
    database.write(lambda session: _build(session, system, site))
    gone = _retire(database, system, site)
    needed = [gone(Part.ZONE, "yard"), gone(Part.SCHEDULE, "always"), gone(Part.STALL, "main")]
    assert [(one.refusal, one.named) for one in needed if one is not None] == [
        (FieldRefusal.IN_USE, "lane:g1, level:all"), (FieldRefusal.IN_USE, "lane:g1, level:all"),
        (FieldRefusal.IN_USE, "till:t1"),
    ]  # fmt: skip
    order = [(Part.LANE, "g1"), (Part.LEVEL, "all"), (Part.SCHEDULE, "always"), (Part.ZONE, "yard")]
    order += [(Part.TILL, "t1"), (Part.STALL, "main")]
    assert [gone(*one) for one in order] == [None] * 6
    again = gone(Part.LANE, "g1")
    assert again is not None
    assert again.refusal is FieldRefusal.UNKNOWN
    assert database.read(lambda session: policy.verify(session, site)) == []
    snapshot = database.read(lambda session: policy.load_snapshot(session, site))
    assert (snapshot.lane("g1"), snapshot.till("t1"), snapshot.zone_of("yard")) == (None, None, None)
    kept = "select (select count(*) from lane), (select count(*) from till), count(*) from audit"
    kept += " where action like '%%_retired'"
    assert database.read(lambda session: session.exec_driver_sql(kept).one()) == (1, 1, 6)


def test_a_retired_name_comes_back_and_its_reader_was_free_meanwhile(
    database: Database, system: System, site: SiteId
) -> None:
    database.write(lambda session: _build(session, system, site))
    gone = _retire(database, system, site)
    assert gone(Part.LANE, "g1") is None
    other = Lane(LaneId("g2"), "Gate 2", "二门", "r1", OUT, YARD)
    assert database.write(lambda session: service.put_lanes(session, system, site, [other], "test")) is None
    back = Lane(LaneId("g1"), "Gate", "门", "r1", OUT, YARD)
    problem = database.write(lambda session: service.put_lanes(session, system, site, [back], "test"))
    assert problem is not None
    assert (problem.field, problem.refusal) == ("reader", FieldRefusal.TAKEN)
    back = Lane(LaneId("g1"), "Gate", "门", "r3", OUT, YARD)
    assert database.write(lambda session: service.put_lanes(session, system, site, [back], "test")) is None
    assert [row["id"] for row in database.read(lambda session: repository.lane_rows(session, site))] == ["g1", "g2"]


def test_a_box_of_the_right_kind_gets_a_place_and_loses_it(database: Database, system: System, site: SiteId) -> None:
    database.write(lambda session: _build(session, system, site))
    box, now = system.ids.uuid7(), system.clock.now()

    def enrol(session: WriteSession) -> None:
        keys = (bytes(range(32)), b"sealed")
        devices.insert_device(session, box, site, "gate", [Purpose.GATE], keys, now)  # type: ignore[arg-type]

    database.write(enrol)

    def put(part: Part, identity: str, *, to_box: bool = True) -> FieldProblem | None:
        device = box if to_box else None
        return database.write(lambda session: place(session, system, site, (part, identity), device, "test"))

    wrong = put(Part.TILL, "t1")
    assert wrong is not None
    assert (wrong.field, wrong.refusal) == ("device", FieldRefusal.UNKNOWN)
    assert put(Part.LANE, "no") is not None
    told = "select count(*) from outbox where topic = 'device'"
    for to_box, expected, messages in ((True, box, 1), (True, box, 1), (False, None, 2)):
        assert put(Part.LANE, "g1", to_box=to_box) is None
        (lane,) = database.read(lambda session: repository.lane_rows(session, site))
        assert lane["device_id"] == expected
        assert database.read(lambda session: session.exec_driver_sql(told).scalar_one()) == messages
    assert database.read(lambda session: canteen_rows.till_rows(session, site))[0]["device_id"] is None
