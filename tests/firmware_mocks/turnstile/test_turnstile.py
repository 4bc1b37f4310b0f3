"""A pulse-mode turnstile: one pulse, one passage or none; PASS closed when idle; power and fire have their way."""

from __future__ import annotations

import pytest

from firmware_mocks.happenings import Happening
from firmware_mocks.turnstile.mechanism import Contacts, Direction, Person, Turnstile
from firmware_mocks.turnstile.timing import BARRIER, LaneTiming

IDLE = Contacts(pass_a=True, pass_b=True, ready=True, fire=False)
PASSING = Contacts(pass_a=False, pass_b=True, ready=True, fire=False)


def test_idle_contacts_are_closed_and_the_arm_is_locked() -> None:
    lane = Turnstile("g01")
    assert lane.contacts(0) == IDLE
    assert not lane.is_open(Direction.A)


def test_a_pulse_lets_one_person_through_then_locks() -> None:
    lane = Turnstile("g01")
    lane.unlock(Direction.A, 1_000)
    assert lane.is_open(Direction.A)
    assert lane.contacts(1_799) == IDLE
    assert lane.contacts(1_800) == PASSING
    assert not lane.is_open(Direction.A)
    assert lane.contacts(2_199) == PASSING
    assert lane.contacts(2_200) == IDLE
    assert (lane.counters.pulses, lane.counters.passages, lane.counters.forced) == (1, 1, 0)


def test_nobody_walks_and_the_window_closes_after_5_s() -> None:
    lane = Turnstile("g01")
    lane.set_policy(None)
    lane.unlock(Direction.A, 0)
    lane.advance(4_999)
    assert lane.is_open(Direction.A)
    lane.advance(5_000)
    assert not lane.is_open(Direction.A)
    assert (lane.counters.passages, lane.counters.windows_unused) == (0, 1)


def test_somebody_too_slow_finds_the_arm_locked() -> None:
    lane = Turnstile("g01")
    lane.set_policy(6_000)
    lane.unlock(Direction.A, 0)
    lane.advance(20_000)
    assert (lane.counters.passages, lane.counters.windows_unused) == (0, 1)


def test_the_person_in_front_decides_once() -> None:
    lane = Turnstile("g01")
    lane.approach(Person(None))
    lane.unlock(Direction.A, 0)
    lane.advance(10_000)
    assert lane.counters.passages == 0
    lane.unlock(Direction.A, 10_000)
    lane.advance(20_000)
    assert lane.counters.passages == 1


def test_a_second_pulse_lengthens_the_window_and_brings_no_second_person() -> None:
    lane = Turnstile("g01")
    lane.set_policy(3_000)
    lane.unlock(Direction.A, 0)
    lane.unlock(Direction.A, 1_000)
    lane.advance(3_000)
    assert (lane.counters.pulses, lane.counters.passages) == (2, 1)
    lane.advance(30_000)
    assert lane.counters.passages == 1


def test_direction_b_has_its_own_contact() -> None:
    lane = Turnstile("g01")
    lane.unlock(Direction.B, 0)
    assert lane.contacts(800) == Contacts(pass_a=True, pass_b=False, ready=True, fire=False)


def test_a_forced_passage_opens_the_contact_without_a_pulse() -> None:
    lane = Turnstile("g01")
    lane.force(Direction.A, 100)
    assert lane.contacts(100) == PASSING
    assert (lane.counters.forced, lane.counters.pulses) == (1, 0)


def test_power_loss_opens_every_contact_and_ready_comes_back_late() -> None:
    lane = Turnstile("g01")
    lane.unlock(Direction.A, 0)
    lane.set_power(100, on=False)
    assert lane.contacts(100) == Contacts(pass_a=False, pass_b=False, ready=False, fire=False)
    lane.unlock(Direction.A, 200)
    lane.set_power(1_000, on=True)
    assert lane.contacts(1_499) == Contacts(pass_a=True, pass_b=True, ready=False, fire=False)
    assert lane.next_due_ms() == 1_500
    assert lane.contacts(1_500) == IDLE
    assert (lane.counters.passages, lane.counters.pulses_refused) == (0, 1)


def test_a_broken_lane_takes_no_pulse() -> None:
    lane = Turnstile("g01")
    lane.set_healthy(0, on=False)
    lane.unlock(Direction.A, 100)
    assert not lane.contacts(100).ready
    assert not lane.is_open(Direction.A)
    assert lane.counters.pulses_refused == 1


def test_fire_frees_both_directions_and_no_passage_is_forced() -> None:
    lane = Turnstile("g01")
    lane.set_fire(0, on=True)
    assert lane.is_open(Direction.A)
    assert lane.is_open(Direction.B)
    assert lane.contacts(0).fire
    lane.force(Direction.B, 100)
    assert (lane.counters.passages, lane.counters.forced) == (1, 0)


def test_a_barrier_is_slower() -> None:
    lane = Turnstile("v01", BARRIER)
    lane.unlock(Direction.A, 0)
    assert lane.contacts(2_000) == PASSING
    assert lane.contacts(4_999) == PASSING
    assert lane.contacts(5_000) == IDLE


def test_passages_are_told_with_their_own_time() -> None:
    happenings: list[Happening] = []
    lane = Turnstile("g01", observe=happenings.append)
    lane.unlock(Direction.A, 0)
    lane.advance(60_000)
    assert [(each.kind, each.at_ms) for each in happenings] == [
        ("pulse", 0),
        ("arm", 0),
        ("passage", 800),
        ("arm", 800),
    ]


def test_times_must_be_positive() -> None:
    with pytest.raises(ValueError, match="open_window_ms must be"):
        LaneTiming(open_window_ms=0)
    with pytest.raises(ValueError, match="cannot walk"):
        Person(-1)
