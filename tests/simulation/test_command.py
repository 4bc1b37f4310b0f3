"""The command `onecard-sim`: one seed, many seeds, and a red seed made short."""

from __future__ import annotations

import pytest

from tests.simulation.__main__ import main
from tests.simulation.ablations import ALL_DEFECTS
from tests.simulation.campaign import in_memory
from tests.simulation.shrink import shortest
from tests.simulation.silence import silence
from tests.simulation.story import Story, draw_story
from tests.simulation.world import RunResult, run_story


def test_one_seed_tells_its_story(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seed", "5", "--trace"]) == 0
    told = capsys.readouterr().out
    assert "seed 5, trace " in told
    for event in draw_story(5).events:
        assert str(event) in told
    assert "faults end" in told


def test_a_range_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--seeds", "many"])
    assert "no range like 0..3000" in capsys.readouterr().err


def test_a_red_story_is_made_short_and_stays_red() -> None:
    silence()
    defect = next(defect for defect in ALL_DEFECTS if defect.name == "outcome_not_recorded")

    def play(story: Story) -> RunResult:
        with defect.broken():
            return run_story(story, in_memory)

    failed = play(draw_story(0))
    assert failed.violations
    short = shortest(failed, play)
    assert {"I10"} & {violation.invariant for violation in short.violations}
    assert len(short.story.events) < len(failed.story.events)
    assert len(short.story.events) <= 2
