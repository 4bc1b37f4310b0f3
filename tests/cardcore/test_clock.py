"""Site time: business days that begin at four, DST, and instants that must be UTC."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardcore.clock import from_millis, site_time, to_millis

SHANGHAI = ZoneInfo("Asia/Shanghai")
FOUR = time(4)


@pytest.mark.parametrize(
    ("utc", "day", "business_day"),
    [
        (datetime(2026, 3, 3, 19, 59, tzinfo=UTC), date(2026, 3, 4), date(2026, 3, 3)),
        (datetime(2026, 3, 3, 20, 0, tzinfo=UTC), date(2026, 3, 4), date(2026, 3, 4)),
        (datetime(2026, 3, 4, 15, 59, 59, tzinfo=UTC), date(2026, 3, 4), date(2026, 3, 4)),
        (datetime(2026, 3, 4, 16, 0, tzinfo=UTC), date(2026, 3, 5), date(2026, 3, 4)),
    ],
)
def test_a_meal_after_midnight_belongs_to_the_evening_before(utc: datetime, day: date, business_day: date) -> None:
    moment = site_time(utc, SHANGHAI, FOUR)
    assert (moment.day, moment.business_day) == (day, business_day)
    assert moment.weekday == day.weekday()


@given(st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - hypothesis wants naive bounds
def test_business_days_never_go_back_over_a_change_of_clocks(at: datetime) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    assert site_time(at, berlin, FOUR).business_day <= site_time(at + timedelta(hours=1), berlin, FOUR).business_day


@pytest.mark.parametrize("at", [datetime(2026, 1, 1), datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=8)))])  # noqa: DTZ001 - the naive one is the point
def test_an_instant_that_is_not_utc_is_a_programming_error(at: datetime) -> None:
    with pytest.raises(ValueError, match="aware UTC"):
        site_time(at, SHANGHAI, FOUR)


@given(st.integers(0, 4_000_000_000_000))
def test_milliseconds_read_back(milliseconds: int) -> None:
    assert to_millis(from_millis(milliseconds)) == milliseconds
