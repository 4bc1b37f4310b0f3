"""The daemon's idea of the server's clock: not moved by our own wall clock, nor by an answer that was held up."""

from __future__ import annotations

from datetime import timedelta

from cardcore.clock import to_millis
from reader_daemon.clock_watch import LONGEST_TRIP_MS, ClockWatch
from tests.reader_daemon.virtual_time import HandClock


def measured(clock: HandClock, watch: ClockWatch, ahead_ms: int, there_ms: int, back_ms: int) -> None:
    """Ask a server whose clock is ahead of ours, over a line with these delays."""
    sent_ms = clock.monotonic_ms()
    clock.ms += there_ms
    server_ms = to_millis(clock.now()) + ahead_ms
    clock.ms += back_ms
    watch.measured(sent_ms, server_ms, clock.monotonic_ms())


def test_a_quick_answer_tells_the_servers_clock() -> None:
    clock = HandClock()
    watch = ClockWatch(clock, "boot")
    assert watch.skew_ms == 0
    measured(clock, watch, 40_000, 4, 4)
    assert watch.skew_ms == 40_000
    assert watch.uncertainty_ms == 4


def test_a_step_of_our_wall_clock_moves_nothing() -> None:
    clock = HandClock()
    watch = ClockWatch(clock, "boot")
    measured(clock, watch, 0, 4, 4)
    before_ms = watch.server_now_ms()
    clock.wall_offset = timedelta(minutes=-10)
    assert watch.server_now_ms() == before_ms
    assert watch.skew_ms == 600_000


def test_an_answer_that_was_held_up_does_not_take_the_place_of_a_better_one() -> None:
    clock = HandClock()
    watch = ClockWatch(clock, "boot")
    measured(clock, watch, 0, 4, 4)
    measured(clock, watch, 0, 4, 10_000)
    assert watch.skew_ms == 0
    assert watch.uncertainty_ms <= LONGEST_TRIP_MS // 2


def test_the_first_answer_counts_however_slow_and_says_how_little_it_says() -> None:
    clock = HandClock()
    watch = ClockWatch(clock, "boot")
    measured(clock, watch, 0, 4, 10_000)
    assert abs(watch.skew_ms) <= watch.uncertainty_ms == 5_002


def test_a_step_of_our_wall_clock_does_not_make_a_long_way_short() -> None:
    clock = HandClock()
    watch = ClockWatch(clock, "boot")
    measured(clock, watch, 0, 4, 4)
    sent_ms = clock.monotonic_ms()
    clock.ms += 4
    server_ms = to_millis(clock.now())
    clock.wall_offset = timedelta(milliseconds=-2_500)
    clock.ms += 2_500
    before_ms = watch.server_now_ms()
    watch.measured(sent_ms, server_ms, clock.monotonic_ms())
    assert watch.server_now_ms() == before_ms
