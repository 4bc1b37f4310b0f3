"""Anti-passback, occupancy and lock-down: who is refused, who is noted, and who never is."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from cardcore.access.decide import GateTap, SiteState, decide
from cardcore.access.items import LaneItem, LaneMode, LevelItem, Passback, ThreatEffect, ThreatItem, ZoneItem
from cardcore.access.presence import Position, Whereabouts, asks_where
from cardcore.calendar import Interval, interval_error, is_open
from cardcore.clock import site_time, to_millis
from cardcore.ids import LaneId, LevelId, PersonId, ScheduleId, ZoneId
from cardcore.reasons import Reason
from tests.cardcore.policies import CARD, NOON, card, snapshot

TAP = GateTap(CARD, LaneId("in"))
COMPOUND, OUTSIDE = ZoneId("compound"), ZoneId("outside")
WHO = card().person
DAY = LevelItem(LevelId("day"), (COMPOUND,), ScheduleId("office"))


def zone(**rules: object) -> ZoneItem:
    return ZoneItem(COMPOUND, **rules)  # type: ignore[arg-type]


def tap(rules: ZoneItem, where: Whereabouts, *, at: datetime = NOON, level: LevelItem | None = None) -> Reason:
    items = (rules, card()) if level is None else (rules, card(), level)
    return decide(TAP, snapshot(*items), SiteState(whereabouts=where), at).reason


def inside(ago: timedelta = timedelta(hours=1), where: ZoneId = COMPOUND, **more: object) -> Whereabouts:
    return Whereabouts({WHO: Position(where, NOON - ago)}, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("passback", "expected"),
    [
        (Passback.NONE, Reason.GRANTED),
        (Passback.SOFT, Reason.GRANTED_AGAIN),
        (Passback.HARD, Reason.INSIDE_ALREADY),
    ],
)
def test_a23_a24_who_is_inside_already_is_noted_or_refused(passback: Passback, expected: Reason) -> None:
    assert tap(zone(passback=passback), inside()) is expected
    assert tap(zone(passback=passback), inside(where=OUTSIDE)) is Reason.GRANTED
    assert tap(zone(passback=passback), Whereabouts()) is Reason.GRANTED


def test_a24_an_uncertain_zone_refuses_nobody() -> None:
    where = inside(uncertain=frozenset({COMPOUND}))
    assert tap(zone(passback=Passback.HARD), where) is Reason.GRANTED_AGAIN


@pytest.mark.parametrize(
    ("ago", "expected"),
    [(0, Reason.ENTERED_JUST_NOW), (4, Reason.ENTERED_JUST_NOW), (5, Reason.GRANTED), (60, Reason.GRANTED)],
)
def test_a25_nobody_enters_twice_within_the_minutes_of_the_zone(ago: int, expected: Reason) -> None:
    assert tap(zone(passback_minutes=5), inside(timedelta(minutes=ago))) is expected


def test_a26_an_exempt_level_and_an_old_position_accuse_nobody() -> None:
    hard = zone(passback=Passback.HARD, passback_minutes=5, passback_forgets_hours=168)
    exempt = LevelItem(DAY.id, DAY.zones, DAY.schedule, passback_exempt=True)
    assert tap(hard, inside(timedelta()), level=exempt) is Reason.GRANTED
    assert tap(hard, inside(timedelta(hours=168))) is Reason.INSIDE_ALREADY
    assert tap(hard, inside(timedelta(hours=168, seconds=1))) is Reason.GRANTED


@pytest.mark.parametrize(
    ("count", "hard", "expected"),
    [
        (1, True, Reason.GRANTED),
        (2, True, Reason.ZONE_FULL),
        (3, True, Reason.ZONE_FULL),
        (2, False, Reason.GRANTED_FULL),
    ],
)
def test_a29_a_full_zone_refuses_or_notes(count: int, hard: bool, expected: Reason) -> None:
    where = Whereabouts(inside={COMPOUND: count})
    assert tap(zone(occupancy_limit=2, occupancy_hard=hard), where) is expected


def test_a29_who_is_inside_already_makes_a_zone_no_fuller() -> None:
    where = inside(inside={COMPOUND: 2})
    assert tap(zone(occupancy_limit=2, occupancy_hard=True), where) is Reason.GRANTED


def plan(effect: ThreatEffect = ThreatEffect.LOCK, rank: int = 0, name: str = "p", until_ms: int = 2**53) -> ThreatItem:
    return ThreatItem(name, (COMPOUND,), rank, effect, until_ms)


@pytest.mark.parametrize(
    ("plans", "expected"),
    [
        ((plan(),), Reason.LOCKED_DOWN),
        ((plan(until_ms=to_millis(NOON)),), Reason.GRANTED),
        ((plan(until_ms=to_millis(NOON) + 1),), Reason.LOCKED_DOWN),
        ((plan(rank=1), plan(ThreatEffect.NORMAL, rank=2, name="q")), Reason.GRANTED),
        ((plan(rank=2), plan(ThreatEffect.NORMAL, rank=1, name="q")), Reason.LOCKED_DOWN),
        ((ThreatItem("p", (OUTSIDE,)),), Reason.GRANTED),
    ],
)
def test_a36_a37_the_highest_plan_in_force_decides(plans: tuple[ThreatItem, ...], expected: Reason) -> None:
    assert decide(TAP, snapshot(card(), *plans), SiteState(), NOON).reason is expected


def test_a36_only_the_override_passes_a_lock_down_and_a_free_lane_is_free_no_more() -> None:
    override = LevelItem(DAY.id, DAY.zones, DAY.schedule, overrides_lockdown=True)
    assert decide(TAP, snapshot(card(), plan(), override), SiteState(), NOON).reason is Reason.GRANTED
    free = LaneItem(LaneId("in"), "r1", OUTSIDE, COMPOUND, LaneMode.FREE)
    assert decide(TAP, snapshot(card(), plan(), free), SiteState(), NOON).reason is Reason.LOCKED_DOWN
    stranger = GateTap(CARD, LaneId("in"))
    assert decide(stranger, snapshot(plan(), free), SiteState(), NOON).reason is Reason.CARD_UNKNOWN


def test_only_zones_with_a_rule_ask_where_people_are() -> None:
    assert not asks_where(None)
    assert not asks_where(zone())
    assert all(
        asks_where(rules) for rules in (zone(passback=Passback.SOFT), zone(passback_minutes=1), zone(occupancy_limit=1))
    )


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (None, None, True),
        (date(2026, 3, 4), None, True),
        (date(2026, 3, 5), None, False),
        (None, date(2026, 3, 4), True),
        (None, date(2026, 3, 3), False),
        (date(2026, 3, 4), date(2026, 3, 4), True),
    ],
)
def test_a22_a_window_exists_from_its_first_day_to_its_last(
    first: date | None, last: date | None, expected: bool
) -> None:
    assert (
        is_open((Interval(first_day=first, last_day=last),), {}, site_time(NOON, ZoneInfo("Asia/Shanghai"), time(4)))
        is expected
    )


def test_a22_a_window_that_ends_before_it_begins_is_refused() -> None:
    problem = interval_error(Interval(first_day=date(2026, 3, 5), last_day=date(2026, 3, 4)))
    assert problem is not None
    assert "last day" in problem


def test_nobody_else_is_where_this_person_is() -> None:
    other = PersonId(UUID(int=99))
    where = Whereabouts({other: Position(COMPOUND, NOON)})
    assert tap(zone(passback=Passback.HARD), where) is Reason.GRANTED


@pytest.mark.parametrize("passback", [Passback.NONE, Passback.SOFT])
def test_a_lane_whose_clock_is_ahead_makes_no_time_rule_where_there_is_none(passback: Passback) -> None:
    assert tap(zone(passback=passback), inside(timedelta(seconds=-30))).grants
    assert tap(zone(passback=passback, passback_minutes=1), inside(timedelta(seconds=-30))) is Reason.ENTERED_JUST_NOW
