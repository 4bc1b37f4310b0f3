"""The steps of a card's life: who may take them, from which state, and that REST and the table say the same."""

from __future__ import annotations

import pytest

from cardcore.access.items import CardState
from cardcore.ids import CardId, StaffId
from server.cards.life import STATES, LifeStep, steps_from, take_step
from server.cards.service import CardChange
from server.cards.transitions import TRANSITIONS
from server.staff.roles import Role
from tests.server.cards.card_desk import Desk
from tests.server.conftest import Hire


def step(desk: Desk, card: CardId, what: LifeStep, who: StaffId) -> CardChange:
    return desk.write(lambda session, system, site: take_step(session, system, site, card, what, (who, "why")))


@pytest.mark.parametrize("state", list(CardState))
def test_the_steps_offered_are_those_of_the_table(state: CardState) -> None:
    assert {STATES[one] for one in steps_from(state)} == TRANSITIONS[state] & set(STATES.values())


@pytest.mark.parametrize(
    ("role", "what", "ends"),
    [
        (Role.CASHIER, LifeStep.LOST, CardChange.DONE),
        (Role.CASHIER, LifeStep.SUSPEND, CardChange.NOT_ALLOWED),
        (Role.CASHIER, LifeStep.RETURN, CardChange.NOT_ALLOWED),
        (Role.SECURITY_OFFICER, LifeStep.SUSPEND, CardChange.DONE),
        (Role.SECURITY_OFFICER, LifeStep.RETURN, CardChange.NOT_ALLOWED),
        (Role.ISSUER, LifeStep.RETURN, CardChange.DONE),
        (Role.ISSUER, LifeStep.FOUND, CardChange.NOT_ALLOWED),
        (Role.AUDITOR, LifeStep.LOST, CardChange.NOT_ALLOWED),
    ],
)
def test_a_step_takes_its_permission_and_its_state(
    desk: Desk, hire: Hire, role: Role, what: LifeStep, ends: CardChange
) -> None:
    card, (who, _) = desk.card("1", desk.person()), hire(role)
    assert step(desk, card, what, who) is ends
    assert (desk.state(card) is CardState.ACTIVE) is (ends is not CardChange.DONE)


def test_no_step_puts_a_card_into_use(desk: Desk, hire: Hire) -> None:
    card, (who, _) = desk.card("1", desk.person()), hire(Role.ISSUER)
    assert step(desk, card, LifeStep.LOST, who) is CardChange.DONE
    assert step(desk, card, LifeStep.FOUND, who) is CardChange.DONE
    assert CardState.ACTIVE not in {STATES[one] for one in LifeStep}
