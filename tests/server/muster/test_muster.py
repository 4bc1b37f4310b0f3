"""Roll-calls: who was inside, who reported or left since, who is missing (A64)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cardcore.access.items import CardState
from cardcore.ids import PersonId, ZoneId
from cardcore.journal import DeviceEvent
from server.database import Database
from server.muster import service
from server.muster.service import CallId, MusterRefusal, RollCall
from server.points import service as points
from server.points.service import Purpose
from tests.server.points.yard import COMPOUND, IN, MEETING, OUT, Yard, open_yard
from tests.server.taps.small_site import card

_R = MusterRefusal
DEED = ("staff:guard", "smoke in building 2")


@pytest.fixture
def yard(postgres_url: str, database: Database) -> Iterator[Yard]:
    made = open_yard(postgres_url, database)
    made.write(lambda session, system, site: points.mark(session, system, site, Purpose.ASSEMBLY, [MEETING], "test"))
    for holder in made.holders[:3]:
        made.walk(holder, IN)
    made.small.clock.advance(minutes=1)
    yield made
    made.service.close()


def call(yard: Yard, *zones: ZoneId, deed: tuple[str, str] = DEED) -> CallId | MusterRefusal:
    return yard.write(lambda session, system, site: service.call(session, system, site, zones, deed))


def roll(yard: Yard) -> RollCall:
    yard.gather()
    yard.write(service.look)
    found = yard.database.read(lambda session: service.running(session, yard.small.site))
    assert found is not None
    return found


def lists(found: RollCall) -> tuple[list[str], dict[str, str]]:
    return [row["name"] for row in found.missing], {row["name"]: row["how"] for row in found.safe}


def test_a64_the_roll_lists_who_is_inside_and_marks_who_taps_leaves_or_is_found(yard: Yard) -> None:
    anna, boris, cleo, _ = yard.holders
    call(yard, COMPOUND)
    assert lists(roll(yard)) == (["Holder 0", "Holder 1", "Holder 2"], {})
    yard.small.clock.advance(minutes=1)
    yard.tap(anna, MEETING)
    yard.walk(boris, OUT)
    assert lists(roll(yard)) == (["Holder 2"], {"Holder 0": "tap", "Holder 1": "left"})

    def find(person: PersonId) -> MusterRefusal | None:
        return yard.write(lambda session, system, site: service.mark_safe(session, system, site, person, "staff:guard"))

    assert find(cleo.person) is None
    assert find(cleo.person) is _R.NOT_MISSING
    assert lists(roll(yard))[0] == []


def test_a64_lost_and_expired_cards_report_too(yard: Yard) -> None:
    anna, boris = yard.holders[:2]
    call(yard, COMPOUND)
    yard.small.publish(card(anna, state=CardState.LOST), card(boris, valid_until_ms=1))
    for holder in (anna, boris):
        yard.tap(holder, MEETING)
    assert lists(roll(yard))[0] == ["Holder 2"]


def test_who_reports_without_being_listed_is_safe_and_who_comes_in_later_is_listed(yard: Yard) -> None:
    call(yard, COMPOUND)
    dora = yard.holders[3]
    yard.tap(dora, MEETING)
    assert lists(roll(yard)) == (["Holder 0", "Holder 1", "Holder 2"], {"Holder 3": "tap"})
    assert roll(yard).safe[0]["zone_id"] == ""


def test_a_tap_of_before_the_roll_was_called_does_not_count(yard: Yard) -> None:
    yard.tap(yard.holders[0], MEETING)
    yard.small.clock.advance(seconds=1)
    call(yard, COMPOUND)
    assert len(roll(yard).missing) == 3


def test_heads_that_nobody_can_name_are_told(yard: Yard) -> None:
    yard.upload(yard.journal.add(DeviceEvent("forced_passage", IN, "", yard.journal.stamp(), alarm=True)))
    call(yard, COMPOUND)
    assert roll(yard).unknown == 1


def test_one_roll_at_a_time_with_a_zone_and_a_reason(yard: Yard) -> None:
    assert call(yard) is _R.ZONE_MISSING
    assert call(yard, ZoneId("moon")) is _R.ZONE_UNKNOWN
    assert call(yard, COMPOUND, deed=("x", " ")) is _R.REASON_MISSING
    assert not isinstance(call(yard, COMPOUND), MusterRefusal)
    assert call(yard, COMPOUND) is _R.RUNS_ALREADY


def test_a_roll_that_ended_stays_as_it_was(yard: Yard) -> None:
    made = call(yard, COMPOUND)
    assert not isinstance(made, MusterRefusal)
    yard.small.clock.advance(minutes=1)
    yard.tap(yard.holders[0], MEETING)
    yard.gather()

    def end() -> MusterRefusal | None:
        return yard.write(lambda session, system, site: service.end(session, system, site, ("x", "all clear")))

    assert end() is None
    assert end() is _R.NOT_RUNNING
    yard.tap(yard.holders[1], MEETING)
    yard.gather()
    assert yard.write(service.look) == 0
    found = yard.database.read(lambda session: service.get(session, yard.small.site, made))
    assert found is not None
    assert lists(found) == (["Holder 1", "Holder 2"], {"Holder 0": "tap"})
    (row,) = yard.database.read(lambda session: service.calls(session, yard.small.site))
    assert (row["listed"], row["missing"]) == (3, 2)
