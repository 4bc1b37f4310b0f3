"""`decide`: whether a credential may pass a lane. Pure, total, and the same on server and daemon.

`CHECKS` run in their order and the first that says something gives the one reason, so that what is told is what came
closest to success: the lane, the card, its product and assurance, the right to the zone, the time, a lock-down, proofs,
where people are (`cardcore.access.presence`), and who comes with them (`cardcore.access.moments`).
`cardcore.access.explain` runs the same checks and writes down what each found.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
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
)
from cardcore.access.moments import QUIET, LaneMoment, Moments, has_escort, is_interlocked, is_second, lane_mode
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
    moments: Moments = field(default_factory=dict)
    """What the site's lanes remember, as far as rules ask (`cardcore.access.moments`)."""


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
    scene = Scene(tap, snapshot, state, at)
    reason = None
    for _, check in CHECKS:
        reason = check(scene)
        if reason is not None:
            break
    return concluded(scene, reason)


def concluded(scene: Scene, found: Reason | None) -> Decision:
    """Return the decision after the checks; `found` is what the last of them said."""
    reason, snapshot, card = found or scene.granted, scene.snapshot, scene.card
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
    if lane is None or fresh or decision.reason is Reason.LANE_LOCKED:
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


class Scene:
    """One tap with what the checks found so far; belongs to one call of `decide`."""

    __slots__ = ("at", "card", "granted", "lane", "levels", "locked_down", "moment", "snapshot", "state", "tap", "zone")

    def __init__(self, tap: GateTap, snapshot: Snapshot, state: SiteState, at: datetime) -> None:
        """Look up what every check needs; `lane` stands for an unknown one until `LANE` has refused it."""
        self.tap = tap
        self.snapshot = snapshot
        self.state = state
        self.at = at
        self.card = snapshot.card(tap.credential)
        self.lane = snapshot.lane(tap.lane) or _NO_LANE
        self.zone = snapshot.zone_of(self.lane.to_zone)
        self.moment: LaneMoment = state.moments.get(tap.lane, QUIET)
        self.levels: tuple[LevelItem, ...] = ()
        """First those that lead into the zone, then those that also open now."""
        self.locked_down = False
        self.granted = Reason.GRANTED
        """The reason of the grant, if every check agrees."""


_NO_LANE = LaneItem(LaneId(""), "", ZoneId(""), ZoneId(""))


def _policy(scene: Scene) -> Reason | None:
    return Reason.SNAPSHOT_MISSING if scene.snapshot.version == 0 else None


def _lane(scene: Scene) -> Reason | None:
    return Reason.LANE_UNKNOWN if scene.lane is _NO_LANE else None


def _fresh(scene: Scene) -> Reason | None:
    return Reason.POSSIBLY_STALE if scene.tap.possibly_stale else None


def _mode(scene: Scene) -> Reason | None:
    """Refuse at a locked lane; let everybody through a free one, unless its zone is locked down."""
    lane, tap = scene.lane, scene.tap
    mode = lane_mode(lane, scene.snapshot, scene.moment, scene.at)
    if mode is LaneMode.LOCKED:
        return Reason.LANE_LOCKED
    if not scene.state.lane_ready.get(tap.lane, True):
        return Reason.LANE_NOT_READY
    if is_interlocked(lane, scene.snapshot, scene.state.moments, scene.at):
        return Reason.LANE_INTERLOCKED
    scene.locked_down = is_locked_down(scene.snapshot, lane.to_zone, scene.at)
    return Reason.FREE_LANE if mode is LaneMode.FREE and not scene.locked_down else None


def _permit(scene: Scene) -> Reason | None:
    """Refuse a worker of an outside crew without a permit in force, whatever levels the card has (S8).

    Asked before the card's validity, which ends with the permit: the missing permit is what can be mended. A card
    that is lost or denied is told as such.
    """
    card = scene.card
    if card is None or not card.permit_needed or card.state is not CardState.ACTIVE:
        return None
    now_ms = to_millis(scene.at)
    if scene.tap.credential in scene.state.denied or any(one.from_ms <= now_ms < one.until_ms for one in card.permits):
        return None
    return Reason.PERMIT_MISSING


def _card(scene: Scene) -> Reason | None:
    return card_reason(scene.card, scene.tap.credential, scene.state.denied, scene.at)


def _product(scene: Scene) -> Reason | None:
    card = scene.card
    return None if card is not None and card.product in GATE_PRODUCTS else Reason.PRODUCT_NOT_FOR_GATE


