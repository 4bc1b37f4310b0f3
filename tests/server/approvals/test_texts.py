"""Every refusal of an approval has its words in both languages."""

from __future__ import annotations

from server.approvals.models import ApprovalRefusal
from server.approvals.texts import TEXTS, text_of


def test_nothing_is_without_words() -> None:
    assert set(TEXTS) == set(ApprovalRefusal)
    for refusal in ApprovalRefusal:
        assert text_of(refusal, chinese=False).isascii()
        assert any("\u4e00" <= sign <= "\u9fff" for sign in text_of(refusal, chinese=True))
