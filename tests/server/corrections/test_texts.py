"""Every refusal of a correction or a purse rule has its words in both languages."""

from __future__ import annotations

from server.corrections.adjustments import AdjustmentRefusal
from server.corrections.paper import PaperRefusal
from server.corrections.refunds import RefundRefusal
from server.corrections.texts import TEXTS
from server.ledger.merging import MergeRefusal
from server.ledger.rules import RuleRefusal


def test_nothing_is_without_words() -> None:
    assert set(TEXTS) == {*RefundRefusal, *AdjustmentRefusal, *PaperRefusal, *MergeRefusal, *RuleRefusal}
    assert all(words.en.isascii() for words in TEXTS.values())
    assert all(any("\u4e00" <= sign <= "\u9fff" for sign in words.zh) for words in TEXTS.values())
