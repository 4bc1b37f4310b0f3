"""Taps at marked points: gathered once each, whatever was decided, from when the point was marked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cardcore.access.items import CardState
from cardcore.ids import LaneId
from server.database import Database
from server.points import repository, service
from server.points.service import PointRefusal, Purpose
from tests.server.points.yard import FIRST, MEETING, Yard, open_yard
from tests.server.taps.small_site import card


@pytest.fixture
def yard(postgres_url: str, database: Database) -> Iterator[Yard]:
    made = open_yard(postgres_url, database)
    yield made
    made.service.close()


def mark(yard: Yard, *lanes: LaneId) -> PointRefusal | None:
    return yard.write(lambda session, system, site: service.mark(session, system, site, Purpose.ASSEMBLY, lanes, "x"))


def count(yard: Yard) -> int:
    return int(yard.small.rows("select count(*) from point_tap")[0][0])


def test_a_point_is_a_lane_of_the_site(yard: Yard) -> None:
    assert mark(yard, LaneId("moon")) is PointRefusal.LANE_UNKNOWN
    assert mark(yard, MEETING) is None
    names = yard.database.read(lambda session: service.points(session, yard.small.site, Purpose.ASSEMBLY))
    assert [row["lane_id"] for row in names] == [MEETING]


def test_a_tap_is_gathered_once_and_only_since_the_point_was_marked(yard: Yard) -> None:
    anna = yard.holders[0]
    yard.tap(anna, MEETING)
    mark(yard, MEETING)
    assert yard.gather() == 0
    yard.tap(anna, MEETING)
    yard.tap(anna, FIRST)
    assert (yard.gather(), yard.gather(), count(yard)) == (1, 0, 1)


def test_a_lost_card_counts_at_an_assembly_point(yard: Yard) -> None:
    mark(yard, MEETING)
    anna = yard.holders[0]
    yard.small.publish(card(anna, state=CardState.LOST))
    yard.tap(anna, MEETING)
    assert yard.gather() == 1
    rows = yard.small.rows("select granted, reason from record where kind = 'intent'")
    assert rows == [(False, "card_lost")]


def test_old_taps_are_forgotten(yard: Yard) -> None:
    mark(yard, MEETING)
    yard.tap(yard.holders[0], MEETING)
    yard.gather()
    assert yard.write(service.forget_old) == 0
    yard.small.clock.advance(days=91)
    assert yard.write(service.forget_old) == 1
    rows = yard.database.read(
        lambda session: repository.taps(
            session, yard.small.site, [MEETING], yard.small.clock.at.replace(year=2020), yard.small.clock.at
        )
    )
    assert rows == []
