"""Shifts, who works by which, and the report of days: late, early, absent (A65, S9).

A day is kept some hours after it ended, so that the report outlives the movements it was made from (security sheet,
section 10); the running day is read from the records.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import RowMapping

from cardcore.calendar import DayKind
from cardcore.ids import PersonId, SiteId, ZoneId
from server.access import repository as access_rows
from server.attendance import repository
from server.attendance.judging import DayState, Judged, Shift, judge
from server.audit.service import Deed, record
from server.database import ReadSession, WriteSession
from server.exports.table import Column, Kind, Table, Value
from server.people import repository as people_rows
from server.system import System
from server.vehicles.repository import known_people

MAX_DAYS = 62
"""Days of one report."""
MAX_TEXT = 100
KEPT_AGAIN = 3
"""Days for which a kept day is made anew, as boxes hand in what they recorded alone."""
DAY_SECONDS = 86_400


class AttendanceRefusal(StrEnum):
    """Why nothing was written or reported."""

    ID_WRONG = "id_wrong"
    NAME_MISSING = "name_missing"
    TIME_WRONG = "time_wrong"
    WEEKDAYS_WRONG = "weekdays_wrong"
    MINUTES_OUT_OF_RANGE = "minutes_out_of_range"
    ZONE_UNKNOWN = "zone_unknown"
    SHIFT_UNKNOWN = "shift_unknown"
    HOLDER_UNKNOWN = "holder_unknown"
    SPAN_WRONG = "span_wrong"
    """A report is of 1 to `MAX_DAYS` days."""


FIELDS = {
    AttendanceRefusal.ID_WRONG: "id",
    AttendanceRefusal.NAME_MISSING: "name",
    AttendanceRefusal.TIME_WRONG: "start",
    AttendanceRefusal.WEEKDAYS_WRONG: "weekdays",
    AttendanceRefusal.MINUTES_OUT_OF_RANGE: "late_minutes",
    AttendanceRefusal.ZONE_UNKNOWN: "zones",
    AttendanceRefusal.SHIFT_UNKNOWN: "shift",
    AttendanceRefusal.HOLDER_UNKNOWN: "holder",
    AttendanceRefusal.SPAN_WRONG: "until",
}
"""The field that a refusal speaks of."""


class HolderKind(StrEnum):
    """Whom a shift is given to; a person's own goes before the department's, that before the category's."""

    PERSON = "person"
    DEPARTMENT = "department"
    CATEGORY = "category"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which days of whom: both days counted; no department and no person = everybody who works by a shift."""

    since: date
    until: date
    department: str = ""
    person: PersonId | None = None
    states: tuple[DayState, ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """One day of one person."""

    day: date
    person: PersonId
    number: str
    name: str
    department_en: str
    department_zh: str
    shift: str
    first_in: datetime | None
    last_out: datetime | None
    judged: Judged


def put_shift(
    session: WriteSession, system: System, site_id: SiteId, shift: Shift, actor: str
) -> AttendanceRefusal | None:
    """Add or change a shift."""
    if not shift.id or len(shift.id) > 32 or not all(one.isalnum() or one == "-" for one in shift.id):  # noqa: PLR2004
        return AttendanceRefusal.ID_WRONG
    if (
        not shift.name_en.strip()
        or not shift.name_zh.strip()
        or max(map(len, (shift.name_en, shift.name_zh))) > MAX_TEXT
    ):
        return AttendanceRefusal.NAME_MISSING
    if not 0 <= shift.start_seconds < DAY_SECONDS or not 0 <= shift.end_seconds <= DAY_SECONDS:
        return AttendanceRefusal.TIME_WRONG
    if not 1 <= shift.weekdays <= 0b111_1111:  # noqa: PLR2004 - a mask of seven days
        return AttendanceRefusal.WEEKDAYS_WRONG
    if not all(0 <= minutes <= 240 for minutes in (shift.late_minutes, shift.early_minutes)):  # noqa: PLR2004
        return AttendanceRefusal.MINUTES_OUT_OF_RANGE
    repository.upsert_shift(session, {**asdict(shift), "site_id": site_id})
    record(session, system, site_id, Deed(actor, "shift_put", f"shift:{shift.id}", after=asdict(shift)))
    return None


def set_zones(
    session: WriteSession, system: System, site_id: SiteId, zones: Sequence[ZoneId], actor: str
) -> AttendanceRefusal | None:
    """Say in which zones somebody is at work."""
    if not zones or not set(zones) <= {row["id"] for row in access_rows.zone_rows(session, site_id)}:
        return AttendanceRefusal.ZONE_UNKNOWN
    before = repository.zones(session, site_id)
    repository.set_zones(session, site_id, sorted(set(zones)))
    record(session, system, site_id, Deed(actor, "attendance_zones_set", f"site:{site_id}", before, sorted(set(zones))))
    return None


def give_shift(
    session: WriteSession, system: System, site_id: SiteId, holder: tuple[HolderKind, str], shift_id: str, actor: str
) -> AttendanceRefusal | None:
    """Let a person, department or category work by a shift; an empty shift takes it back."""
    kind, key = holder
    if not _is_known(session, site_id, kind, key):
        return AttendanceRefusal.HOLDER_UNKNOWN
    if not shift_id:
        repository.drop_holder(session, site_id, kind, key)
    elif shift_id not in {row["id"] for row in repository.shifts(session, site_id)}:
        return AttendanceRefusal.SHIFT_UNKNOWN
    else:
        repository.put_holder(session, site_id, kind, key, shift_id)
    record(session, system, site_id, Deed(actor, "shift_given", f"{kind}:{key}", after={"shift": shift_id}))
    return None


def shifts(session: ReadSession | WriteSession, site_id: SiteId) -> list[Shift]:
    """Return all shifts in order."""
    return [
        Shift(
            row["id"], row["name_en"], row["name_zh"], row["start_seconds"], row["end_seconds"], row["weekdays"],
            row["late_minutes"], row["early_minutes"],
        )
        for row in repository.shifts(session, site_id)
    ]  # fmt: skip


def holders(session: ReadSession, site_id: SiteId) -> Sequence[RowMapping]:
    """Return who works by which shift."""
    return repository.holders(session, site_id)


def zones(session: ReadSession, site_id: SiteId) -> list[str]:
    """Return the zones that count as being at work."""
    return repository.zones(session, site_id)


def report(session: ReadSession, system: System, site_id: SiteId, wanted: Wanted) -> list[Line] | AttendanceRefusal:
    """Return the days of people who work by a shift, by day, department and name."""
    count = (wanted.until - wanted.since).days + 1
    if not 1 <= count <= MAX_DAYS:
        return AttendanceRefusal.SPAN_WRONG
    now = system.clock.now()
    zone, day_starts = _site_time(session, site_id)
    days = [wanted.since + timedelta(days=number) for number in range(count)]
    calendar = {row["day"]: DayKind(row["kind"]) for row in access_rows.day_rows(session, site_id)}
    known = {shift.id: shift for shift in shifts(session, site_id)}
    people = repository.people(session, site_id, wanted.department, wanted.person)
    seen = {(row["business_day"], row["person_id"]): row for row in repository.kept(session, site_id, days)}
    lines: list[Line] = []
    for day in days:
        begins = _begins(day, zone, day_starts)
        if begins <= now < begins + timedelta(days=2):
            fresh = repository.seen(session, site_id, (begins, begins + timedelta(days=1)), now + timedelta(days=1))
            seen |= {(day, row["person_id"]): row for row in fresh}
        for person in people:
            row = seen.get((day, person["id"]))
            times = (row["first_in"], row["last_out"]) if row is not None else (None, None)
            judged = judge(known[person["shift_id"]], (day, calendar, zone), times, now)
            if day <= now.astimezone(zone).date() and (not wanted.states or judged.state in wanted.states):
                lines.append(_line(day, person, times, judged))
    return lines


def keep_days(session: WriteSession, system: System, site_id: SiteId) -> int:
    """Keep the days that ended lately; return how many. Safe to repeat."""
    if not repository.zones(session, site_id):
        return 0
    now = system.clock.now()
    zone, day_starts = _site_time(session, site_id)
    today = (now.astimezone(zone) - timedelta(seconds=day_starts)).date()
    for back in range(1, KEPT_AGAIN + 1):
        day = today - timedelta(days=back)
        begins = _begins(day, zone, day_starts)
        rows = repository.seen(session, site_id, (begins, begins + timedelta(days=1)), now)
        repository.keep_day(session, site_id, day, rows)
    return KEPT_AGAIN


def table(lines: Sequence[Line], zone: ZoneInfo, language: str) -> Table:
    """Return a report as a table; times in the site's own."""
    return Table("attendance", COLUMNS, _cells(lines, zone, language))


