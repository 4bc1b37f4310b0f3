"""The oracle itself, where a campaign once found it wrong."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from cardcore.access.items import Passback
from cardcore.journal import Purpose
from tests.simulation import site_plan as plan
from tests.simulation.model import Account, Model, Tap

DAY = date(2026, 3, 4)
PLAIN = plan.Variant(keyed=False, passback=Passback.NONE)


def test_a_meal_may_be_bought_with_the_subsidy_while_the_cash_purse_owes() -> None:
    """A meal served alone came in after the subsidy was spent, and that spending was taken back (seed 12844)."""
    model, account, number = Model((), PLAIN), Account(subsidy=1_200, cash=-1_200), UUID(int=1)
    assert model._account(account, DAY, 1_200) == ""
    model._book(Tap("card", Purpose.TILL, "t01"), number, account, 1_200, DAY, forced=False)
    assert (account.subsidy, account.cash) == (0, -1_200)
