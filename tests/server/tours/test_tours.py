"""Tours as the site keeps them: rounds begun by the clock and by hand, missed checkpoints found once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from cardcore.ids import LaneId, PersonId
from server.alarms import service as alarms
from server.database import Database
from server.tours import service
from server.tours.progress import Checkpoint
from server.tours.service import FIELDS, Missed, Round, RoundId, Tour, TourRefusal
from tests.server.points.yard import FIRST, SECOND, Yard, open_yard

_R = TourRefusal


@pytest.fixture
def yard(postgres_url: str, database: Database) -> Iterator[Yard]:
    made = open_yard(postgres_url, database)
    yield made
    made.service.close()


def tour(yard: Yard, **more: object) -> Tour:
    typed: dict[str, Any] = {
        "id": "night", "name_en": "Night round", "name_zh": "夜间巡更",
        "stops": (Checkpoint(FIRST, 0), Checkpoint(SECOND, 20)), "guards": (yard.holders[0].person,),
    }  # fmt: skip
    return Tour(**(typed | more))


def put(yard: Yard, new: Tour) -> TourRefusal | None:
    return yard.write(lambda session, system, site: service.put_tour(session, system, site, new, "x"))


def begin(yard: Yard) -> RoundId | TourRefusal:
    return yard.write(lambda session, system, site: service.begin(session, system, site, "night", "staff:guard"))


def look(yard: Yard) -> list[Missed]:
    yard.gather()
    return yard.write(service.look)


def rounds(yard: Yard) -> list[Round]:
    since = yard.small.clock.now() - timedelta(days=2)
    return yard.database.read(lambda session: service.rounds(session, yard.small.system, yard.small.site, since))


@pytest.mark.parametrize(
    ("typed", "refusal", "field"),
    [
        ({"id": "night round"}, _R.ID_WRONG, "id"),
        ({"name_zh": ""}, _R.NAME_MISSING, "name"),
        ({"stops": ()}, _R.STOPS_OUT_OF_RANGE, "stops"),
        ({"stops": (Checkpoint(LaneId("moon"), 0),)}, _R.LANE_UNKNOWN, "stops"),
        ({"stops": (Checkpoint(FIRST, 20), Checkpoint(SECOND, 10))}, _R.NOT_IN_ORDER, "stops"),
        ({"stops": (Checkpoint(FIRST, 721),)}, _R.NOT_IN_ORDER, "stops"),
        ({"guards": ()}, _R.GUARDS_OUT_OF_RANGE, "guards"),
        ({"guards": (PersonId(UUID(int=5)),)}, _R.GUARD_UNKNOWN, "guards"),
        ({"tolerance_minutes": 0}, _R.TOLERANCE_OUT_OF_RANGE, "tolerance"),
        ({"starts": (86_400,)}, _R.START_WRONG, "starts"),
    ],
)
def test_s10_a_tour_that_cannot_be_walked_is_refused_with_its_field(
    yard: Yard, typed: dict[str, Any], refusal: TourRefusal, field: str
) -> None:
    assert put(yard, tour(yard, **typed)) is refusal
    assert FIELDS[refusal] == field


def test_a41_a_round_is_walked_and_ends_by_itself(yard: Yard) -> None:
    assert put(yard, tour(yard)) is None
    assert not isinstance(begin(yard), TourRefusal)
    assert begin(yard) is _R.RUNS_ALREADY
    yard.small.clock.advance(minutes=1)
    yard.tap(yard.holders[1], FIRST)  # not the guard
    yard.small.clock.advance(minutes=1)
    assert look(yard) == []
    assert [stop.state for stop in rounds(yard)[0].progress.stops] == ["waiting", "waiting"]
    yard.tap(yard.holders[0], FIRST)
    yard.small.clock.advance(minutes=18)
    yard.tap(yard.holders[0], SECOND)
    yard.small.clock.advance(seconds=1)
    assert look(yard) == []
    (found,) = rounds(yard)
    assert found.state == "done"
    assert [stop.state for stop in found.progress.stops] == ["visited", "visited"]


def test_s10_a_missed_checkpoint_is_found_once_and_the_round_is_incomplete(yard: Yard) -> None:
    put(yard, tour(yard))
    begin(yard)
    yard.small.clock.advance(minutes=11)
    (missed,) = look(yard)
    assert (missed.tour, missed.lane, missed.position) == ("night", FIRST, 1)
    (alarm,) = yard.database.read(lambda session: alarms.open_alarms(session, yard.small.site))
    assert (alarm.kind, alarm.place, alarm.detail) == ("checkpoint_missed", FIRST, "night 1")
    assert look(yard) == []
    yard.small.clock.advance(minutes=20)
    assert [one.position for one in look(yard)] == [2]
    assert rounds(yard)[0].state == "incomplete"


def test_s10_a_round_begins_by_the_clock_once(yard: Yard) -> None:
    put(yard, tour(yard, starts=(12 * 3600,)))  # the small site's noon
    look(yard)
    look(yard)
    (found,) = rounds(yard)
    assert found.starts_at == yard.small.clock.now()
    yard.small.clock.advance(days=1, minutes=11)
    look(yard)
    assert len(rounds(yard)) == 1  # nobody looked in time: it is not begun late


def test_a_tour_that_rests_begins_nothing(yard: Yard) -> None:
    put(yard, tour(yard, starts=(12 * 3600,), is_active=False))
    look(yard)
    assert rounds(yard) == []
    assert begin(yard) is _R.UNKNOWN


def test_a_round_keeps_the_plan_it_began_with(yard: Yard) -> None:
    put(yard, tour(yard))
    begin(yard)
    put(yard, replace(tour(yard), stops=(Checkpoint(SECOND, 0),)))
    assert [stop.lane for stop in rounds(yard)[0].progress.stops] == [FIRST, SECOND]


def test_a_round_is_called_off_with_a_reason(yard: Yard) -> None:
    put(yard, tour(yard))
    found = begin(yard)
    assert not isinstance(found, TourRefusal)

    def cancel(reason: str) -> TourRefusal | None:
        return yard.write(lambda session, system, site: service.cancel(session, system, site, found, ("x", reason)))

    assert cancel(" ") is _R.REASON_MISSING
    assert cancel("fire drill") is None
    assert cancel("again") is _R.WRONG_STATE
    yard.small.clock.advance(hours=1)
    assert look(yard) == []
