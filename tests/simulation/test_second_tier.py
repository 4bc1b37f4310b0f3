"""Tier 2 in every build: the whole site over a real PostgreSQL, seed after seed; and one seed is one run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.private_postgres import PrivatePostgres
from tests.simulation.campaign import Campaign, on_postgres, run_seeds
from tests.simulation.silence import silence
from tests.simulation.story import draw_story
from tests.simulation.world import run_story

SHARES = [range(start, start + 25) for start in range(0, 300, 25)]


@pytest.fixture(scope="module")
def database(embedded_postgres: PrivatePostgres) -> Iterator[str]:
    with embedded_postgres.fresh_database(migrated=True) as url:
        yield url


@pytest.fixture(scope="module")
def whole() -> Campaign:
    """Return the campaign that the shares add up to."""
    return Campaign()


@pytest.mark.parametrize("seeds", SHARES, ids=str)
def test_no_invariant_breaks(seeds: range, database: str, whole: Campaign) -> None:
    campaign = run_seeds(seeds, on_postgres(database))
    whole.join(campaign)
    red = {result.story.seed: result.violations for result in campaign.failed}
    assert not red, f"replay with: onecard-sim --tier 2 --seed {min(red)}"


def test_the_rare_states_were_reached(whole: Campaign) -> None:
    assert whole.seeds == sum(map(len, SHARES))
    assert whole.never_reached(tier=2) == []


def test_one_seed_is_one_run(database: str) -> None:
    silence()
    for seed in (1, 2, 3):
        first, again = (run_story(draw_story(seed), on_postgres(database)) for _ in range(2))
        assert first.lines == again.lines
        assert first.digest == again.digest
