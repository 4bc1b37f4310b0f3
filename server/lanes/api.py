"""REST of lanes: how they stand, holding and opening them, why somebody may pass, and what is odd about the rules."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter

from cardcore.access.items import LaneMode
from cardcore.ids import LaneId
from server.access import warnings, why
from server.access.warnings import Warned
from server.access.why import Why
from server.api.answers import Body, Limit, Rows, refused
from server.api.caller import Caller, needs
from server.audit.service import staff_actor
from server.lanes import service
from server.lanes.service import LaneRefusal, LaneView, Order
from server.presence import service as presence
from server.presence.service import Conflict
from server.problem import Problem, ProblemError
from server.staff.roles import Permission

router = APIRouter(tags=["lanes"])

Reader = Annotated[Caller, needs(Permission.LIVE_READ)]
Guard = Annotated[Caller, needs(Permission.LANES_COMMAND)]
Planner = Annotated[Caller, needs(Permission.ACCESS_WRITE)]


@dataclass(frozen=True, slots=True)
class LaneAnswer:
    """How a lane stands now: `mode_now` after holds and hours."""

    id: str
    name_en: str
    name_zh: str
    reader: str
    from_zone: str
    to_zone: str
    mode: LaneMode
    mode_now: LaneMode
    held: LaneMode | None
    held_until: datetime | None
    device: str
    connected: bool
    interlock: str


@dataclass(frozen=True, slots=True)
class StepAnswer:
    """One check of a decision; the one with a reason ended it."""

    check: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class LevelAnswer:
    """An access level of the holder, as the lane sees it."""

    level: str
    leads_here: bool
    opens_now: bool


@dataclass(frozen=True, slots=True)
class CardAnswer:
    """What would become of one card at the lane."""

    card: UUID
    granted: bool
    reason: str
    steps: list[StepAnswer]
    levels: list[LevelAnswer]


@dataclass(frozen=True, slots=True)
class MayPass:
    """Whether somebody may pass, by card, the best first; `is_now`: positions were looked at."""

    person: UUID
    lane: str
    at: datetime
    is_now: bool
    policy_version: int
    cards: list[CardAnswer]


class Hold(Body):
    """Hold a lane in a mode until an instant."""

    mode: LaneMode
    until: datetime
    reason: str


class Reasoned(Body):
    """Why it is done."""

    reason: str


@router.get("/lanes")
async def lanes(caller: Reader) -> Rows[LaneAnswer]:
    """List the lanes as they stand now."""
    found = await caller.read(lambda session: service.lanes(session, caller.system, caller.site_id))
    return Rows(rows=[_lane(view) for view in found])


@router.post("/lanes/{lane}/hold", status_code=204)
async def hold(caller: Guard, lane: str, wanted: Hold) -> None:
    """Hold a lane open, locked or for cards, for at most a day."""
    told = (wanted.mode, wanted.until, wanted.reason)
    actor = staff_actor(caller.actor)
    _done(
        await caller.write(
            lambda session: service.hold(session, caller.system, caller.site_id, actor, LaneId(lane), told)
        )
    )


@router.post("/lanes/{lane}/release", status_code=204)
async def release(caller: Guard, lane: str, wanted: Reasoned) -> None:
    """Let a held lane go on as it is set."""
    actor = staff_actor(caller.actor)
    _done(
        await caller.write(
            lambda session: service.release(session, caller.system, caller.site_id, actor, LaneId(lane), wanted.reason)
        )
    )


@router.post("/lanes/{lane}/open", status_code=202)
async def open_once(caller: Guard, lane: str, wanted: Reasoned) -> Order:
    """Order one opening; ask for the order to learn how it ended, a second later."""
    actor = staff_actor(caller.actor)
    order = await caller.write(
        lambda session: service.order_open(session, caller.system, caller.site_id, actor, LaneId(lane), wanted.reason)
    )
    if isinstance(order, LaneRefusal):
        refused(order)
    return order


@router.get("/lane-orders")
async def orders(caller: Guard, limit: Limit = 50) -> Rows[Order]:
    """List the newest openings from afar, newest first."""
    return Rows(rows=await caller.read(lambda session: service.orders(session, caller.system, caller.site_id, limit)))


@router.get("/lane-orders/{order_id}")
async def order(caller: Guard, order_id: UUID) -> Order:
    """Tell how an opening from afar ended."""
    found = await caller.read(lambda session: service.order(session, caller.system, caller.site_id, order_id))
    if found is None:
        raise ProblemError(Problem.NOT_FOUND)
    return found


@router.get("/lanes/{lane}/may-pass")
async def may_pass(caller: Planner, lane: str, number: str, at: datetime | None = None) -> MayPass:
    """Explain whether the person of this number may pass the lane, now or at another instant."""
    found = await caller.read(
        lambda session: why.may_pass(session, caller.system, caller.site_id, number, LaneId(lane), at)
    )
    if not isinstance(found, Why):
        refused(found)
    return MayPass(found.person, found.lane, found.at, found.is_now, found.policy_version, [
        CardAnswer(
            answer.card, answer.granted, answer.explanation.decision.reason,
            [StepAnswer(step.check, step.reason) for step in answer.explanation.steps],
            [LevelAnswer(view.level, view.leads_here, view.opens_now) for view in answer.explanation.levels],
        )
        for answer in found.answers
    ])  # fmt: skip


@router.get("/access/warnings")
async def standing(caller: Planner) -> Rows[Warned]:
    """List what is odd about the site's rules."""
    return Rows(rows=await caller.read(lambda session: warnings.warnings(session, caller.system, caller.site_id)))


@router.get("/presence/conflicts")
async def conflicts(caller: Planner, days: int = 7) -> Rows[Conflict]:
    """List who entered a zone twice because a lane was alone, newest first."""
    return Rows(
        rows=await caller.read(lambda session: presence.conflicts(session, caller.system, caller.site_id, days))
    )


def _done(refusal: LaneRefusal | None) -> None:
    if refusal is not None:
        refused(refusal)


def _lane(view: LaneView) -> LaneAnswer:
    return LaneAnswer(
        view.id, view.name_en, view.name_zh, view.reader, view.from_zone, view.to_zone, view.mode, view.mode_now,
        view.held, view.held_until, view.device, view.connected, view.interlock,
    )  # fmt: skip
