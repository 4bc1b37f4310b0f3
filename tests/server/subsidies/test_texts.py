"""Every refusal and mistake has its words in both languages, with the row."""

from __future__ import annotations

import pytest

from server.subsidies.batches import BatchRefusal, Preview
from server.subsidies.cells import SheetProblem, Unreadable
from server.subsidies.columns import Field, Mistake, RowMistake
from server.subsidies.plans import PlanRefusal
from server.subsidies.texts import FIELDS, TEXTS, lines_of


def test_nothing_is_without_words() -> None:
    assert set(TEXTS) == {*SheetProblem, *Mistake, *BatchRefusal, *PlanRefusal}
    assert set(FIELDS) == set(Field)
    assert all(words.en.strip() and words.zh.strip() for words in (*TEXTS.values(), *FIELDS.values()))
    assert all(any("\u4e00" <= sign <= "\u9fff" for sign in words.zh) for words in TEXTS.values())


@pytest.mark.parametrize(
    ("preview", "chinese", "lines"),
    [
        (Preview(refused=Unreadable(SheetProblem.MERGED_CELLS, 3)), False, ["row 3: cells are merged: unmerge them"]),
        (Preview(refused=BatchRefusal.NO_LINES), True, ["表中没有明细"]),
        (
            Preview(mistakes=(RowMistake(7, Field.NUMBER, Mistake.PERSON_UNKNOWN, "99"),)),
            True,
            ["第 7 行 工号 '99': 查无此工号"],
        ),
    ],
)
def test_the_row_comes_first(preview: Preview, chinese: bool, lines: list[str]) -> None:
    assert lines_of(preview, chinese=chinese) == lines
