"""Every safeguard that is taken away is noticed: a simulator that notices nothing proves nothing."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from tests.simulation.ablations import ALL_DEFECTS, SEEDS, hunt
from tests.simulation.defect import Defect

LEAST = 15


def test_there_are_enough_of_them() -> None:
    names = [defect.name for defect in ALL_DEFECTS]
    assert len(set(names)) == len(names) >= LEAST


@pytest.mark.parametrize("defect", ALL_DEFECTS, ids=[defect.name for defect in ALL_DEFECTS])
def test_a_safeguard_that_is_missing_is_noticed(defect: Defect) -> None:
    caught = hunt(defect, range(SEEDS), to_the_first=True)
    assert caught.seeds, f"{SEEDS} seeds did not notice that this was missing: {defect.removed}"


def test_with_all_safeguards_the_same_seeds_are_green() -> None:
    """Notice nothing where nothing is missing: else the tests above would show nothing."""
    whole = Defect("none", "nothing", frozenset({f"I{number}" for number in range(1, 26)}), nullcontext)
    assert not hunt(whole, range(30), to_the_first=True).seeds
