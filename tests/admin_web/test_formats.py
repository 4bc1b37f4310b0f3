"""Money, counts, dates and ages in their local forms."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin_web.formats import age_parts, count_text, date_text, moment_text, money_text, time_text
from admin_web.i18n import Language
from cardcore.money import Fen
from tests.admin_web.fakes import SHANGHAI


@pytest.mark.parametrize(
    ("fen", "text"),
    [
        (0, "¥0.00"),
        (5, "¥0.05"),
        (220, "¥2.20"),
        (123_456, "¥1,234.56"),
        (-320, "−¥3.20"),
        (100_000_000, "¥1,000,000.00"),
    ],
)
def test_money_has_two_decimals_and_separated_thousands(fen: int, text: str) -> None:
    assert money_text(Fen(fen)) == text


@given(st.integers(-(10**11), 10**11))
def test_money_text_keeps_every_fen(fen: int) -> None:
    digits = money_text(Fen(fen)).replace("¥", "").replace(",", "").replace(".", "").replace("−", "-")
    assert int(digits) == fen


def test_dates_follow_the_language() -> None:
    assert date_text(date(2026, 3, 5), Language.CHINESE) == "2026-03-05"
    assert date_text(date(2026, 3, 5), Language.ENGLISH) == "5 Mar 2026"


def test_moments_are_told_in_site_time_across_midnight() -> None:
    at = datetime(2026, 12, 31, 16, 0, 1, tzinfo=UTC)
    assert time_text(at, SHANGHAI) == "00:00:01"
    assert moment_text(at, SHANGHAI, Language.ENGLISH) == "1 Jan 2027, 00:00:01"
    assert moment_text(at, SHANGHAI, Language.CHINESE) == "2027-01-01 00:00:01"


@pytest.mark.parametrize(
    ("seconds", "parts"),
    [
        (-3, ("age.seconds", 0)),
        (119, ("age.seconds", 119)),
        (120, ("age.minutes", 2)),
        (7_199, ("age.minutes", 119)),
        (7_200, ("age.hours", 2)),
        (172_800, ("age.days", 2)),
    ],
)
def test_ages_change_unit_where_the_smaller_one_gets_long(seconds: int, parts: tuple[str, int]) -> None:
    assert age_parts(timedelta(seconds=seconds)) == parts


def test_counts_have_separated_thousands() -> None:
    assert count_text(10_000_000) == "10,000,000"
