"""What a lane remembers: two people, escorts, supervisors, interlocks, hours and holds; who is refused, and when."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from cardcore.access.decide import Check, GateTap, SiteState, decide
from cardcore.access.explain import explain
from cardcore.access.item_key import item_key
from cardcore.access.items import CardState, Item, LaneItem, LaneMode, LevelItem, Proof, ScheduleItem, Span, ZoneItem
from cardcore.access.moments import (
    MAX_HOSTS,
    QUIET,
    LaneMoment,
    after_end,
    after_passage,
    after_tap,
    lane_mode,
    window_ms,
)
from cardcore.access.snapshot import Snapshot, StateItem, encode_item
from cardcore.calendar import Interval
from cardcore.clock import to_millis
from cardcore.ids import CredentialKey, LaneId, LevelId, PersonId, ScheduleId, ZoneId
from cardcore.reasons import Reason
from tests.cardcore.policies import CARD, NOON, card, snapshot, snapshots

IN, SIDE = LaneId("in"), LaneId("side")
OUTSIDE, COMPOUND = ZoneId("outside"), ZoneId("compound")
OTHER_CARD = CredentialKey("uid:00000002")
ANNA, BORIS = PersonId(UUID(int=1)), PersonId(UUID(int=2))
LANE = LaneItem(IN, "r1", OUTSIDE, COMPOUND)
BORIS_CARD = replace(card(credential=OTHER_CARD), person=BORIS)
OFFICE = ScheduleId("office")


def tap(
    policy: Snapshot, moment: LaneMoment = QUIET, *, by: CredentialKey = CARD, seconds: float = 0, lane: LaneId = IN
) -> Reason:
    at = NOON + timedelta(seconds=seconds)
    return decide(GateTap(by, lane), policy, SiteState(moments={IN: moment}), at).reason


def policy(*items: Item) -> Snapshot:
    return snapshot(card(), BORIS_CARD, *items)


def level(**rules: bool) -> LevelItem:
    return LevelItem(LevelId("day"), (COMPOUND,), OFFICE, **rules)


# --- two people -------------------------------------------------------------------------------------------------------


def test_a31_the_second_of_two_people_is_let_in_within_the_seconds() -> None:
    vault = policy(ZoneItem(COMPOUND, pairs=True, pair_seconds=20))
    assert tap(vault) is Reason.SECOND_PERSON_NEEDED
    waiting = after_tap(QUIET, LANE, card(), Reason.SECOND_PERSON_NEEDED, NOON)
    assert tap(vault, waiting, by=OTHER_CARD, seconds=20) is Reason.GRANTED
    assert tap(vault, waiting, by=OTHER_CARD, seconds=21) is Reason.SECOND_PERSON_NEEDED
    assert tap(vault, waiting, seconds=1) is Reason.SECOND_PERSON_NEEDED  # one person is not two
    granted = after_tap(waiting, LANE, BORIS_CARD, Reason.GRANTED, NOON)
    assert (granted.partner, granted.waiting) == (ANNA, None)


def test_a31_one_refused_is_both_refused() -> None:
    waiting = after_tap(QUIET, LANE, card(), Reason.SECOND_PERSON_NEEDED, NOON)
    assert after_tap(waiting, LANE, BORIS_CARD, Reason.NO_ACCESS_NOW, NOON) == QUIET


# --- interlock --------------------------------------------------------------------------------------------------------


def test_a30_one_lane_of_an_interlock_is_open_at_a_time() -> None:
    trap = policy(replace(LANE, interlock="trap"), LaneItem(SIDE, "r9", OUTSIDE, COMPOUND, interlock="trap"))
    opened = after_tap(QUIET, LANE, card(), Reason.GRANTED, NOON)
    assert opened.open_until == NOON + timedelta(milliseconds=LANE.open_window_ms)
    assert tap(trap, opened, by=OTHER_CARD, lane=SIDE, seconds=5) is Reason.LANE_INTERLOCKED
    assert tap(trap, opened, by=OTHER_CARD, lane=SIDE, seconds=6) is Reason.GRANTED
    assert tap(trap, opened, seconds=1) is Reason.GRANTED  # its own grant is the lane's own matter
    for closed in (after_end(opened), after_passage(opened, LANE, card(), trap, NOON)):
        assert tap(trap, closed, by=OTHER_CARD, lane=SIDE, seconds=1) is Reason.GRANTED


def test_a30_an_interlock_holds_for_a_free_lane_too() -> None:
    trap = policy(
        replace(LANE, interlock="trap"), LaneItem(SIDE, "r9", OUTSIDE, COMPOUND, LaneMode.FREE, interlock="trap")
    )
    opened = after_tap(QUIET, LANE, card(), Reason.GRANTED, NOON)
    assert tap(trap, opened, lane=SIDE, seconds=1) is Reason.LANE_INTERLOCKED


# --- escort -----------------------------------------------------------------------------------------------------------


def test_a35_who_needs_an_escort_follows_one_through_the_same_lane() -> None:
    host = LevelItem(LevelId("host"), (COMPOUND,), OFFICE, escorts=True)
    rules = policy(level(needs_escort=True), host, replace(BORIS_CARD, levels=(LevelId("host"),)))
    assert tap(rules) is Reason.ESCORT_NEEDED
    led = after_passage(QUIET, LANE, rules.card(OTHER_CARD), rules, NOON)
    assert led.escort == BORIS
    assert tap(rules, led, seconds=60) is Reason.GRANTED
    assert tap(rules, led, seconds=61) is Reason.ESCORT_NEEDED
    assert after_tap(QUIET, LANE, rules.card(OTHER_CARD), Reason.GRANTED, NOON).escort is None  # a grant leads nobody


def test_a35_a_visitor_follows_the_own_host_and_nobody_elses() -> None:
    visitor = replace(card(), escorted=(LevelId("day"),), hosts=(BORIS,))
    rules = snapshot(visitor, BORIS_CARD)
    assert tap(rules) is Reason.ESCORT_NEEDED
    led = after_passage(QUIET, LANE, BORIS_CARD, rules, NOON)
    assert tap(rules, led, seconds=60) is Reason.GRANTED
    assert tap(rules, led, seconds=61) is Reason.ESCORT_NEEDED
    assert tap(rules, led, by=OTHER_CARD) is Reason.GRANTED  # a host needs no host
    assert after_passage(QUIET, LANE, visitor, rules, NOON).hosts == ()  # a visitor brings nobody
    others = snapshot(replace(visitor, hosts=(PersonId(UUID(int=7)),)), BORIS_CARD)
    assert tap(others, led) is Reason.ESCORT_NEEDED
    guard = LaneMoment(escort=PersonId(UUID(int=9)), escort_at=NOON)
    assert tap(others, guard) is Reason.GRANTED  # anybody whose level escorts will do


def test_a35_the_way_out_asks_for_no_escort() -> None:
    rules = snapshot(replace(card(levels=(LevelId("day"), LevelId("out"))), escorted=(LevelId("out"),), hosts=(BORIS,)))
    assert tap(rules) is Reason.GRANTED


def test_a35_a_lane_remembers_so_many_hosts_each_once_in_their_order() -> None:
    hosts = [replace(BORIS_CARD, person=PersonId(UUID(int=100 + number))) for number in range(MAX_HOSTS + 2)]
    rules = snapshot(replace(card(), escorted=(LevelId("day"),), hosts=tuple(host.person for host in hosts)))
    moment = QUIET
    for second, host in enumerate(hosts):
        moment = after_passage(moment, LANE, host, rules, NOON + timedelta(seconds=second))
    assert [host.person.int - 100 for host in moment.hosts] == list(range(2, MAX_HOSTS + 2))
    late = after_passage(moment, LANE, hosts[-1], rules, NOON)
    assert late.hosts == moment.hosts  # a late report takes nothing back
    assert after_passage(moment, LANE, hosts[5], rules, NOON + timedelta(hours=1)).hosts[-1].person == hosts[5].person


def test_a35_a_delta_finds_the_hosts_as_a_whole_snapshot_does() -> None:
    visitor = replace(card(), escorted=(LevelId("day"),), hosts=(BORIS,))
    told = snapshot(card()).with_changes(2, [StateItem(item_key(visitor), encode_item(visitor))])
    assert (told.hosts, told.has_moments) == (frozenset({BORIS}), True)
    over = told.with_changes(3, [StateItem(item_key(card()), encode_item(card()))])
    assert (over.hosts, over.has_moments) == (frozenset(), False)
    assert told.with_changes(3, [StateItem(item_key(visitor), b"")]).hosts == frozenset()


def test_an_item_of_an_older_server_asks_for_neither_escort_nor_permit() -> None:
    assert b"escorted" not in encode_item(card())
    assert b"permit" not in encode_item(card())
    assert tap(snapshot(card())) is Reason.GRANTED


# --- permits ----------------------------------------------------------------------------------------------------------


def test_s08_a_worker_passes_only_while_a_permit_is_in_force() -> None:
    now_ms = to_millis(NOON)
    worker = replace(card(), permit_needed=True, permits=(Span(0, now_ms), Span(now_ms + 60_000, now_ms + 120_000)))
    assert [tap(snapshot(worker), seconds=at) for at in (-1, 0, 59, 60, 119, 120)] == [
        Reason.GRANTED, Reason.PERMIT_MISSING, Reason.PERMIT_MISSING, Reason.GRANTED, Reason.GRANTED,
        Reason.PERMIT_MISSING,
    ]  # fmt: skip
    lost = replace(worker, permits=(), state=CardState.LOST)
    assert tap(snapshot(lost)) is Reason.CARD_LOST  # what is wrong with the card comes first


# --- escort by level --------------------------------------------------------------------------------------------------


def test_a35_a_level_of_ones_own_needs_no_escort() -> None:
    own = LevelItem(LevelId("own"), (COMPOUND,), OFFICE)
    rules = snapshot(card(levels=(LevelId("day"), LevelId("own"))), level(needs_escort=True), own)
    assert tap(rules) is Reason.GRANTED


# --- proofs -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("proofs", "expected"),
    [
        ((), Reason.PROOF_MISSING),
        ((Proof("health", 0, to_millis(NOON)),), Reason.PROOF_MISSING),
        ((Proof("health", 0, to_millis(NOON)), Proof("induction", 0, 2**53)), Reason.PROOF_EXPIRED),
        ((Proof("health", to_millis(NOON) + 1, 2**53), Proof("induction", 0, 2**53)), Reason.PROOF_EXPIRED),
        ((Proof("health", to_millis(NOON), 2**53), Proof("induction", 0, 2**53)), Reason.GRANTED),
    ],
)
def test_a39_a_zone_asks_for_proofs_that_are_valid_now(proofs: tuple[Proof, ...], expected: Reason) -> None:
    kitchen = ZoneItem(COMPOUND, requires=("health", "induction"))
    assert tap(snapshot(card(proofs=proofs), kitchen)) is expected


# --- modes ------------------------------------------------------------------------------------------------------------


def test_a33_hours_of_free_passage_begin_with_the_supervisor() -> None:
    lane = replace(LANE, free_hours=str(OFFICE), first_person=True)
    rules = policy(lane, level(supervises=True))
    unknown = CredentialKey("uid:99999999")
    assert tap(rules, by=unknown) is Reason.CARD_UNKNOWN
    begun = after_passage(QUIET, lane, card(), rules, NOON)
    assert tap(rules, begun, by=unknown, seconds=1) is Reason.FREE_LANE
    assert tap(rules, begun, by=unknown, seconds=24 * 3600) is Reason.CARD_UNKNOWN
    early = after_passage(QUIET, lane, card(), rules, NOON - timedelta(hours=5))
    assert tap(rules, early, by=unknown) is Reason.CARD_UNKNOWN  # a passage before the hours begins nothing


def test_a58_a_hold_comes_before_the_hours_and_ends_by_itself() -> None:
    night = ScheduleItem(ScheduleId("night"), (Interval(0, 8 * 3600),))
    lane = replace(LANE, free_hours=str(OFFICE), locked_hours="night")
    held = replace(lane, held=LaneMode.LOCKED, held_until_ms=to_millis(NOON) + 1000)
    rules = policy(night)
    assert lane_mode(lane, rules, QUIET, NOON) is LaneMode.FREE
    assert lane_mode(lane, rules, QUIET, NOON - timedelta(hours=6)) is LaneMode.LOCKED
    assert lane_mode(lane, rules, QUIET, NOON + timedelta(hours=9)) is LaneMode.CARD
    assert lane_mode(held, rules, QUIET, NOON) is LaneMode.LOCKED
    assert lane_mode(held, rules, QUIET, NOON + timedelta(seconds=1)) is LaneMode.FREE
    assert tap(policy(held, night)) is Reason.LANE_LOCKED


def test_a43_who_needs_longer_gets_the_longer_window() -> None:
    slow = replace(card(), extended=True)
    assert window_ms(LANE, card()) == 5_500
    assert window_ms(LANE, slow) == 15_000
    opened = after_tap(QUIET, LANE, slow, Reason.GRANTED, NOON)
    assert opened.open_until == NOON + timedelta(seconds=15)


# --- telling why ------------------------------------------------------------------------------------------------------


def test_a66_the_explanation_names_the_check_that_decided_and_the_levels() -> None:
    explained = explain(GateTap(CARD, IN), snapshot(card()), SiteState(), NOON + timedelta(hours=9))
    assert explained.decision.reason is Reason.NO_ACCESS_NOW
    assert (explained.steps[-1].check, explained.steps[-1].reason) == (Check.HOUR, Reason.NO_ACCESS_NOW)
    assert all(step.reason is None for step in explained.steps[:-1])
    assert [(view.level, view.leads_here, view.opens_now) for view in explained.levels] == [("day", True, False)]


moments = st.builds(
    LaneMoment,
    open_until=st.sampled_from([None, NOON + timedelta(seconds=3)]),
    waiting=st.sampled_from([None, ANNA, BORIS]),
    waiting_since=st.sampled_from([None, NOON, NOON - timedelta(minutes=5)]),
    escort=st.sampled_from([None, BORIS]),
    escort_at=st.sampled_from([None, NOON]),
    supervised_at=st.sampled_from([None, NOON]),
)


@given(snapshots, moments, st.booleans())
def test_a66_an_explanation_is_the_decision(held: Snapshot, moment: LaneMoment, pairs: bool) -> None:
    rules: list[Item] = [ZoneItem(COMPOUND, pairs=pairs), level(needs_escort=True)] if held.version else []
    states = held.with_changes(held.version, _states(rules))
    state = SiteState(moments={IN: moment})
    decision = decide(GateTap(CARD, IN), states, state, NOON)
    assert explain(GateTap(CARD, IN), states, state, NOON).decision == decision
    after = after_tap(moment, LANE, decision.card, decision.reason, NOON)
    assert after.waiting is None or decision.reason is Reason.SECOND_PERSON_NEEDED


def _states(items: list[Item]) -> list[StateItem]:
    return [StateItem(item_key(item), encode_item(item)) for item in items]
