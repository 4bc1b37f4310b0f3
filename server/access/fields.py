"""What may be wrong with what somebody enters about a site: which field, which rule. Checks the access half; pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from cardcore.calendar import Interval, interval_error

if TYPE_CHECKING:
    from server.access.service import AccessLevel, Lane, Schedule, Zone

MAX_INTERVALS = 64
"""Intervals of one schedule."""
MAX_PASSBACK_MINUTES = 1_440
MAX_FORGETS_HOURS = 8_760
MAX_OCCUPANCY = 1_000_000
MAX_PAIR_SECONDS = 300
MAX_ESCORT_SECONDS = 3_600
MAX_WINDOW_MS = 120_000
MAX_PULSE_MS = 5_000
MAX_HELD_OPEN_MS = 29_000
"""Later the contact counts as stuck (`reader_daemon.passage`)."""


class FieldRefusal(StrEnum):
    """Why a field is not taken."""

    OUT_OF_RANGE = "out_of_range"
    UNKNOWN = "unknown"
    """It names something that the site does not have."""
    MISSING = "missing"
    TOO_MANY = "too_many"
    WRONG_INTERVAL = "wrong_interval"
    OVERLAP = "overlap"
    """Two intervals of a schedule hold at the same time."""
    LEADS_NOWHERE = "leads_nowhere"
    """A lane from a zone into itself."""
    TAKEN = "taken"
    """Another lane has this reader."""
    CONTRADICTION = "contradiction"
    """Two fields exclude each other."""
    IN_USE = "in_use"
    """Something else still needs it."""
    IN_THE_PAST = "in_the_past"
    """Days that are over keep what held on them."""
    NAME_UNUSABLE = "name_unusable"
    TWO_DAYS = "two_days"
    """A meal would belong to two business days."""


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """What is wrong: with which object, in which field, why, and what to do in English words."""

    object: str
    field: str
    refusal: FieldRefusal
    advice: str
    named: str = ""
    """What it is about, the same in every language: names of other objects, the lowest and highest value."""

    def __str__(self) -> str:
        """Return it as one line."""
        return f"{self.object}: {self.field}: {self.advice}"


def zone_problem(zone: Zone, requirements: Collection[str]) -> FieldProblem | None:
    """Check a zone; `requirements` are those of the site."""
    ranges = (
        ("passback_minutes", zone.passback_minutes, 0, MAX_PASSBACK_MINUTES),
        ("passback_forgets_hours", zone.passback_forgets_hours, 1, MAX_FORGETS_HOURS),
        ("occupancy_limit", zone.occupancy_limit, 0, MAX_OCCUPANCY),
        ("pair_seconds", zone.pair_seconds, 1, MAX_PAIR_SECONDS),
    )
    unknown = sorted(set(zone.requires) - set(requirements))
    if unknown:
        advice = f"there is no requirement {unknown[0]}"
        return _problem(f"zone {zone.id}", "requires", FieldRefusal.UNKNOWN, advice, unknown[0])
    return _out_of_range(f"zone {zone.id}", ranges)


def schedule_problem(schedule: Schedule) -> FieldProblem | None:
    """Check a schedule: intervals that end after they begin and do not overlap."""
    name, intervals = f"schedule {schedule.id}", schedule.intervals
    if len(intervals) > MAX_INTERVALS:
        advice = f"a schedule has at most {MAX_INTERVALS} intervals"
        return _problem(name, "intervals", FieldRefusal.TOO_MANY, advice, str(MAX_INTERVALS))
    for number, interval in enumerate(intervals):
        wrong = interval_error(interval)
        if wrong is not None:
            return _problem(name, f"intervals.{number}", FieldRefusal.WRONG_INTERVAL, wrong)
        for earlier, other in enumerate(intervals[:number]):
            if overlap(interval, other):
                advice = f"interval {number + 1} overlaps interval {earlier + 1}; join them or move one"
                return _problem(name, f"intervals.{number}", FieldRefusal.OVERLAP, advice, str(earlier + 1))
    return None


def overlap(one: Interval, other: Interval) -> bool:
    """Tell whether two intervals of one schedule can hold at the same time."""
    if not one.weekdays & other.weekdays:
        return False
    if one.end_seconds <= other.start_seconds or other.end_seconds <= one.start_seconds:
        return False
    if one.on_holidays != other.on_holidays:
        return False  # the one for holidays adds them to the same hours of working days
    ended = one.last_day is not None and other.first_day is not None and one.last_day < other.first_day
    begins = other.last_day is not None and one.first_day is not None and other.last_day < one.first_day
    return not (ended or begins)


def level_problem(
    level: AccessLevel, schedules: Collection[str], zones: Collection[str], *, is_grouped: bool = False
) -> FieldProblem | None:
    """Check an access level against the schedules and zones of the site."""
    name = f"level {level.id}"
    if level.schedule_id not in schedules:
        advice = f"there is no schedule {level.schedule_id}"
        return _problem(name, "schedule_id", FieldRefusal.UNKNOWN, advice, level.schedule_id)
    if not level.zones:
        return _problem(name, "zones", FieldRefusal.MISSING, "a level leads into at least one zone")
    unknown = sorted(set(level.zones) - set(zones))
    if unknown:
        return _problem(name, "zones", FieldRefusal.UNKNOWN, f"there is no zone {unknown[0]}", unknown[0])
    if level.needs_escort and level.escorts:
        advice = "who needs an escort brings nobody"
        return _problem(name, "escorts", FieldRefusal.CONTRADICTION, advice)
    if level.privileged and is_grouped:
        advice = "whole groups hold it: a privileged level is given to people one by one"
        return _problem(name, "privileged", FieldRefusal.CONTRADICTION, advice)
    return None


def lane_problem(
    lane: Lane, zones: Collection[str], schedules: Collection[str], readers: Mapping[str, str]
) -> FieldProblem | None:
    """Check a lane; `readers` are those in use, with the lane that has each."""
    name = f"lane {lane.id}"
    for field, zone in (("from_zone", lane.from_zone), ("to_zone", lane.to_zone)):
        if zone not in zones:
            return _problem(name, field, FieldRefusal.UNKNOWN, f"there is no zone {zone}", zone)
    if lane.from_zone == lane.to_zone:
        advice = f"it leads from {lane.from_zone} to itself"
        return _problem(name, "to_zone", FieldRefusal.LEADS_NOWHERE, advice)
    for field, schedule in (("locked_hours", lane.locked_hours), ("free_hours", lane.free_hours)):
        if schedule and schedule not in schedules:
            return _problem(name, field, FieldRefusal.UNKNOWN, f"there is no schedule {schedule}", schedule)
    if readers.get(lane.reader, lane.id) != lane.id:
        advice = f"lane {readers[lane.reader]} has the reader {lane.reader}"
        return _problem(name, "reader", FieldRefusal.TAKEN, advice, readers[lane.reader])
    if lane.first_person and not lane.free_hours:
        advice = "only hours of free passage wait for a supervisor: choose free_hours"
        return _problem(name, "first_person", FieldRefusal.CONTRADICTION, advice)
    ranges = (
        ("open_window_ms", lane.open_window_ms, 500, MAX_WINDOW_MS),
        ("extended_window_ms", lane.extended_window_ms, 1_000, MAX_WINDOW_MS),
        ("pulse_ms", lane.pulse_ms, 100, MAX_PULSE_MS),
        ("escort_seconds", lane.escort_seconds, 1, MAX_ESCORT_SECONDS),
        ("held_open_ms", lane.held_open_ms, 0, MAX_HELD_OPEN_MS),
    )
    return _out_of_range(name, ranges)


def _out_of_range(name: str, ranges: Collection[tuple[str, int, int, int]]) -> FieldProblem | None:
    for field, value, lowest, highest in ranges:
        if not lowest <= value <= highest:
            advice = f"it is {lowest} to {highest}, not {value}"
            return _problem(name, field, FieldRefusal.OUT_OF_RANGE, advice, f"{lowest} – {highest}")
    return None


def _problem(name: str, field: str, refusal: FieldRefusal, advice: str, named: str = "") -> FieldProblem:
    return FieldProblem(name, field, refusal, advice, named)
