"""The demo's report: what its figures count, and what they leave out."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from server.demo.command import _tell
from server.demo.report import answers
from server.demo.site import DemoSite
from server.demo.story import CUT_LANES, TILLS
from server.demo.tally import Tally


def test_the_lanes_behind_the_cut_line_do_not_slow_the_gates() -> None:
    tally = Tally(answer_ms={"g01": [40, 60], CUT_LANES[0]: [4_000], CUT_LANES[1]: [5_000], TILLS[0]: [90]})
    found = answers(cast("DemoSite", SimpleNamespace(tally=tally)))
    assert found["gates"] == {"count": 2, "p50": 40, "p95": 60, "max": 60}
    assert found["gates_behind_cut"] == {"count": 2, "p50": 4_000, "p95": 5_000, "max": 5_000}
    assert found["tills"]["count"] == 1


def test_grants_are_not_told_as_refusals(capsys: pytest.CaptureFixture[str]) -> None:
    result: dict[str, Any] = {
        "taps": {"taps": 3, "decided_offline": 0, "passages": 1},
        "charges": {"in_force": 1, "fen": 1_200, "reversed": 0},
        "answer_ms": {},
        "reasons": {"charged": 1, "granted": 1, "card_lost": 1},
        "invariants": {"i08_no_stale_pulse": True},
        "violations": {},
    }
    assert _tell(result)
    said = capsys.readouterr().out
    assert "how taps ended: charged 1, granted 1, card_lost 1" in said
    assert "refusals" not in said
