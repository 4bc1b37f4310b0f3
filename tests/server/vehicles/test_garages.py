"""Free spaces: counted from passages at the entrances, each once, whatever restarts (S11, A47)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date

import pytest

from cardcore.ids import LaneId, ZoneId
from cardcore.journal import DeviceEvent, OutcomeKind, Record
from server.access import service as access
from server.database import Database, WriteSession, connect_app
from server.taps.repository import PostgresTaps
from server.taps.service import TapService
from server.vehicles import garages
from server.vehicles.models import FIELDS, Garage, GarageId, LaneSide, Spaces, VehicleRefusal
from tests.server.taps.small_site import Journal, SmallSite, make_site

_R = VehicleRefusal
IN, OUT = LaneId("g01"), LaneId("g02")
NORTH = GarageId("north")
GARAGE = Garage(NORTH, "North garage", "北车库", 3, ((IN, LaneSide.IN), (OUT, LaneSide.OUT)))
DEED = ("staff:guard", "went through with a torch")


class Drive:
    """The small site with a garage behind its lanes."""

    def __init__(self, small: SmallSite, database: Database) -> None:
        self.small, self.database = small, database
        small.device = replace(small.device, places=frozenset({IN, OUT}))
        self.journal = Journal(small)
        self.service = TapService(PostgresTaps(lambda: connect_app(small.url)), small.system)
        outside, inside = ZoneId("outside"), ZoneId("compound")
        lanes = [access.Lane(IN, "In", "进", IN, outside, inside), access.Lane(OUT, "Out", "出", OUT, inside, outside)]

        def places(session: WriteSession) -> None:
            zones = [access.Zone(outside, "Outside", "外"), access.Zone(inside, "Compound", "院")]
            access.put_zones(session, small.system, small.site, zones, "test")
            assert access.put_lanes(session, small.system, small.site, lanes, "test") is None

        database.write(places)

    def put(self, garage: Garage = GARAGE) -> VehicleRefusal | None:
        return self.database.write(
            lambda session: garages.put_garage(session, self.small.system, self.small.site, garage, "test")
        )

    def upload(self, *records: Record) -> None:
        self.service.process([self.journal.upload(records)])

    def passes(self, lane: LaneId, kind: OutcomeKind = OutcomeKind.PASSED) -> None:
        tap = self.journal.gate(self.small.holders[0], lane)
        self.upload(tap, self.journal.outcome(tap.seq, kind, 0))

    def event(self, name: str, lane: LaneId = IN) -> None:
        self.upload(self.journal.add(DeviceEvent(name, lane, "", self.journal.stamp(), alarm=True)))

    def look(self) -> list[GarageId]:
        return self.database.write(lambda session: garages.look(session, self.small.system, self.small.site))

    def spaces(self) -> Spaces:
        (found,) = self.database.read(lambda session: garages.spaces(session, self.small.site))
        return found

    def recount(self, occupied: int, deed: tuple[str, str] = DEED) -> VehicleRefusal | None:
        return self.database.write(
            lambda session: garages.recount(session, self.small.system, self.small.site, NORTH, occupied, deed)
        )


@pytest.fixture
def drive(postgres_url: str, database: Database) -> Iterator[Drive]:
    made = Drive(make_site(postgres_url, holders=1), database)
    yield made
    made.service.close()


@pytest.mark.parametrize(
    ("garage", "refusal", "field"),
    [
        (replace(GARAGE, id=GarageId("North Side")), _R.GARAGE_ID_WRONG, "id"),
        (replace(GARAGE, name_zh=" "), _R.NAME_MISSING, "name"),
        (replace(GARAGE, capacity=0), _R.CAPACITY_OUT_OF_RANGE, "capacity"),
        (replace(GARAGE, lanes=((LaneId("moon"), LaneSide.IN),)), _R.LANE_UNKNOWN, "lanes"),
        (replace(GARAGE, lanes=((IN, LaneSide.IN), (IN, LaneSide.OUT))), _R.LANE_TWICE, "lanes"),
        (replace(GARAGE, lanes=((IN, LaneSide.IN),)), _R.NO_WAY_OUT, "lanes"),
        (replace(GARAGE, lanes=((OUT, LaneSide.OUT),)), _R.NO_WAY_IN, "lanes"),
    ],
)
def test_a_garage_that_cannot_count_is_refused_with_its_field(
    drive: Drive, garage: Garage, refusal: VehicleRefusal, field: str
) -> None:
    assert drive.put(garage) is refusal
    assert FIELDS[refusal] == field


def test_a_lane_counts_for_one_garage(drive: Drive) -> None:
    assert drive.put() is None
    assert drive.put(replace(GARAGE, id=GarageId("south"))) is _R.LANE_OF_ANOTHER
    assert drive.put(replace(GARAGE, capacity=9)) is None
    assert drive.spaces().capacity == 9


def test_s11_a47_passages_fill_and_empty_a_garage(drive: Drive) -> None:
    drive.passes(IN)  # before there was a garage
    assert drive.put() is None
    drive.passes(IN)
    drive.passes(IN)
    drive.passes(IN, OutcomeKind.NOT_USED)
    drive.passes(OUT)
    assert drive.look() == [NORTH]
    assert (drive.spaces().occupied, drive.spaces().free) == (1, 2)
    assert drive.look() == []


def test_s11_vehicles_that_nobody_knows_count_too(drive: Drive) -> None:
    drive.put()
    for event in ("forced_passage", "free_passage", "operator_opening_passed", "fire"):
        drive.event(event)
    drive.event("free_passage", OUT)
    drive.look()
    assert drive.spaces().occupied == 2


def test_s11_free_spaces_are_right_after_a_restart_and_a_backlog(drive: Drive, postgres_url: str) -> None:
    drive.put()
    drive.passes(IN)
    drive.look()
    for _ in range(2):
        drive.passes(IN)
    again = Drive.__new__(Drive)  # a process that remembers nothing
    again.small, again.database = drive.small, Database(postgres_url)
    assert again.look() == [NORTH]
    assert drive.spaces().occupied == 3
    assert drive.look() == []
    again.database.close()


def test_a_journal_with_a_gap_counts_up_to_the_gap_and_the_rest_later(drive: Drive) -> None:
    drive.put()
    first = drive.journal.gate(drive.small.holders[0], IN)
    passed = drive.journal.outcome(first.seq, OutcomeKind.PASSED, 0)
    drive.upload(passed)  # came before its intent: kept aside, and asked for again
    assert drive.look() == []
    drive.upload(first, passed)
    second = drive.journal.gate(drive.small.holders[0], IN)
    third = drive.journal.gate(drive.small.holders[0], IN)
    drive.upload(third, drive.journal.outcome(third.seq, OutcomeKind.PASSED, 0))
    drive.look()
    before = drive.spaces().occupied
    drive.upload(second)
    drive.look()
    assert drive.spaces().occupied == before + 1


def test_s11_a_recount_with_a_reason_puts_it_right(drive: Drive) -> None:
    drive.put()
    drive.passes(IN)
    assert drive.recount(0, ("x", " ")) is _R.REASON_MISSING
    assert drive.recount(-1) is _R.COUNT_OUT_OF_RANGE
    assert drive.recount(5) is None
    assert (drive.spaces().occupied, drive.spaces().free) == (5, 0)
    drive.passes(OUT)
    drive.look()
    assert drive.spaces().occupied == 4
    rows = drive.small.rows("select reason, before ->> 'occupied' from audit where action = 'garage_recounted'")
    assert rows == [(DEED[1], "1")]


def test_more_out_than_in_never_shows_more_spaces_than_there_are(drive: Drive) -> None:
    drive.put()
    for _ in range(2):
        drive.passes(OUT)
    drive.look()
    drive.passes(IN)
    drive.look()
    assert (drive.spaces().occupied, drive.spaces().free) == (1, 2)


def test_s11_counts_by_entrance_and_day(drive: Drive) -> None:
    drive.put()
    drive.passes(IN)
    drive.look()
    drive.passes(IN)
    drive.passes(OUT)
    drive.look()
    drive.small.clock.advance(hours=16)  # 4 o'clock in the morning: the next business day
    drive.passes(IN)
    drive.look()

    def flow(when: date) -> list[tuple[str, str, int]]:
        rows = drive.database.read(lambda session: garages.flow(session, drive.small.site, when))
        return [(row["lane_id"], row["side"], row["passages"]) for row in rows]

    assert flow(date(2026, 3, 4)) == [("g01", "in", 2), ("g02", "out", 1)]
    assert flow(date(2026, 3, 5)) == [("g01", "in", 1)]