COLUMNS = (
    Column("day", Kind.TEXT, "Day", "日期"),
    Column("number", Kind.TEXT, "Number", "工号"),
    Column("name", Kind.TEXT, "Name", "姓名"),
    Column("department", Kind.TEXT, "Department", "部门"),
    Column("shift", Kind.TEXT, "Shift", "班次"),
    Column("first_in", Kind.TEXT, "First in", "最早进入"),
    Column("last_out", Kind.TEXT, "Last out", "最晚离开"),
    Column("state", Kind.TEXT, "Attendance", "考勤"),
    Column("late", Kind.COUNT, "Minutes late", "迟到分钟"),
    Column("early", Kind.COUNT, "Minutes early", "早退分钟"),
    Column("worked", Kind.COUNT, "Minutes worked", "在岗分钟"),
)
STATE_WORDS = {
    DayState.PRESENT: ("present", "正常"),
    DayState.LATE: ("late", "迟到"),
    DayState.EARLY: ("left early", "早退"),
    DayState.LATE_AND_EARLY: ("late and left early", "迟到早退"),
    DayState.NOT_OUT: ("did not go out", "未刷出"),
    DayState.AT_WORK: ("at work", "在岗"),
    DayState.EXPECTED: ("expected", "未到时"),
    DayState.ABSENT: ("absent", "缺勤"),
    DayState.DAY_OFF: ("day off", "休息"),
    DayState.NO_SHIFT: ("no shift", "无班次"),
}
"""What a file says of a day."""


