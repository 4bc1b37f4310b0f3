"""A month of the reference site through the daemons' protocol, with fewer guests; `python -m tests.month`: all."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.month.story import EXPLANATIONS, Month, play_month
from tests.private_postgres import PrivatePostgres

MEALS, CARDS = 1_100, 160


@pytest.fixture(scope="module")
def month(embedded_postgres: PrivatePostgres) -> Iterator[Month]:
    with embedded_postgres.fresh_database(migrated=True) as url:
        yield play_month(url, MEALS, CARDS)


def test_every_green_lamp_is_one_charge_and_every_charge_a_green_lamp(month: Month) -> None:
    assert month.served > MEALS * 9 // 10
    assert month.charged == month.served - month.undone
    assert month.broken == {}
    assert month.errors == []


def test_every_day_is_closed_and_signed_and_the_month_locked(month: Month) -> None:
    assert [close.business_day.day for close in month.closes] == list(range(2, 32))
    assert month.locked


def test_every_difference_is_one_that_is_explained(month: Month) -> None:
    assert month.late > 0
    assert {"offline_card_stolen", "cash_difference", "suspense", "silent_till"} <= set(month.differences)
    assert set(month.differences) <= set(EXPLANATIONS)


def test_stalls_are_owed_what_was_eaten_less_commission(month: Month) -> None:
    assert set(month.payable) == {"main", "noodles"}
    assert all(fen > 0 for fen in month.payable.values())
