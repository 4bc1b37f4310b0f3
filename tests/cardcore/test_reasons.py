"""Every reason has its texts, short enough for the smallest display."""

from __future__ import annotations

import pytest

from cardcore.access.decide import STATE_REASONS
from cardcore.access.items import CardState
from cardcore.reasons import GRANTING, Reason
from cardcore.texts import DISPLAY_WIDTH, REASON_TEXTS


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_can_be_told(reason: Reason) -> None:
    text = REASON_TEXTS[reason]
    assert text.en
    assert any("\u4e00" <= character <= "\u9fff" for character in text.zh)
    assert text.display.isascii()
    assert 0 < len(text.display) <= DISPLAY_WIDTH
    assert reason.grants == (reason in GRANTING)


def test_every_state_but_active_has_its_own_refusal() -> None:
    assert set(STATE_REASONS) == set(CardState) - {CardState.ACTIVE}
    assert not any(reason.grants for reason in STATE_REASONS.values())