def _assurance(scene: Scene) -> Reason | None:
    if scene.tap.credential.partition(":")[0] not in LOW_ASSURANCE_SCHEMES:
        return None
    zone = scene.zone
    return None if zone is not None and zone.low_assurance_allowed else Reason.ASSURANCE_TOO_LOW


def _place(scene: Scene) -> Reason | None:
    """Find the holder's levels that lead into the zone."""
    snapshot, zone = scene.snapshot, scene.lane.to_zone
    held = scene.card.levels if scene.card is not None else ()
    scene.levels = tuple(level for one in held if (level := snapshot.level(one)) is not None and zone in level.zones)
    return None if scene.levels else Reason.NO_ACCESS_HERE


def _hour(scene: Scene) -> Reason | None:
    """Keep of the levels those that open now."""
    snapshot = scene.snapshot
    now = site_time(scene.at, snapshot.zone, snapshot.day_starts_at)
    scene.levels = tuple(
        level
        for level in scene.levels
        if (schedule := snapshot.schedule(level.schedule)) is not None
        and is_open(schedule.intervals, snapshot.days, now)
    )
    return None if scene.levels else Reason.NO_ACCESS_NOW


def _lockdown(scene: Scene) -> Reason | None:
    if scene.locked_down and not any(level.overrides_lockdown for level in scene.levels):
        return Reason.LOCKED_DOWN
    return None


def _proof(scene: Scene) -> Reason | None:
    """Ask for everything that the zone requires (A39); one that expired is nearer than one that never was."""
    card, zone = scene.card, scene.zone
    if zone is None or not zone.requires or card is None:
        return None
    now_ms, missing = to_millis(scene.at), None
    for requirement in zone.requires:
        shown = [proof for proof in card.proofs if proof.requirement == requirement]
        if not shown:
            missing = Reason.PROOF_MISSING
        elif not any(proof.from_ms <= now_ms < proof.until_ms for proof in shown):
            missing = missing or Reason.PROOF_EXPIRED
    return missing


def _presence(scene: Scene) -> Reason | None:
    card = scene.card
    if card is None or any(level.passback_exempt for level in scene.levels):
        return None
    reason = presence_reason(card.person, scene.zone, scene.state.whereabouts, scene.at)
    if not reason.grants:
        return reason
    scene.granted = reason
    return None


def _escort(scene: Scene) -> Reason | None:
    card = scene.card
    led = card.escorted if card is not None else ()
    if not all(level.needs_escort or level.id in led for level in scene.levels):
        return None
    return None if has_escort(scene.lane, scene.moment, card, scene.at) else Reason.ESCORT_NEEDED


def _company(scene: Scene) -> Reason | None:
    zone, card = scene.zone, scene.card
    if zone is None or not zone.pairs or card is None or is_second(zone, scene.moment, card.person, scene.at):
        return None
    return Reason.SECOND_PERSON_NEEDED


class Check(StrEnum):
    """The questions of a decision, in the order in which they are asked."""

    POLICY = "policy"
    LANE = "lane"
    FRESH = "fresh"
    MODE = "mode"
    PERMIT = "permit"
    CARD = "card"
    PRODUCT = "product"
    ASSURANCE = "assurance"
    PLACE = "place"
    HOUR = "hour"
    LOCKDOWN = "lockdown"
    PROOF = "proof"
    PRESENCE = "presence"
    ESCORT = "escort"
    COMPANY = "company"


CHECKS: tuple[tuple[Check, Callable[[Scene], Reason | None]], ...] = (
    (Check.POLICY, _policy),
    (Check.LANE, _lane),
    (Check.FRESH, _fresh),
    (Check.MODE, _mode),
    (Check.PERMIT, _permit),
    (Check.CARD, _card),
    (Check.PRODUCT, _product),
    (Check.ASSURANCE, _assurance),
    (Check.PLACE, _place),
    (Check.HOUR, _hour),
    (Check.LOCKDOWN, _lockdown),
    (Check.PROOF, _proof),
    (Check.PRESENCE, _presence),
    (Check.ESCORT, _escort),
    (Check.COMPANY, _company),
)
"""Every check after `CARD` may rely on a known, active card, and every one after `HOUR` on levels that open."""


def is_locked_down(snapshot: Snapshot, zone: ZoneId, at: datetime) -> bool:
    """Tell whether the highest plan in force over a zone locks it; plans end by themselves (A36, A37)."""
    milliseconds = to_millis(at)
    over = [plan for plan in snapshot.threats if zone in plan.zones and milliseconds < plan.until_ms]
    highest = max(over, key=lambda plan: (plan.rank, plan.id), default=None)
    return highest is not None and highest.effect is ThreatEffect.LOCK
