"""Tier 1 in every build, second half of its seeds: a file of its own gives work to the second process of a build."""

from __future__ import annotations

import pytest

from tests.simulation.campaign import Campaign, in_memory, run_seeds

SHARES = [range(start, start + 100) for start in range(1_500, 3_000, 100)]


@pytest.fixture(scope="module")
def whole() -> Campaign:
    """Return the campaign that the shares add up to."""
    return Campaign()


@pytest.mark.parametrize("seeds", SHARES, ids=str)
def test_no_invariant_breaks(seeds: range, whole: Campaign) -> None:
    campaign = run_seeds(seeds, in_memory)
    whole.join(campaign)
    red = {result.story.seed: result.violations for result in campaign.failed}
    assert not red, f"replay with: onecard-sim --tier 1 --seed {min(red)}"


def test_the_rare_states_were_reached(whole: Campaign) -> None:
    assert whole.seeds == sum(map(len, SHARES))
    assert whole.never_reached(tier=1) == []
