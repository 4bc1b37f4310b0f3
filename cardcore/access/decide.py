"""`decide`: whether a credential may pass a lane. Pure, total, and the same on server and daemon.

Checks run in a fixed order and the first that fails gives the one reason, nearest cause first: the lane, the card,
its product and assurance, the right to the zone, the time, a lock-down, then what depends on where people are
(`cardcore.access.presence`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType

from cardcore.access.items import (
    CardItem,
    CardState,
    Degraded,
    LaneItem,
    LaneMode,
    LevelItem,
    Product,
    ThreatEffect,
    ZoneItem,
)
from cardcore.access.presence import NOWHERE, Whereabouts, presence_reason
from cardcore.access.snapshot import Snapshot
from cardcore.calendar import is_open
from cardcore.clock import site_time, to_millis
from cardcore.ids import CredentialKey, LaneId, ZoneId
from cardcore.reasons import ALARMING, Reason

STATE_REASONS: Mapping[CardState, Reason] = MappingProxyType(
    {
        CardState.BLANK: Reason.CARD_NOT_ISSUED,
        CardState.ISSUED: Reason.CARD_NOT_ISSUED,
        CardState.SUSPENDED: Reason.CARD_SUSPENDED,
        CardState.LOST: Reason.CARD_LOST,
        CardState.STOLEN: Reason.CARD_STOLEN,
        CardState.FOUND: Reason.CARD_SUSPENDED,
        CardState.DAMAGED: Reason.CARD_DAMAGED,
        CardState.RETURNED: Reason.CARD_RETURNED,
        CardState.REVOKED: Reason.CARD_REVOKED,
        CardState.SUPERSEDED: Reason.CARD_SUPERSEDED,
    }
)
"""The refusal of every state but ACTIVE."""

LOW_ASSURANCE_SCHEMES = frozenset({"uid", "wiegand", "qr", "pass", "plate"})
"""Schemes that identify without a proof by the card."""

GATE_PRODUCTS = frozenset({Product.COMBINED, Product.GATE_ONLY, Product.VISITOR, Product.CONTRACTOR})


@dataclass(frozen=True, slots=True)
class GateTap:
    """A credential shown at a lane."""

    credential: CredentialKey
    lane: LaneId
    possibly_stale: bool = False


@dataclass(frozen=True, slots=True)
class SiteState:
    """What moves between snapshots. `denied` is the deny list that overtakes the snapshot (P14)."""

    denied: Mapping[str, Reason] = field(default_factory=dict)
    lane_ready: Mapping[str, bool] = field(default_factory=dict)
    whereabouts: Whereabouts = NOWHERE


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether, why, for whom, and by which policy."""

    granted: bool
    reason: Reason
    policy_version: int
    card: CardItem | None = None
    alarm: bool = False


def decide(tap: GateTap, snapshot: Snapshot, state: SiteState, at: datetime) -> Decision:
    """Decide a tap at a lane; `at` is aware UTC. Never raises for any tap, snapshot or state."""
    card = snapshot.card(tap.credential)
    reason = _reason(tap, card, snapshot, state, at)
    return Decision(
        granted=reason.grants,
        reason=reason,
        policy_version=snapshot.version,
        card=card,
        alarm=reason in ALARMING,
    )


def card_reason(
    card: CardItem | None, credential: CredentialKey, denied: Mapping[str, Reason], at: datetime
) -> Reason | None:
    """Return why this card may be used nowhere, or None; shared with the canteen's rule."""
    refused = denied.get(credential)
    if refused is not None:
        return refused
    if card is None:
        return Reason.CARD_UNKNOWN
    if card.state is not CardState.ACTIVE:
        return STATE_REASONS[card.state]
    milliseconds = to_millis(at)
    if milliseconds < card.valid_from_ms:
        return Reason.CARD_NOT_YET_VALID
    if milliseconds >= card.valid_until_ms:
        return Reason.CARD_EXPIRED
    return None


