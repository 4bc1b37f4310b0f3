"""The oracle itself, where a campaign once found it wrong."""

from __future__ import annotations

from datetime import date
from uuid import UUID

import pytest

from cardcore.access.items import Passback
from cardcore.journal import Purpose
from tests.simulation import site_plan as plan
from tests.simulation.books import Books, RecordRow
from tests.simulation.history import History
from tests.simulation.invariants import Remains, inv_i04_meals_and_charges_agree
from tests.simulation.loop import VirtualLoop
from tests.simulation.model import Account, Model, Tap

DAY = date(2026, 3, 4)
PLAIN = plan.Variant(keyed=False, passback=Passback.NONE)


def test_a_meal_may_be_bought_with_the_subsidy_while_the_cash_purse_owes() -> None:
    """A meal served alone came in after the subsidy was spent, and that spending was taken back (seed 12844)."""
    model, account, number = Model((), PLAIN), Account(subsidy=1_200, cash=-1_200), UUID(int=1)
    assert model._account(account, DAY, 1_200) == ""
    model._book(Tap("card", Purpose.TILL, "t01"), number, account, 1_200, DAY, forced=False)
    assert (account.subsidy, account.cash) == (0, -1_200)


@pytest.mark.parametrize("hostile", [True, False])
def test_two_ends_of_one_tap_are_a_hostile_boxs_alone(hostile: bool) -> None:
    """It told of a meal of 1 fen under number 50, and then under number 3 of one of nothing (seed 20059)."""
    box = UUID(int=7)

    def record(seq: int, kind: str, amount: int, **ends: object) -> RecordRow:
        plain = {"tap_seq": None, "purpose": "till", "granted": None, "outcome": None, **ends}
        return RecordRow((box, 1, seq), kind, amount=amount, hash=b"", previous=b"", body=b"", mac=b"", **plain)  # type: ignore[arg-type]

    records = [
        record(1, "intent", 0),
        record(3, "outcome", 0, tap_seq=1, outcome="served"),
        record(50, "outcome", 1, tap_seq=1, outcome="served"),
    ]
    loop = VirtualLoop()
    loop.close()
    remains = Remains(
        Books(records=records), Model((), PLAIN), History(loop), [], {}, set(), restored=False,
        rogues=frozenset({box} if hostile else ()),
    )  # fmt: skip
    assert bool(list(inv_i04_meals_and_charges_agree(remains))) is not hostile
