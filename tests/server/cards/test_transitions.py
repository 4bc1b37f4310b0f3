"""The life of a card: the table is the only way, for every pair of states (A14, C42)."""

from __future__ import annotations

import itertools

import pytest

from cardcore.access.decide import STATE_REASONS
from cardcore.access.items import CardState
from cardcore.reasons import ALARMING, Reason
from server.cards.service import CardChange
from server.cards.transitions import allowed
from tests.server.cards.card_desk import Desk

_S = CardState
ROUTES = {
    _S.BLANK: (),
    _S.ISSUED: (_S.ISSUED,),
    _S.ACTIVE: (_S.ISSUED, _S.ACTIVE),
    _S.SUSPENDED: (_S.ISSUED, _S.ACTIVE, _S.SUSPENDED),
    _S.LOST: (_S.ISSUED, _S.LOST),
    _S.STOLEN: (_S.ISSUED, _S.STOLEN),
    _S.FOUND: (_S.ISSUED, _S.LOST, _S.FOUND),
    _S.DAMAGED: (_S.DAMAGED,),
    _S.RETURNED: (_S.ISSUED, _S.RETURNED),
    _S.REVOKED: (_S.REVOKED,),
    _S.SUPERSEDED: (_S.ISSUED, _S.ACTIVE, _S.SUPERSEDED),
}
"""A way from a blank card into each state."""


@pytest.mark.parametrize("before", list(CardState))
def test_a_card_goes_only_where_the_table_says(desk: Desk, before: CardState) -> None:
    for number, after in enumerate(CardState):
        card = desk.card(f"{number:08d}", None)
        assert [desk.set(card, state) for state in ROUTES[before]] == [CardChange.DONE] * len(ROUTES[before])
        expected = CardChange.UNCHANGED if after is before else CardChange.DONE
        if after is not before and not allowed(before, after):
            expected = CardChange.NOT_ALLOWED
        assert desk.set(card, after) is expected, (before, after)
        assert desk.state(card) is (after if expected is CardChange.DONE else before)


def test_a14_lost_stolen_and_suspended_have_refusals_of_their_own() -> None:
    reasons = [STATE_REASONS[state] for state in (_S.LOST, _S.STOLEN, _S.SUSPENDED, _S.DAMAGED)]
    assert len(set(reasons)) == len(reasons)
    assert [reason in ALARMING for reason in reasons] == [True, True, False, False]


def test_c42_a_found_card_opens_nothing_until_it_is_put_into_use(desk: Desk) -> None:
    card = desk.card("00000001", desk.person())
    seen = []
    for state in (_S.LOST, _S.FOUND, _S.ACTIVE):
        desk.set(card, state)
        item = desk.item("uid:00000001")
        assert item is not None
        seen.append(STATE_REASONS.get(item.state))
    assert seen == [Reason.CARD_LOST, Reason.CARD_SUSPENDED, None]


def test_no_way_leads_out_of_a_revoked_card() -> None:
    reached = {_S.REVOKED}
    for _ in range(len(CardState)):
        reached |= {after for before, after in itertools.product(reached, CardState) if allowed(before, after)}
    assert reached == {_S.REVOKED}
