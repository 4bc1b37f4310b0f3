"""Tours and their rounds: begun by the clock or by hand, proven by taps, ended by themselves (A41, S10)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Any, NewType
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import RowMapping

from cardcore.ids import LaneId, PersonId, SiteId
from server.access import repository as access_rows
from server.alarms.kinds import AlarmKind
from server.alarms.rows import NewAlarm
from server.alarms.service import raise_alarm
from server.audit.service import SYSTEM_ACTOR, Deed, is_reason, record
from server.database import ReadSession, WriteSession
from server.outbox import repository as outbox
from server.points import repository as point_rows
from server.points import service as points
from server.points.service import Purpose
from server.system import System
from server.tours import repository
from server.tours.progress import Checkpoint, CheckpointState, Progress, Tap, progress
from server.vehicles.repository import known_people

RoundId = NewType("RoundId", UUID)

TOPIC = "tour"
"""Of the outbox: a round began or ended, a checkpoint was missed."""
MAX_STOPS = 60
MAX_GUARDS = 100
MAX_STARTS = 48
"""Rounds a day that begin by themselves."""
MAX_TEXT = 100
MAX_TOLERANCE = 240
"""Minutes."""
MAX_DUE = 720
"""Minutes from the start to the last checkpoint."""
DAY_SECONDS = 86_400
MAX_ROUNDS = 200
"""Rounds of one answer."""
BEGUN_WITHIN = timedelta(minutes=10)
"""A round whose start passed so long ago, while no server ran, is not begun any more."""


class TourRefusal(StrEnum):
    """Why nothing was written or begun."""

    ID_WRONG = "id_wrong"
    NAME_MISSING = "name_missing"
    STOPS_OUT_OF_RANGE = "stops_out_of_range"
    LANE_UNKNOWN = "lane_unknown"
    NOT_IN_ORDER = "not_in_order"
    """A checkpoint is due before the one before it."""
    GUARDS_OUT_OF_RANGE = "guards_out_of_range"
    GUARD_UNKNOWN = "guard_unknown"
    TOLERANCE_OUT_OF_RANGE = "tolerance_out_of_range"
    START_WRONG = "start_wrong"
    UNKNOWN = "unknown"
    RUNS_ALREADY = "runs_already"
    WRONG_STATE = "wrong_state"
    REASON_MISSING = "reason_missing"


FIELDS = {
    TourRefusal.ID_WRONG: "id",
    TourRefusal.NAME_MISSING: "name",
    TourRefusal.STOPS_OUT_OF_RANGE: "stops",
    TourRefusal.LANE_UNKNOWN: "stops",
    TourRefusal.NOT_IN_ORDER: "stops",
    TourRefusal.GUARDS_OUT_OF_RANGE: "guards",
    TourRefusal.GUARD_UNKNOWN: "guards",
    TourRefusal.TOLERANCE_OUT_OF_RANGE: "tolerance",
    TourRefusal.START_WRONG: "starts",
    TourRefusal.REASON_MISSING: "reason",
}
"""The field that a refusal speaks of; those not named speak of the whole."""


@dataclass(frozen=True, slots=True)
class Tour:
    """A round to walk: checkpoints in order, who walks it, when it begins by itself (local seconds of the day)."""

    id: str
    name_en: str
    name_zh: str
    stops: tuple[Checkpoint, ...]
    guards: tuple[PersonId, ...]
    tolerance_minutes: int = 10
    starts: tuple[int, ...] = ()
    is_active: bool = True


@dataclass(frozen=True, slots=True)
class Round:
    """A round as a page shows it."""

    id: RoundId
    tour: str
    name_en: str
    name_zh: str
    starts_at: datetime
    state: str
    progress: Progress


@dataclass(frozen=True, slots=True)
class Missed:
    """A checkpoint whose time is over."""

    round: RoundId
    tour: str
    lane: LaneId
    position: int
    due_at: datetime


def put_tour(session: WriteSession, system: System, site_id: SiteId, tour: Tour, actor: str) -> TourRefusal | None:
    """Add or change a tour; rounds that run keep the plan they began with."""
    refusal = _refusal(session, site_id, tour)
    if refusal is not None:
        return refusal
    row: dict[str, Any] = {
        "site_id": site_id, "id": tour.id, "name_en": tour.name_en.strip(), "name_zh": tour.name_zh.strip(),
        "tolerance_minutes": tour.tolerance_minutes, "starts": sorted(set(tour.starts)), "is_active": tour.is_active,
    }  # fmt: skip
    repository.upsert_tour(session, row)
    lanes = [stop.lane for stop in tour.stops]
    repository.replace_stops(session, site_id, tour.id, lanes, [stop.due_minutes for stop in tour.stops])
    repository.replace_guards(session, site_id, tour.id, sorted(set(tour.guards)))
    every = {LaneId(lane) for known in repository.tours(session, site_id) for lane in known["lanes"]}
    points.mark(session, system, site_id, Purpose.CHECKPOINT, every, actor)
    after = {**asdict(tour), "stops": [msgspec.to_builtins(stop) for stop in tour.stops],
             "guards": [str(guard) for guard in tour.guards]}  # fmt: skip
    record(session, system, site_id, Deed(actor, "tour_put", f"tour:{tour.id}", after=after))
    return None


def tours(session: ReadSession | WriteSession, site_id: SiteId) -> list[Tour]:
    """Return all tours in order."""
    return [
        Tour(
            row["id"], row["name_en"], row["name_zh"], _plan(row), tuple(PersonId(one) for one in row["guards"]),
            row["tolerance_minutes"], tuple(row["starts"]), row["is_active"],
        )
        for row in repository.tours(session, site_id)
    ]  # fmt: skip


def begin(session: WriteSession, system: System, site_id: SiteId, tour_id: str, actor: str) -> RoundId | TourRefusal:
    """Begin a round now, by hand."""
    tour = next((tour for tour in tours(session, site_id) if tour.id == tour_id and tour.is_active), None)
    if tour is None:
        return TourRefusal.UNKNOWN
    if any(row["tour_id"] == tour_id for row in repository.running(session, site_id)):
        return TourRefusal.RUNS_ALREADY
    return _begin(session, system, site_id, tour, system.clock.now(), actor) or TourRefusal.RUNS_ALREADY


def cancel(
    session: WriteSession, system: System, site_id: SiteId, round_id: RoundId, deed: tuple[str, str]
) -> TourRefusal | None:
    """Call a round off, with a reason."""
    actor, reason = deed
    row = repository.lock_round(session, site_id, round_id)
    if row is None:
        return TourRefusal.UNKNOWN
    if row["state"] != "running":
        return TourRefusal.WRONG_STATE
    if not is_reason(reason, MAX_TEXT):
        return TourRefusal.REASON_MISSING
    repository.end_round(session, round_id, {"state": "cancelled", "at": system.clock.now(), "result": None})
    _tell(session, system, site_id, Deed(actor, "round_cancelled", f"round:{round_id}", reason=reason))
    return None


def look(session: WriteSession, system: System, site_id: SiteId) -> list[Missed]:
    """Begin rounds whose hour has come, end those that are over; return checkpoints missed since the last look."""
    _begin_due(session, system, site_id)
    missed: list[Missed] = []
    for row in repository.running(session, site_id):
        now = system.clock.now()
        state = _progress(session, site_id, row, now)
        late = [
            stop for stop in state.stops
            if stop.state in {CheckpointState.MISSED, CheckpointState.LATE} and stop.position not in row["alarmed"]
        ]  # fmt: skip
        if late:
            repository.note_alarmed(session, row["id"], [stop.position for stop in late])
        for stop in late:
            found = Missed(RoundId(row["id"]), row["tour_id"], LaneId(stop.lane), stop.position, stop.due_at)
            missed.append(found)
            detail = f"{row['tour_id']} {stop.position}"
            raise_alarm(session, system, site_id, NewAlarm(AlarmKind.CHECKPOINT_MISSED, stop.lane, now, detail=detail))
            outbox.append(session, system, site_id, TOPIC, {"round": str(row["id"]), "change": "checkpoint_missed",
                                                            "position": stop.position})  # fmt: skip
        if state.is_over:
            ended = "done" if state.is_complete else "incomplete"
            result = msgspec.json.encode([asdict(stop) for stop in state.stops]).decode()
            repository.end_round(session, row["id"], {"state": ended, "at": now, "result": result})
            deed = Deed(SYSTEM_ACTOR, "round_ended", f"round:{row['id']}", after={"state": ended})
            _tell(session, system, site_id, deed)
    return missed


def rounds(session: ReadSession, system: System, site_id: SiteId, since: datetime) -> list[Round]:
    """Return rounds that began since an instant, newest first, as they stand."""
    now = system.clock.now()
    return [
        Round(
            RoundId(row["id"]), row["tour_id"], row["name_en"], row["name_zh"], row["starts_at"], row["state"],
            _progress(session, site_id, row, row["ended_at"] or now),
        )
        for row in repository.rounds(session, site_id, since, MAX_ROUNDS)
    ]  # fmt: skip


def _progress(session: ReadSession | WriteSession, site_id: SiteId, row: RowMapping, now: datetime) -> Progress:
    plan = msgspec.convert(row["plan"], tuple[Checkpoint, ...])
    tolerance = timedelta(minutes=row["tolerance_minutes"])
    guards = set(row["guards"])
    found = point_rows.taps(session, site_id, sorted({stop.lane for stop in plan}), row["starts_at"] - tolerance, now)
    taps = [Tap(tap["lane_id"], tap["at"]) for tap in found if tap["person_id"] in guards]
    return progress(plan, row["starts_at"], tolerance, taps, now)


def _begin_due(session: WriteSession, system: System, site_id: SiteId) -> None:
    now = system.clock.now()
    for tour in tours(session, site_id):
        if not tour.is_active or not tour.starts:
            continue
        (site,) = access_rows.site_rows(session, site_id)
        local = now.astimezone(ZoneInfo(site["time_zone"]))
        for seconds in tour.starts:
            start = datetime.combine(local.date(), time(), local.tzinfo) + timedelta(seconds=seconds)
            if start <= now < start + BEGUN_WITHIN:
                _begin(session, system, site_id, tour, start, SYSTEM_ACTOR)


def _begin(
    session: WriteSession, system: System, site_id: SiteId, tour: Tour, starts_at: datetime, actor: str
) -> RoundId | None:
    round_id = RoundId(system.ids.uuid7())
    row = {
        "id": round_id, "site_id": site_id, "tour_id": tour.id, "starts_at": starts_at, "begun_by": actor,
        "plan": msgspec.json.encode(tour.stops).decode(),
    }  # fmt: skip
    if not repository.insert_round(session, row):
        return None
    _tell(session, system, site_id, Deed(actor, "round_begun", f"round:{round_id}", after={"tour": tour.id}))
    return round_id


def _tell(session: WriteSession, system: System, site_id: SiteId, deed: Deed) -> None:
    record(session, system, site_id, deed)
    round_id = deed.object.removeprefix("round:")
    outbox.append(session, system, site_id, TOPIC, {"round": round_id, "change": deed.action})


def _plan(row: RowMapping) -> tuple[Checkpoint, ...]:
    return tuple(Checkpoint(lane, due) for lane, due in zip(row["lanes"], row["due_minutes"], strict=True))


def _refusal(session: WriteSession, site_id: SiteId, tour: Tour) -> TourRefusal | None:
    if not tour.id or len(tour.id) > 32 or not all(one.isalnum() or one == "-" for one in tour.id):  # noqa: PLR2004
        return TourRefusal.ID_WRONG
    if not tour.name_en.strip() or not tour.name_zh.strip() or max(len(tour.name_en), len(tour.name_zh)) > MAX_TEXT:
        return TourRefusal.NAME_MISSING
    if not 1 <= len(tour.stops) <= MAX_STOPS:
        return TourRefusal.STOPS_OUT_OF_RANGE
    if not {stop.lane for stop in tour.stops} <= {row["id"] for row in access_rows.lane_rows(session, site_id)}:
        return TourRefusal.LANE_UNKNOWN
    due = [stop.due_minutes for stop in tour.stops]
    if due != sorted(due) or not 0 <= due[0] <= due[-1] <= MAX_DUE:
        return TourRefusal.NOT_IN_ORDER
    if not 1 <= len(tour.guards) <= MAX_GUARDS:
        return TourRefusal.GUARDS_OUT_OF_RANGE
    if not set(tour.guards) <= known_people(session, site_id, tour.guards):
        return TourRefusal.GUARD_UNKNOWN
    if not 1 <= tour.tolerance_minutes <= MAX_TOLERANCE:
        return TourRefusal.TOLERANCE_OUT_OF_RANGE
    wrong = len(tour.starts) > MAX_STARTS or not all(0 <= start < DAY_SECONDS for start in tour.starts)
    return TourRefusal.START_WRONG if wrong else None