def decide_alone(
    tap: GateTap, snapshot: Snapshot, state: SiteState, at: datetime, snapshot_age: timedelta | None
) -> Decision:
    """Decide without the server: `decide`, within the snapshot's age limit and the lane's degraded mode (A50, A51).

    `snapshot_age` is how long ago the server last confirmed this snapshot as current; None = never.
    """
    lane = snapshot.lane(tap.lane)
    fresh = snapshot_age is not None and snapshot_age <= timedelta(hours=snapshot.site.offline_limit_hours)
    decision = decide(tap, snapshot, state, at)
    if lane is None or fresh or lane.mode is LaneMode.LOCKED:
        return decision
    stale = Reason.SNAPSHOT_MISSING if snapshot.version == 0 else Reason.SNAPSHOT_TOO_OLD
    match lane.degraded:
        case Degraded.FREE:
            return Decision(granted=True, reason=Reason.FREE_LANE, policy_version=snapshot.version, card=decision.card)
        case Degraded.KNOWN_CARDS if decision.granted:
            return decision
        case _ if not decision.granted:
            return decision
        case _:
            return Decision(granted=False, reason=stale, policy_version=snapshot.version, card=decision.card)


def _reason(tap: GateTap, card: CardItem | None, snapshot: Snapshot, state: SiteState, at: datetime) -> Reason:
    if snapshot.version == 0:
        return Reason.SNAPSHOT_MISSING
    lane = snapshot.lane(tap.lane)
    if lane is None:
        return Reason.LANE_UNKNOWN
    if tap.possibly_stale:
        return Reason.POSSIBLY_STALE
    if lane.mode is LaneMode.LOCKED:
        return Reason.LANE_LOCKED
    if not state.lane_ready.get(tap.lane, True):
        return Reason.LANE_NOT_READY
    locked_down = is_locked_down(snapshot, lane.to_zone, at)
    if lane.mode is LaneMode.FREE and not locked_down:
        return Reason.FREE_LANE
    refused = card_reason(card, tap.credential, state.denied, at)
    if refused is not None:
        return refused
    if card is None:  # card_reason has refused already; this is for the type checker
        return Reason.CARD_UNKNOWN
    right = _right(card, lane, snapshot.zone_of(lane.to_zone), snapshot, at)
    if isinstance(right, Reason):
        return right
    if locked_down and not any(level.overrides_lockdown for level in right):
        return Reason.LOCKED_DOWN
    if any(level.passback_exempt for level in right):
        return Reason.GRANTED
    return presence_reason(card.person, snapshot.zone_of(lane.to_zone), state.whereabouts, at)


def _right(
    card: CardItem, lane: LaneItem, zone: ZoneItem | None, snapshot: Snapshot, at: datetime
) -> tuple[LevelItem, ...] | Reason:
    """Return the levels that open this lane now, at least one, or the reason why none does."""
    if card.product not in GATE_PRODUCTS:
        return Reason.PRODUCT_NOT_FOR_GATE
    scheme = card.credential.partition(":")[0]
    if scheme in LOW_ASSURANCE_SCHEMES and (zone is None or not zone.low_assurance_allowed):
        return Reason.ASSURANCE_TOO_LOW
    moment = site_time(at, snapshot.zone, snapshot.day_starts_at)
    held = [level for level_id in card.levels if (level := snapshot.level(level_id)) is not None]
    here = [level for level in held if lane.to_zone in level.zones]
    if not here:
        return Reason.NO_ACCESS_HERE
    opening = tuple(
        level
        for level in here
        if (schedule := snapshot.schedule(level.schedule)) is not None
        and is_open(schedule.intervals, snapshot.days, moment)
    )
    return opening or Reason.NO_ACCESS_NOW


def is_locked_down(snapshot: Snapshot, zone: ZoneId, at: datetime) -> bool:
    """Tell whether the highest plan in force over a zone locks it; plans end by themselves (A36, A37)."""
    milliseconds = to_millis(at)
    over = [plan for plan in snapshot.threats if zone in plan.zones and milliseconds < plan.until_ms]
    highest = max(over, key=lambda plan: (plan.rank, plan.id), default=None)
    return highest is not None and highest.effect is ThreatEffect.LOCK
