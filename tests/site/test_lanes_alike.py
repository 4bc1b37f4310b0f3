"""Server and box answer alike: the same taps and passages over generated rules, kept by each in its own way (N1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from cardcore.access.decide import GateTap, SiteState, decide, decide_alone
from cardcore.access.items import Item, LaneItem, LaneMode, LevelItem, Proof, ScheduleItem, Span, ZoneItem
from cardcore.access.moments import QUIET, Moments
from cardcore.access.snapshot import Snapshot
from cardcore.calendar import Interval
from cardcore.clock import to_millis
from cardcore.ids import CredentialKey, LaneId, LevelId, PersonId, ScheduleId, SiteId, ZoneId
from cardcore.reasons import Reason
from reader_daemon.lane_memory import LaneMemory
from reader_daemon.policy import Policy
from reader_daemon.store.snapshot_db import StoredPolicy
from server.taps import moments
from server.taps.arrivals import Facts, Writes
from tests.cardcore.policies import NOON, card, snapshot

SITE = SiteId(UUID(int=9))
OUTSIDE, COMPOUND = ZoneId("outside"), ZoneId("compound")
LANES = (LaneId("in"), LaneId("side"))
WHO = tuple(CredentialKey(f"uid:0000000{number}") for number in range(1, 5))
"""Three with a card, and a stranger."""


@dataclass(frozen=True)
class Step:
    """Some seconds later somebody taps at a lane, and then goes through or not, or nobody says."""

    seconds: int
    lane: LaneId
    who: CredentialKey
    then: str


class StandingClock:
    """A clock that a step moves."""

    def __init__(self) -> None:
        self.at = NOON

    def now(self) -> datetime:
        return self.at

    def monotonic_ms(self) -> int:
        return to_millis(self.at)


flags = st.booleans()
levels = st.builds(
    LevelItem, st.just(LevelId("day")), st.just((COMPOUND,)), st.just(ScheduleId("office")), passback_exempt=flags,
    needs_escort=flags, escorts=flags, supervises=flags,
)  # fmt: skip
others = levels.map(lambda level: replace(level, id=LevelId("other")))
lanes = st.builds(
    LaneItem, st.just(LANES[0]), st.just("r1"), st.just(OUTSIDE), st.just(COMPOUND), st.sampled_from(LaneMode),
    free_hours=st.sampled_from(["", "office"]), locked_hours=st.sampled_from(["", "late"]), first_person=flags,
    held=st.sampled_from([None, *LaneMode]), held_until_ms=st.sampled_from([0, to_millis(NOON) + 20_000]),
    interlock=st.sampled_from(["", "trap"]), escort_seconds=st.sampled_from([5, 60]),
)  # fmt: skip
zones = st.builds(
    ZoneItem, st.just(COMPOUND), requires=st.sampled_from([(), ("health",)]), pairs=flags,
    pair_seconds=st.sampled_from([5, 20]),
)  # fmt: skip
proofs = st.sampled_from([(), (Proof("health", 0, 2**53),), (Proof("health", 0, to_millis(NOON) + 10_000),)])
permits = st.sampled_from([(), (Span(0, 2**53),), (Span(0, to_millis(NOON) + 10_000),)])
held_by_two = st.tuples(
    st.fixed_dictionaries({"permit_needed": flags, "permits": permits}),
    st.fixed_dictionaries(
        {
            "escorted": st.sampled_from([(), (LevelId("day"),), (LevelId("other"),)]),
            "hosts": st.sampled_from([(), (PersonId(UUID(int=1)),), (PersonId(UUID(int=3)),)]),
        }
    ),
)
"""What the first is as a worker, and the second as a visitor."""
steps = st.builds(
    Step, st.sampled_from([0, 1, 4, 6, 21, 61]), st.sampled_from(LANES), st.sampled_from(WHO),
    st.sampled_from(["passed", "passed", "not_used", ""]),
)  # fmt: skip


def site(*rules: Item, shown: tuple[Proof, ...], holds: Sequence[Mapping[str, Any]] = ()) -> Snapshot:
    cards = [
        replace(
            card(credential=who, proofs=shown if number else (), extended=number == 1),
            person=PersonId(UUID(int=number + 1)), levels=(LevelId("other" if number == 2 else "day"),),
            **(holds[number] if number < len(holds) else {}),
        )
        for number, who in enumerate(WHO[:3])
    ]  # fmt: skip
    late = ScheduleItem(ScheduleId("late"), (Interval(12 * 3600 + 30, 13 * 3600),))
    return snapshot(late, *rules, *cards)


class Server:
    """How the tap path keeps what lanes remember."""

    def __init__(self, policy: Snapshot) -> None:
        self.policy = policy
        self.facts = Facts({}, {}, {}, moments={SITE: {}})

    def tap(self, step: Step, lane: LaneItem, at: datetime) -> Reason:
        state = SiteState(moments=moments.known(self.facts, SITE))
        decision = decide(GateTap(step.who, step.lane), self.policy, state, at)
        moments.tapped(self.facts, Writes(), SITE, lane, (decision.card, decision.reason, at))
        return decision.reason

    def end(self, step: Step, lane: LaneItem, at: datetime) -> None:
        if step.then == "passed":
            held = self.policy.card(step.who)
            moments.passed(self.facts, Writes(), SITE, lane, held, self.policy, at, late=False)
        elif step.then:
            moments.ended(self.facts, Writes(), SITE, lane)


class Box:
    """How a box keeps what its lanes remember."""

    def __init__(self, policy: Snapshot, clock: StandingClock) -> None:
        self.policy = policy
        self.memory = LaneMemory(Policy(StoredPolicy(Snapshot.empty(), {}, 0, 0, 0), clock), clock, [])
        self.memory._policy.install(policy)

    def tap(self, step: Step, lane: LaneItem, at: datetime) -> Reason:
        state = SiteState(moments=self.memory.moments)
        decision = decide_alone(GateTap(step.who, step.lane), self.policy, state, at, timedelta(0))
        self.memory.tapped(lane, step.who, decision.reason)
        return decision.reason

    def end(self, step: Step, lane: LaneItem, at: datetime) -> None:
        if step.then == "passed":
            self.memory.passed(lane, step.who, at)
        elif step.then:
            self.memory.ended(lane)


@given(lanes, zones, levels, others, proofs, held_by_two, st.lists(steps, min_size=1, max_size=12))
def test_a48_n1_server_and_box_answer_alike_whatever_the_rules(
    lane: LaneItem,
    zone: ZoneItem,
    level: LevelItem,
    other: LevelItem,
    shown: tuple[Proof, ...],
    holds: tuple[Mapping[str, Any], ...],
    story: list[Step],
) -> None:
    side = replace(lane, id=LANES[1], reader="r9", mode=LaneMode.CARD, held=None)
    policy = site(lane, side, zone, level, other, shown=shown, holds=holds)
    clock = StandingClock()
    server, box = Server(policy), Box(policy, clock)
    for step in story:
        clock.at += timedelta(seconds=step.seconds)
        here = policy.lane(step.lane)
        assert here is not None
        reason = server.tap(step, here, clock.at)
        assert box.tap(step, here, clock.at) == reason
        if reason.grants:
            server.end(step, here, clock.at)
            box.end(step, here, clock.at)
    assert remembered(server.facts.moments[SITE]) == remembered(box.memory.moments)


def remembered(kept: Moments) -> Moments:
    return {lane: moment for lane, moment in kept.items() if moment != QUIET}
