"""What a device may ask: bursts, refills, debts that end, alarms a minute apart; an honest journal never waits."""

from __future__ import annotations

import pytest

from cardcore.wire.messages import MAX_UPLOAD_RECORDS
from reader_daemon.store.journal_db import CAPACITY_RECORDS
from reader_daemon.uplink.driver import ACK_MS
from server.link.quotas import ALARM_EVERY_MS, MAX_WAIT_MS, QUOTAS, Flow, Meter, Quota
from tests.reader_daemon.virtual_time import HandClock

SMALL = {flow: Quota(burst=10, a_minute=60) for flow in Flow}


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


def test_a_burst_is_served_and_then_one_a_second(clock: HandClock) -> None:
    meter = Meter(clock, SMALL)
    assert [meter.takes(Flow.PINS) for _ in range(11)] == [True] * 10 + [False]
    clock.ms += 999
    assert not meter.takes(Flow.PINS)
    clock.ms += 1
    assert [meter.takes(Flow.PINS) for _ in range(2)] == [True, False]
    assert meter.takes(Flow.QUESTIONS)  # each flow has its own


def test_an_allowance_is_never_more_than_its_burst(clock: HandClock) -> None:
    meter = Meter(clock, SMALL)
    clock.ms += 3_600_000
    assert sum(meter.takes(Flow.PINS) for _ in range(20)) == 10


def test_what_is_beyond_waits_in_proportion_and_never_longer_than_a_daemon_waits_for_its_answer(
    clock: HandClock,
) -> None:
    meter = Meter(clock, SMALL)
    assert meter.charge(Flow.RECORDS, 10) == 0
    assert meter.charge(Flow.RECORDS, 3) == 3_000
    assert not meter.allows(Flow.RECORDS)
    assert meter.charge(Flow.RECORDS, 1_000_000) == MAX_WAIT_MS < ACK_MS
    clock.ms += MAX_WAIT_MS
    assert meter.charge(Flow.RECORDS, 1) == 1_000


def test_somebody_is_told_once_a_minute_and_flow(clock: HandClock) -> None:
    meter = Meter(clock, SMALL)
    assert [meter.alarm_is_due(Flow.PINS), meter.alarm_is_due(Flow.PINS)] == [True, False]
    assert meter.alarm_is_due(Flow.RECORDS)
    clock.ms += ALARM_EVERY_MS
    assert meter.alarm_is_due(Flow.PINS)


def test_a_full_journal_is_handed_in_without_a_wait(clock: HandClock) -> None:
    """The most a box can hold, in one go, on a clock that stands still: no honest drain is slowed."""
    meter = Meter(clock)
    uploads = CAPACITY_RECORDS // MAX_UPLOAD_RECORDS
    assert not any(meter.charge(Flow.RECORDS, MAX_UPLOAD_RECORDS) for _ in range(uploads))
    assert set(QUOTAS) == set(Flow)