def site_zone(session: ReadSession, site_id: SiteId) -> ZoneInfo:
    """Return the site's time zone."""
    return _site_time(session, site_id)[0]


def _is_known(session: WriteSession, site_id: SiteId, kind: HolderKind, key: str) -> bool:
    match kind:
        case HolderKind.DEPARTMENT:
            return key in people_rows.department_ids(session, site_id)
        case HolderKind.CATEGORY:
            return key in people_rows.category_ids(session, site_id)
    try:
        return bool(known_people(session, site_id, [UUID(key)]))
    except ValueError:
        return False


def _cells(lines: Sequence[Line], zone: ZoneInfo, language: str) -> Iterator[tuple[Value, ...]]:
    chinese = language == "zh"
    for line in lines:
        times = [f"{at.astimezone(zone):%H:%M}" if at else None for at in (line.first_in, line.last_out)]
        yield (
            str(line.day), line.number, line.name, line.department_zh if chinese else line.department_en, line.shift,
            *times, STATE_WORDS[line.judged.state][chinese], line.judged.late_minutes, line.judged.early_minutes,
            line.judged.worked_minutes,
        )  # fmt: skip


def _line(day: date, person: RowMapping, times: tuple[datetime | None, datetime | None], judged: Judged) -> Line:
    return Line(
        day, PersonId(person["id"]), person["number"], person["name"], person["department_en"] or "",
        person["department_zh"] or "", person["shift_id"], *times, judged,
    )  # fmt: skip


def _site_time(session: ReadSession | WriteSession, site_id: SiteId) -> tuple[ZoneInfo, int]:
    (site,) = access_rows.site_rows(session, site_id)
    return ZoneInfo(site["time_zone"]), site["day_starts_seconds"]


def _begins(day: date, zone: ZoneInfo, day_starts: int) -> datetime:
    return datetime.combine(day, time(), zone) + timedelta(seconds=day_starts)
