"""Why a tap would end as it would: the checks of `decide`, each with what it found (A66). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cardcore.access.decide import CHECKS, Check, Decision, GateTap, Scene, SiteState, concluded
from cardcore.access.snapshot import Snapshot
from cardcore.calendar import is_open
from cardcore.clock import site_time
from cardcore.ids import LevelId
from cardcore.reasons import Reason


@dataclass(frozen=True, slots=True)
class Step:
    """One check: passed (`reason` None), or the one that ended the decision, with its reason."""

    check: Check
    reason: Reason | None


@dataclass(frozen=True, slots=True)
class LevelView:
    """One access level of the holder, as this lane sees it at this moment."""

    level: LevelId
    leads_here: bool
    opens_now: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    """The decision, the checks up to the one that made it, and the holder's levels."""

    decision: Decision
    steps: tuple[Step, ...]
    levels: tuple[LevelView, ...]


def explain(tap: GateTap, snapshot: Snapshot, state: SiteState, at: datetime) -> Explanation:
    """Decide as `decide` does and tell how; `at` is aware UTC."""
    scene, steps, found = Scene(tap, snapshot, state, at), [], None
    for name, check in CHECKS:
        found = check(scene)
        steps.append(Step(name, found))
        if found is not None:
            break
    return Explanation(concluded(scene, found), tuple(steps), _levels(scene))


def _levels(scene: Scene) -> tuple[LevelView, ...]:
    if scene.card is None:
        return ()
    snapshot = scene.snapshot
    now = site_time(scene.at, snapshot.zone, snapshot.day_starts_at)
    views = []
    for one in scene.card.levels:
        level = snapshot.level(one)
        schedule = snapshot.schedule(level.schedule) if level is not None else None
        opens = schedule is not None and is_open(schedule.intervals, snapshot.days, now)
        views.append(LevelView(one, level is not None and scene.lane.to_zone in level.zones, opens))
    return tuple(views)
