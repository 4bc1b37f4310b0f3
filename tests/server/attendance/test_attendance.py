"""Attendance from real passages and clocks, kept when the day is over, exported (A65)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from cardcore.ids import LaneId, ZoneId
from cardcore.journal import OutcomeKind
from server.attendance import service
from server.attendance.judging import Shift
from server.attendance.service import FIELDS, AttendanceRefusal, HolderKind, Line, Wanted
from server.database import Database, ReadSession
from server.exports.csv_file import csv_bytes
from server.points import service as points
from server.points.service import Purpose
from tests.server.points.yard import COMPOUND, FIRST, IN, OUT, Yard, open_yard

_R = AttendanceRefusal
OFFICE = Shift("office", "Office", "行政班", 9 * 3600, 17 * 3600)
DAY = date(2026, 3, 4)
"""The small site's Wednesday; its clock begins at 12:00."""


@pytest.fixture
def yard(postgres_url: str, database: Database) -> Iterator[Yard]:
    made = open_yard(postgres_url, database)
    made.small.clock.advance(hours=-4)  # 8:00
    assert made.write(lambda session, system, site: service.set_zones(session, system, site, [COMPOUND], "x")) is None
    assert put(made, OFFICE) is None
    assert give(made, HolderKind.CATEGORY, "staff", "office") is None
    yield made
    made.service.close()


def put(yard: Yard, shift: Shift) -> AttendanceRefusal | None:
    return yard.write(lambda session, system, site: service.put_shift(session, system, site, shift, "x"))


def give(yard: Yard, kind: HolderKind, key: str, shift: str) -> AttendanceRefusal | None:
    return yard.write(lambda session, system, site: service.give_shift(session, system, site, (kind, key), shift, "x"))


def report(yard: Yard, **more: object) -> list[Line]:
    wanted = Wanted(**({"since": DAY, "until": DAY} | more))  # type: ignore[arg-type]
    found = yard.database.read(lambda session: service.report(session, yard.small.system, yard.small.site, wanted))
    assert not isinstance(found, AttendanceRefusal)
    return found


def states(lines: list[Line]) -> dict[str, str]:
    return {line.name: line.judged.state for line in lines}


def a_day(yard: Yard) -> None:
    """Holder 0 works, 1 comes late, 2 only asks at the lane, 3 stays away."""
    anna, boris, cleo, _ = yard.holders
    yard.walk(anna, IN)
    yard.small.clock.advance(hours=2)  # 10:00
    yard.walk(boris, IN)
    tap = yard.tap(cleo, IN)
    yard.upload(yard.journal.outcome(tap.seq, OutcomeKind.NOT_USED, 0))
    yard.small.clock.advance(hours=8)  # 18:00
    for holder in (anna, boris):
        yard.walk(holder, OUT)
    yard.small.clock.advance(minutes=1)


def test_a65_first_in_and_last_out_against_a_shift(yard: Yard) -> None:
    a_day(yard)
    assert states(report(yard)) == {
        "Holder 0": "present", "Holder 1": "late", "Holder 2": "absent", "Holder 3": "absent",
    }  # fmt: skip
    late = next(line for line in report(yard) if line.name == "Holder 1")
    assert (late.judged.late_minutes, late.judged.worked_minutes) == (60, 480)


def test_a65_going_out_for_lunch_changes_neither_end_of_the_day(yard: Yard) -> None:
    anna = yard.holders[0]
    for lane in (IN, OUT, IN, OUT):
        yard.walk(anna, lane)
        yard.small.clock.advance(hours=3)
    line = next(line for line in report(yard) if line.name == "Holder 0")
    assert (line.judged.state, line.judged.worked_minutes) == ("present", 540)


def test_a65_s09_a_clock_counts_both_ways(yard: Yard) -> None:
    yard.write(lambda session, system, site: points.mark(session, system, site, Purpose.CLOCK, [FIRST], "x"))
    anna = yard.holders[0]
    yard.tap(anna, FIRST)
    yard.small.clock.advance(hours=8)
    yard.tap(anna, FIRST)
    yard.gather()
    yard.small.clock.advance(hours=2)
    line = next(line for line in report(yard) if line.name == "Holder 0")
    assert (line.judged.state, line.judged.early_minutes, line.judged.worked_minutes) == ("early", 60, 480)


def test_a65_a_day_that_ended_is_kept_and_outlives_the_movements(yard: Yard) -> None:
    a_day(yard)
    before = states(report(yard))
    yard.small.clock.advance(days=1)
    assert yard.write(service.keep_days) == 3
    yard.small.clock.advance(days=2)
    assert states(report(yard)) == before
    assert yard.write(service.keep_days) == 3  # made anew, nothing lost
    assert states(report(yard)) == before


def test_the_narrower_shift_holds_and_filters_hold(yard: Yard) -> None:
    a_day(yard)
    boris = yard.holders[1]
    assert put(yard, replace(OFFICE, id="late", start_seconds=10 * 3600)) is None
    assert give(yard, HolderKind.PERSON, str(boris.person), "late") is None
    assert states(report(yard, person=boris.person)) == {"Holder 1": "present"}
    assert set(states(report(yard, states=("absent",)))) == {"Holder 2", "Holder 3"}
    assert give(yard, HolderKind.PERSON, str(boris.person), "") is None
    assert states(report(yard, person=boris.person)) == {"Holder 1": "late"}


@pytest.mark.parametrize(
    ("changed", "refusal", "field"),
    [
        ({"id": ""}, _R.ID_WRONG, "id"),
        ({"name_en": ""}, _R.NAME_MISSING, "name"),
        ({"start_seconds": 86_400}, _R.TIME_WRONG, "start"),
        ({"weekdays": 0}, _R.WEEKDAYS_WRONG, "weekdays"),
        ({"late_minutes": 241}, _R.MINUTES_OUT_OF_RANGE, "late_minutes"),
    ],
)
def test_a_shift_that_cannot_be_is_refused_with_its_field(
    yard: Yard, changed: dict[str, Any], refusal: AttendanceRefusal, field: str
) -> None:
    assert put(yard, replace(OFFICE, **changed)) is refusal
    assert FIELDS[refusal] == field


def test_who_and_where_must_be_known(yard: Yard) -> None:
    assert give(yard, HolderKind.CATEGORY, "moon", "office") is _R.HOLDER_UNKNOWN
    assert give(yard, HolderKind.PERSON, "no id", "office") is _R.HOLDER_UNKNOWN
    assert give(yard, HolderKind.CATEGORY, "staff", "moon") is _R.SHIFT_UNKNOWN
    nowhere = [ZoneId("moon")]
    assert yard.write(lambda session, system, site: service.set_zones(session, system, site, nowhere, "x")) is (
        _R.ZONE_UNKNOWN
    )
    wanted = Wanted(DAY, date(2026, 6, 4))
    assert yard.database.read(lambda session: service.report(session, yard.small.system, yard.small.site, wanted)) is (
        _R.SPAN_WRONG
    )


def test_a65_the_report_is_exported(yard: Yard) -> None:
    a_day(yard)

    def export(session: ReadSession) -> str:
        zone = service.site_zone(session, yard.small.site)
        return b"".join(csv_bytes(service.table(report(yard), zone, "zh"), "zh")).decode("utf-8-sig")

    lines = yard.database.read(export).splitlines()
    assert lines[0].startswith("日期,工号,姓名,部门,班次,最早进入,最晚离开,考勤,迟到分钟")
    assert lines[2] == "2026-03-04,1,Holder 1,,office,10:00,18:00,迟到,60,0,480"
    assert LaneId("") != IN
