"""The week's picture says the same as the rule that lanes decide with."""

from __future__ import annotations

from datetime import date, time, timedelta

from hypothesis import given
from hypothesis import strategies as st

from cardcore.calendar import DAY_SECONDS, EVERY_DAY, DayKind, Interval, is_open
from cardcore.clock import SiteTime
from server.access.week import Span, spans

MONDAY = date(2026, 9, 7)


@st.composite
def interval(draw: st.DrawFn) -> Interval:
    start = draw(st.integers(0, 23)) * 3600
    end = draw(st.integers(start // 3600 + 1, 24)) * 3600
    first = draw(st.one_of(st.none(), st.integers(0, 6).map(lambda day: MONDAY + timedelta(days=day))))
    return Interval(start, end, draw(st.integers(1, EVERY_DAY)), draw(st.booleans()), first)


@given(
    st.lists(interval(), max_size=4),
    st.dictionaries(st.integers(0, 6), st.sampled_from(DayKind), max_size=4),
    st.integers(0, 6),
    st.integers(0, 23),
)
def test_the_picture_and_the_rule_agree(
    intervals: list[Interval], kinds: dict[int, DayKind], weekday: int, hour: int
) -> None:
    days = {MONDAY + timedelta(days=number): kind for number, kind in kinds.items()}
    day = MONDAY + timedelta(days=weekday)
    shown = any(span.start <= hour * 3600 < span.end for span in spans(intervals, days, day))
    moment = SiteTime(day, weekday, time(hour), day)
    assert shown is is_open(tuple(intervals), days, moment)


def test_spans_that_touch_are_one() -> None:
    both = [Interval(0, 3600), Interval(3600, 7200), Interval(10_000, DAY_SECONDS)]
    assert spans(both, {}, MONDAY) == (Span(0, 7200), Span(10_000, DAY_SECONDS))
