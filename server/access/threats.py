"""Threat plans and lock-down (A36, A37): who may begin one, what it covers, and how it ends by itself.

A plan in force is a policy item: it reaches every box like any other change, and a box without a link ends it at its
hour by itself. The way out stays free: a plan covers lanes *into* its zones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from cardcore.access.items import ThreatEffect
from cardcore.ids import SiteId, ZoneId
from server.access import repository, threat_repository
from server.audit.service import SYSTEM_ACTOR, Deed, is_reason, record
from server.database import ReadSession, WriteSession
from server.policy import service as policy
from server.system import System

MAX_RANK = 100
MAX_MINUTES = 7 * 24 * 60


class ThreatRefusal(StrEnum):
    """Why a plan was not kept, begun or ended."""

    UNKNOWN_PLAN = "unknown_plan"
    UNKNOWN_ZONE = "unknown_zone"
    NO_ZONE = "no_zone"
    OUT_OF_RANGE = "out_of_range"
    REASON_MISSING = "reason_missing"
    LAST_ONE_OUT = "last_one_out"
    """No access level into one of its zones overrides a lock-down: the last operator would be locked out."""
    IN_FORCE = "in_force"
    NOT_IN_FORCE = "not_in_force"


@dataclass(frozen=True, slots=True)
class ThreatPlan:
    """What to do when something threatens, agreed beforehand."""

    id: str
    name_en: str
    name_zh: str
    zones: tuple[ZoneId, ...]
    rank: int = 0
    effect: ThreatEffect = ThreatEffect.LOCK
    minutes: int = 0
    """How long it lasts; 0 = until somebody ends it."""


@dataclass(frozen=True, slots=True)
class ThreatState:
    """A plan and whether it is in force."""

    plan: ThreatPlan
    active_since: datetime | None
    active_until: datetime | None


def plans(session: ReadSession, site_id: SiteId) -> Sequence[ThreatState]:
    """Return every plan, highest rank first."""
    return [
        ThreatState(
            ThreatPlan(
                row["id"], row["name_en"], row["name_zh"], tuple(ZoneId(zone) for zone in row["zones"]), row["rank"],
                ThreatEffect(row["effect"]), row["minutes"],
            ),
            row["active_since"],
            row["active_until"],
        )
        for row in threat_repository.plans(session, site_id)
    ]  # fmt: skip


def put_plan(
    session: WriteSession, system: System, site_id: SiteId, plan: ThreatPlan, actor: str
) -> ThreatRefusal | None:
    """Keep a plan; refused when it covers an unknown zone, or when nobody at all could pass it."""
    if not plan.zones:
        return ThreatRefusal.NO_ZONE
    if not 0 <= plan.rank <= MAX_RANK or not 0 <= plan.minutes <= MAX_MINUTES:
        return ThreatRefusal.OUT_OF_RANGE
    if set(plan.zones) - {row["id"] for row in repository.zone_rows(session, site_id)}:
        return ThreatRefusal.UNKNOWN_ZONE
    overriding = [row["zones"] for row in repository.level_rows(session, site_id) if row["overrides_lockdown"]]
    if plan.effect is ThreatEffect.LOCK and not all(any(zone in zones for zones in overriding) for zone in plan.zones):
        return ThreatRefusal.LAST_ONE_OUT
    row = {**asdict(plan), "zones": list(plan.zones)}
    threat_repository.upsert(session, site_id, row)
    record(session, system, site_id, Deed(actor, "threat_plan_put", f"threat:{plan.id}", after=row))
    policy.refresh(session, system, site_id, {"threat"})
    return None


def begin(
    session: WriteSession, system: System, site_id: SiteId, plan_id: str, deed: tuple[str, str]
) -> ThreatRefusal | None:
    """Put a plan in force; `deed` is actor and reason."""
    actor, reason = deed
    if not is_reason(reason):
        return ThreatRefusal.REASON_MISSING
    row = threat_repository.lock(session, site_id, plan_id)
    if row is None:
        return ThreatRefusal.UNKNOWN_PLAN
    if row["active_since"] is not None:
        return ThreatRefusal.IN_FORCE
    now = system.clock.now()
    until = now + timedelta(minutes=row["minutes"]) if row["minutes"] else None
    threat_repository.set_active(session, site_id, plan_id, now, until)
    after = {"zones": row["zones"], "rank": row["rank"], "until": until.isoformat() if until else None}
    record(session, system, site_id, Deed(actor, "threat_begun", f"threat:{plan_id}", after=after, reason=reason))
    policy.refresh(session, system, site_id, {"threat"})
    return None


def end(
    session: WriteSession, system: System, site_id: SiteId, plan_id: str, deed: tuple[str, str]
) -> ThreatRefusal | None:
    """End a plan; `deed` is actor and reason."""
    actor, reason = deed
    if not is_reason(reason):
        return ThreatRefusal.REASON_MISSING
    row = threat_repository.lock(session, site_id, plan_id)
    if row is None:
        return ThreatRefusal.UNKNOWN_PLAN
    if row["active_since"] is None:
        return ThreatRefusal.NOT_IN_FORCE
    _end(session, system, site_id, plan_id, Deed(actor, "threat_ended", f"threat:{plan_id}", reason=reason))
    policy.refresh(session, system, site_id, {"threat"})
    return None


def end_due(session: WriteSession, system: System, site_id: SiteId) -> list[str]:
    """End the plans whose time is over and return them. `decide` ended them at their hour; this tidies the books."""
    over = threat_repository.ended(session, site_id, system.clock.now())
    for plan_id in over:
        deed = Deed(SYSTEM_ACTOR, "threat_ended", f"threat:{plan_id}", reason="its time is over")
        _end(session, system, site_id, plan_id, deed)
    if over:
        policy.refresh(session, system, site_id, {"threat"})
    return over


def _end(session: WriteSession, system: System, site_id: SiteId, plan_id: str, deed: Deed) -> None:
    threat_repository.set_active(session, site_id, plan_id, None, None)
    record(session, system, site_id, deed)
