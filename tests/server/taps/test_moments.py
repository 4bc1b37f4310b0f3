"""What lanes remember, through the tap path: two people, interlocks and escorts, also over a restart of the server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from cardcore.access.items import LaneItem, LevelItem, ZoneItem
from cardcore.ids import LaneId, LevelId, ScheduleId, ZoneId
from cardcore.journal import OutcomeKind
from cardcore.reasons import Reason
from server.database import connect_app
from server.taps.repository import PostgresTaps
from server.taps.service import TapService
from tests.server.taps.small_site import Holder, Journal, SmallSite, card, make_site

OUTSIDE, COMPOUND = ZoneId("outside"), ZoneId("compound")


class Door:
    """The lane g01 of the small site, and t01's place as a second lane of the same box."""

    def __init__(self, small: SmallSite) -> None:
        self.small = small
        self.journal = Journal(small)
        self.restart()

    def restart(self) -> None:
        """Begin with a server process that remembers nothing of its own."""
        self.service = TapService(PostgresTaps(lambda: connect_app(self.small.url)), self.small.system)

    def tap(self, holder: Holder, lane: str = "g01") -> Reason | str:
        record = self.journal.gate(holder, lane)
        (receipt,) = self.service.process([self.journal.live(record)])
        assert receipt.decision is not None
        return receipt.decision.reason

    def end(self, kind: OutcomeKind) -> None:
        outcome = self.journal.outcome(len(self.journal.records), kind, 0)
        self.service.process([self.journal.upload([outcome])])

    def inside(self) -> set[object]:
        query = "select person_id from presence where site_id = %s and zone_id = 'compound'"
        return {row[0] for row in self.small.rows(query, self.small.site)}


@pytest.fixture
def door(postgres_url: str) -> Iterator[Door]:
    made = Door(make_site(postgres_url, holders=2))
    yield made
    made.service.close()


def test_a31_two_people_enter_together_and_a_restart_loses_nothing(door: Door) -> None:
    anna, boris = door.small.holders
    door.small.publish(ZoneItem(COMPOUND, pairs=True, pair_seconds=20))
    assert door.tap(anna) == Reason.SECOND_PERSON_NEEDED
    door.end(OutcomeKind.DECLINED)
    door.service.close()
    door.restart()
    door.small.clock.advance(seconds=5)
    assert door.tap(boris) == Reason.GRANTED
    door.end(OutcomeKind.PASSED)
    assert door.inside() == {anna.person, boris.person}
    assert door.tap(boris) == Reason.SECOND_PERSON_NEEDED
    door.small.clock.advance(seconds=21)
    assert door.tap(anna) == Reason.SECOND_PERSON_NEEDED


def test_a30_an_open_lane_locks_the_other_until_its_passage(door: Door) -> None:
    anna, boris = door.small.holders
    door.small.publish(
        LaneItem(LaneId("g01"), "g01", OUTSIDE, COMPOUND, interlock="trap"),
        LaneItem(LaneId("t08"), "t08", OUTSIDE, COMPOUND, interlock="trap"),
    )
    assert door.tap(anna) == Reason.GRANTED
    door.service.close()
    door.restart()
    granted = len(door.journal.records)
    assert door.tap(boris, "t08") == Reason.LANE_INTERLOCKED
    passed = door.journal.outcome(granted, OutcomeKind.PASSED, 0)
    door.service.process([door.journal.upload([passed])])
    assert door.tap(boris, "t08") == Reason.GRANTED
    door.end(OutcomeKind.NOT_USED)
    assert door.tap(anna) == Reason.GRANTED


def test_a35_a_visitor_follows_the_passage_of_a_host(door: Door) -> None:
    host, visitor = door.small.holders
    always = ScheduleId("always")
    door.small.publish(
        LevelItem(LevelId("all"), (COMPOUND,), always, escorts=True),
        LevelItem(LevelId("led"), (COMPOUND,), always, needs_escort=True),
        card(visitor, levels=(LevelId("led"),)),
    )
    assert door.tap(visitor) == Reason.ESCORT_NEEDED
    assert door.tap(host) == Reason.GRANTED
    assert door.tap(visitor) == Reason.ESCORT_NEEDED  # a grant leads nobody
    passed = door.journal.outcome(len(door.journal.records) - 1, OutcomeKind.PASSED, 0)
    door.service.process([door.journal.upload([passed])])
    assert door.tap(visitor) == Reason.GRANTED


def test_a35_a_visitor_follows_the_own_host_also_over_a_restart(door: Door) -> None:
    host, visitor = door.small.holders
    led = card(visitor, levels=(LevelId("all"),), escorted=(LevelId("all"),), hosts=(host.person,))
    door.small.publish(led)
    assert door.tap(visitor) == Reason.ESCORT_NEEDED
    assert door.tap(host) == Reason.GRANTED
    passed = door.journal.outcome(len(door.journal.records), OutcomeKind.PASSED, 0)
    door.service.process([door.journal.upload([passed])])
    door.service.close()
    door.restart()
    assert door.tap(visitor) == Reason.GRANTED
    door.end(OutcomeKind.PASSED)
    door.small.publish(replace(led, hosts=(visitor.person,)))
    assert door.tap(visitor) == Reason.ESCORT_NEEDED  # nobody is one's own escort without going through as such
