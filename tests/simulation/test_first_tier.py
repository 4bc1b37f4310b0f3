"""Tier 1 in every build, first half of its seeds: the whole site over tables in memory, and one seed is one run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.campaign import Campaign, in_memory, run_seeds
from tests.simulation.silence import silence
from tests.simulation.story import draw_story
from tests.simulation.world import run_story

SHARES = [range(start, start + 100) for start in range(0, 1_500, 100)]
DIGESTS = """
from tests.simulation.campaign import in_memory
from tests.simulation.silence import silence
from tests.simulation.story import draw_story
from tests.simulation.world import run_story
silence()
print([run_story(draw_story(seed), in_memory).digest for seed in range(12)])
"""


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


def test_one_seed_is_one_run() -> None:
    silence()
    for seed in range(20):
        first, again = (run_story(draw_story(seed), in_memory) for _ in range(2))
        assert first.lines == again.lines
        assert first.digest == again.digest


def test_a_run_does_not_hang_on_how_python_hashes() -> None:
    root = Path(__file__).parents[2]
    seen = {
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", DIGESTS],
            cwd=root,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("0", "1")
    }
    assert len(seen) == 1
