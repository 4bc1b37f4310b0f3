"""Where people are, moved by passages through the tap path, and what lanes make of it."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from cardcore.access.items import LaneItem, Passback, ZoneItem
from cardcore.ids import LaneId, ZoneId
from cardcore.journal import DeviceEvent, OutcomeKind, Record
from cardcore.reasons import Reason
from server.database import Database, connect_app
from server.presence import service as presence
from server.taps.repository import PostgresTaps
from server.taps.service import TapService
from tests.server.taps.small_site import Holder, Journal, SmallSite, make_site

COMPOUND, OUTSIDE = ZoneId("compound"), ZoneId("outside")
FOREIGN_LANE = LaneItem(LaneId("g77"), "g77", OUTSIDE, COMPOUND)
OUT_LANE = LaneItem(LaneId("g02"), "g02", COMPOUND, OUTSIDE)


class Gate:
    """A lane of the small site with a journal behind it."""

    def __init__(self, small: SmallSite) -> None:
        self.small = small
        self.journal = Journal(small)
        self.service = TapService(PostgresTaps(lambda: connect_app(small.url)), small.system)

    def tap(self, holder: Holder) -> Reason | str:
        record = self.journal.gate(holder)
        (receipt,) = self.service.process([self.journal.live(record)])
        assert receipt.decision is not None
        return receipt.decision.reason

    def upload(self, *records: Record) -> None:
        self.service.process([self.journal.upload(records)])

    def end(self, kind: OutcomeKind = OutcomeKind.PASSED) -> None:
        """Say what became of the tap before."""
        self.upload(self.journal.outcome(len(self.journal.records), kind, 0))

    def enter(self, holder: Holder) -> Reason | str:
        reason = self.tap(holder)
        self.end()
        self.small.clock.advance(seconds=1)
        return reason

    def where(self) -> list[tuple[object, ...]]:
        query = "select person_id, zone_id from presence where site_id = %s order by at, person_id"
        return self.small.rows(query, self.small.site)


@pytest.fixture
def gate(postgres_url: str) -> Iterator[Gate]:
    made = Gate(make_site(postgres_url, holders=4))
    yield made
    made.service.close()


def rule(gate: Gate, **rules: object) -> None:
    gate.small.publish(ZoneItem(COMPOUND, **rules))  # type: ignore[arg-type]


def test_a28_only_a_passage_moves_a_person(gate: Gate) -> None:
    anna = gate.small.holders[0]
    rule(gate, passback=Passback.HARD)
    assert gate.tap(anna) == Reason.GRANTED
    gate.end(OutcomeKind.NOT_USED)
    assert gate.where() == []
    assert gate.enter(anna) == Reason.GRANTED
    assert gate.where() == [(anna.person, COMPOUND)]
    assert gate.tap(anna) == Reason.INSIDE_ALREADY


def test_a24_the_batch_that_carries_the_passage_knows_it_already(gate: Gate) -> None:
    anna = gate.small.holders[0]
    rule(gate, passback=Passback.HARD)
    journal = gate.journal
    first = journal.gate(anna)
    passed = journal.outcome(first.seq, OutcomeKind.PASSED, 0)
    again = journal.gate(anna)
    receipts = gate.service.process([journal.live(first), journal.upload([passed]), journal.live(again)])
    assert [receipt.decision.reason for receipt in receipts if receipt.decision] == [
        Reason.GRANTED, Reason.INSIDE_ALREADY,
    ]  # fmt: skip


def test_a29_a_zone_counts_who_is_inside_unknown_heads_too(gate: Gate) -> None:
    anna, boris, cleo, dora = gate.small.holders
    rule(gate, occupancy_limit=2, occupancy_hard=True)
    assert [gate.enter(holder) for holder in (anna, boris)] == [Reason.GRANTED] * 2
    assert gate.tap(cleo) == Reason.ZONE_FULL
    rule(gate, occupancy_limit=3, occupancy_hard=True)
    gate.upload(gate.journal.add(DeviceEvent("forced_passage", "g01", "", gate.journal.stamp(), alarm=True)))
    assert gate.tap(dora) == Reason.ZONE_FULL
    assert gate.tap(anna) == Reason.GRANTED


def test_a_fire_makes_hard_anti_passback_soft_until_somebody_clears_the_zone(gate: Gate) -> None:
    anna = gate.small.holders[0]
    rule(gate, passback=Passback.HARD)
    gate.enter(anna)
    gate.upload(gate.journal.add(DeviceEvent("fire", "g01", "", gate.journal.stamp(), alarm=True)))
    assert gate.tap(anna) == Reason.GRANTED_AGAIN


def test_a28_a_box_moves_nobody_through_a_lane_that_is_not_its_own(gate: Gate) -> None:
    anna = gate.small.holders[0]
    gate.small.publish(FOREIGN_LANE, ZoneItem(COMPOUND, occupancy_limit=2))
    tap = gate.journal.gate(anna, "g77")
    forced = DeviceEvent("forced_passage", "g77", "", gate.journal.stamp(), alarm=True)
    fire = DeviceEvent("fire", "g77", "", gate.journal.stamp(), alarm=True)
    gate.upload(tap, gate.journal.outcome(tap.seq, OutcomeKind.PASSED, 0), gate.journal.add(forced))
    gate.upload(gate.journal.add(fire))
    assert gate.where() == []
    assert gate.small.rows("select * from zone_state where site_id = %s", gate.small.site) == []
    assert gate.small.rows("select count(*) from record where site_id = %s", gate.small.site) == [(4,)]


def test_a53_a_late_passage_moves_nobody_back(gate: Gate) -> None:
    anna = gate.small.holders[0]
    gate.small.publish(OUT_LANE)
    gate.small.clock.advance(hours=1)
    gate.enter(anna)
    gate.small.clock.advance(minutes=-30)
    late = gate.journal.gate(anna, "g02")
    gone = gate.journal.outcome(late.seq, OutcomeKind.PASSED, 0)
    gate.small.clock.advance(hours=2)
    gate.upload(late, gone)
    assert gate.where() == [(anna.person, COMPOUND)]


def test_where_people_are_survives_a_restart_of_the_server(gate: Gate) -> None:
    anna = gate.small.holders[0]
    rule(gate, passback=Passback.HARD)
    gate.enter(anna)
    gate.service.close()
    gate.service = TapService(PostgresTaps(lambda: connect_app(gate.small.url)), gate.small.system)
    assert gate.tap(anna) == Reason.INSIDE_ALREADY


def test_a27_who_entered_twice_because_a_lane_was_alone_is_listed(gate: Gate) -> None:
    anna, boris = gate.small.holders[:2]
    rule(gate, passback=Passback.HARD)
    for holder in (anna, boris):
        gate.enter(holder)
    with psycopg.connect(gate.small.url) as connection:
        site = gate.small.site
        for zone in (OUTSIDE, COMPOUND):
            connection.execute(
                "insert into zone (site_id, id, name_en, name_zh, passback) values (%s, %s, '', '', 'hard')"
                " on conflict (site_id, id) do update set passback = 'hard'", (site, zone),
            )  # fmt: skip
        connection.execute(
            "insert into lane (site_id, id, name_en, name_zh, reader, from_zone, to_zone)"
            " values (%s, 'g01', '', '', 'g01', 'outside', 'compound') on conflict do nothing", (site,),
        )  # fmt: skip
    gate.small.clock.advance(hours=1)
    tap = gate.journal.gate(anna)
    gate.upload(tap, gate.journal.outcome(tap.seq, OutcomeKind.PASSED, 0, offline=True))
    database = Database(gate.small.url)
    (found,) = database.read(lambda session: presence.conflicts(session, gate.small.system, gate.small.site))
    database.close()
    assert (found.person, found.zone, found.before[0], found.after[0]) == (anna.person, COMPOUND, "g01", "g01")
    assert (found.before[2], found.after[2]) == (False, True)
