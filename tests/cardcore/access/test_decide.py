"""`decide`: one reason, the nearest failure first, for every tap there can be."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardcore.access.decide import GateTap, SiteState, decide, decide_alone
from cardcore.access.items import CardItem, CardState, Degraded, LaneItem, LaneMode, Product
from cardcore.access.snapshot import Snapshot
from cardcore.ids import CredentialKey, LaneId, LevelId, ZoneId
from cardcore.reasons import Reason
from tests.cardcore.policies import CARD, NOON, card, denials, instants, snapshot, snapshots

IN = LaneId("in")
TAP = GateTap(CARD, IN)


@pytest.mark.parametrize(
    ("held", "tap", "expected"),
    [
        (card(), TAP, Reason.GRANTED),
        (card(), GateTap(CARD, LaneId("gone")), Reason.LANE_UNKNOWN),
        (card(), GateTap(CARD, IN, possibly_stale=True), Reason.POSSIBLY_STALE),
        (card(), GateTap(CredentialKey("uid:00000002"), IN), Reason.CARD_UNKNOWN),
        (card(state=CardState.ISSUED), TAP, Reason.CARD_NOT_ISSUED),
        (card(state=CardState.LOST), TAP, Reason.CARD_LOST),
        (card(state=CardState.SUSPENDED, valid_until_ms=0), TAP, Reason.CARD_SUSPENDED),
        (card(valid_from_ms=2**53), TAP, Reason.CARD_NOT_YET_VALID),
        (card(valid_until_ms=0), TAP, Reason.CARD_EXPIRED),
        (card(product=Product.CANTEEN_ONLY), TAP, Reason.PRODUCT_NOT_FOR_GATE),
        (card(levels=(LevelId("deep"),)), TAP, Reason.NO_ACCESS_HERE),
        (card(levels=(LevelId("deep"),)), GateTap(CARD, LaneId("deep")), Reason.ASSURANCE_TOO_LOW),
    ],
)
def test_each_refusal_has_its_reason(held: CardItem, tap: GateTap, expected: Reason) -> None:
    decision = decide(tap, snapshot(held), SiteState(), NOON)
    assert (decision.reason, decision.granted) == (expected, expected is Reason.GRANTED)
    assert decision.policy_version == 1


def test_the_hour_decides_last() -> None:
    assert decide(TAP, snapshot(card()), SiteState(), NOON + timedelta(hours=9)).reason is Reason.NO_ACCESS_NOW


def test_the_deny_list_wins_over_the_snapshot() -> None:
    decision = decide(TAP, snapshot(card()), SiteState(denied={CARD: Reason.CARD_LOST}), NOON)
    assert decision.reason is Reason.CARD_LOST
    assert decision.alarm


@pytest.mark.parametrize(
    ("mode", "expected"), [(LaneMode.LOCKED, Reason.LANE_LOCKED), (LaneMode.FREE, Reason.FREE_LANE)]
)
def test_a_lane_that_takes_no_cards(mode: LaneMode, expected: Reason) -> None:
    lane = LaneItem(IN, "r1", ZoneId("outside"), ZoneId("compound"), mode)
    assert decide(TAP, snapshot(lane), SiteState(), NOON).reason is expected


def test_a_lane_that_is_not_ready_grants_nothing() -> None:
    state = SiteState(lane_ready={IN: False})
    assert decide(TAP, snapshot(card()), state, NOON).reason is Reason.LANE_NOT_READY


@pytest.mark.parametrize(
    ("degraded", "expected"),
    [
        (Degraded.LOCKED, Reason.SNAPSHOT_TOO_OLD),
        (Degraded.KNOWN_CARDS, Reason.GRANTED),
        (Degraded.FREE, Reason.FREE_LANE),
    ],
)
def test_what_a_lane_does_when_its_list_is_too_old(degraded: Degraded, expected: Reason) -> None:
    lane = LaneItem(IN, "r1", ZoneId("outside"), ZoneId("compound"), degraded=degraded)
    held = snapshot(card(), lane)
    assert decide_alone(TAP, held, SiteState(), NOON, timedelta(hours=73)).reason is expected
    assert decide_alone(TAP, held, SiteState(), NOON, None).reason is expected
    assert decide_alone(TAP, held, SiteState(), NOON, timedelta(hours=72)).reason is Reason.GRANTED


def test_a_box_that_was_never_told_anything_opens_nothing() -> None:
    assert decide_alone(TAP, Snapshot.empty(), SiteState(), NOON, None).reason is Reason.SNAPSHOT_MISSING


@given(snapshots, denials, instants, st.sampled_from(["in", "deep", "gone"]), st.booleans())
def test_decide_is_total_and_a_grant_needs_an_active_card_or_an_open_lane(
    held: Snapshot, denied: dict[str, Reason], at: datetime, lane: str, stale: bool
) -> None:
    decision = decide(GateTap(CARD, LaneId(lane), stale), held, SiteState(denied=denied), at)
    assert decision.granted == decision.reason.grants
    if decision.reason is Reason.GRANTED:
        assert decision.card is not None
        assert decision.card.state is CardState.ACTIVE
        assert not denied
        assert not stale


@given(snapshots, denials, instants)
def test_alone_with_a_fresh_list_a_daemon_decides_as_the_server_does(
    held: Snapshot, denied: dict[str, Reason], at: datetime
) -> None:
    state = SiteState(denied=denied)
    assert decide_alone(TAP, held, state, at, timedelta(0)) == decide(TAP, held, state, at)


@given(snapshots, denials, instants, st.none() | st.integers(0, 500))
def test_an_old_list_never_grants_a_card_that_a_fresh_one_refuses(
    held: Snapshot, denied: dict[str, Reason], at: datetime, age_hours: int | None
) -> None:
    age = None if age_hours is None else timedelta(hours=age_hours)
    alone = decide_alone(TAP, held, SiteState(denied=denied), at, age)
    if alone.reason is Reason.GRANTED:
        assert decide(TAP, held, SiteState(denied=denied), at).granted
