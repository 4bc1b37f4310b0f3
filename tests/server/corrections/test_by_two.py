"""Adjustments of balances and records from paper: two people, once, never an edit."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cardcore.access.items import AccountState
from cardcore.ids import AccountId, MealId, TillId
from server.approvals.models import ApprovalRefusal
from server.corrections import refunds
from server.corrections.adjustments import AdjustmentRefusal
from server.corrections.approved import ADJUSTMENT, PAPER, AdjustmentWanted, PaperWanted
from server.corrections.paper import PaperRefusal
from server.corrections.refunds import Refunded, RefundOrder
from server.ledger.service import set_account_state
from server.staff.roles import Role
from tests.server.corrections.conftest import Noon


def account(noon: Noon, index: int = 0) -> AccountId:
    found = noon.lunch.small.holders[index].account
    assert found is not None
    return found


class TestAdjustment:
    def adjust(self, noon: Noon, amount: int, purse: str = "cash") -> ApprovalRefusal | str | None:
        maker, checker = noon.hire(Role.FINANCE), noon.hire(Role.FINANCE)
        return noon.together(ADJUSTMENT, AdjustmentWanted(account(noon), purse, amount), maker, checker, "found")

    def test_c62_a_difference_is_booked_with_its_reason(self, noon: Noon) -> None:
        before = noon.balances()["cash"]
        assert self.adjust(noon, 350) is None
        assert self.adjust(noon, -50) is None
        assert noon.balances()["cash"] == before + 300
        booked = noon.lunch.small.rows("select amount_fen, note from transfer where kind = 'adjustment' order by 1")
        assert booked == [(50, "found"), (350, "found")]
        noon.prove()

    def test_c62_it_cannot_take_what_is_not_there(self, noon: Noon) -> None:
        cash = noon.balances()["cash"]
        assert self.adjust(noon, -cash - 1) == AdjustmentRefusal.BELOW_FLOOR
        assert self.adjust(noon, 0) == AdjustmentRefusal.AMOUNT_OUT_OF_RANGE
        assert self.adjust(noon, 1, "count") == AdjustmentRefusal.UNKNOWN_KIND
        assert noon.balances()["cash"] == cash

    def test_c82_nobody_adjusts_alone(self, noon: Noon) -> None:
        maker = noon.hire(Role.FINANCE)
        wanted = AdjustmentWanted(account(noon), "cash", 100)
        assert noon.together(ADJUSTMENT, wanted, maker, maker) is ApprovalRefusal.SAME_PERSON

    def test_c83_the_trail_names_both(self, noon: Noon) -> None:
        maker, checker = noon.hire(Role.FINANCE), noon.hire(Role.FINANCE)
        noon.together(ADJUSTMENT, AdjustmentWanted(account(noon), "cash", 100), maker, checker)
        rows = noon.lunch.small.rows(
            "select actor, action from audit where action in ('balance_adjusted', 'approval_executed') order by 2"
        )
        assert rows == [(f"staff:{checker}", "approval_executed"), (f"staff:{maker}", "balance_adjusted")]


class TestPaper:
    def enter(self, noon: Noon, slip: str = "A-17", **changes: object) -> ApprovalRefusal | str | None:
        maker, checker = noon.hire(Role.CASHIER), noon.hire(Role.CANTEEN_MANAGER)
        values = {
            "account": account(noon), "till": TillId("t01"), "meal": MealId("lunch"), "amount_fen": 1200,
            "at": noon.lunch.clock.now() - timedelta(days=1),
        } | changes  # fmt: skip
        return noon.together(PAPER, PaperWanted(slip, **values), maker, checker)  # type: ignore[arg-type]

    def test_c58_a_slip_is_charged_once_by_two_people(self, noon: Noon) -> None:
        before = sum(noon.balances().values())
        assert self.enter(noon) is None
        assert sum(noon.balances().values()) == before - 1200
        assert noon.meals() == [(1, 1200)]
        assert self.enter(noon) == PaperRefusal.SLIP_ENTERED
        row = noon.lunch.small.rows("select epoch, seq, till_id, flag, business_day - event_day from charge")
        assert row == [(0, 1, "t01", "paper", 1)]
        noon.prove()

    def test_c58_it_always_posts(self, noon: Noon) -> None:
        total = sum(noon.balances().values())
        assert self.enter(noon, amount_fen=total + 500) is None
        assert noon.balances() == {"subsidy": 0, "cash": -500}
        noon.call(set_account_state, account(noon, 2), AccountState.CLOSED, "test")
        assert self.enter(noon, "A-18", account=account(noon, 2)) is None
        owed = (
            "select sum(amount_fen) from posting p join ledger_account l on l.id = p.ledger_account_id where role = %s"
        )
        assert noon.lunch.small.rows(owed, "receivable") == [(-1200,)]
        noon.prove()

    def test_c58_a_meal_that_is_charged_already_is_refused(self, noon: Noon) -> None:
        noon.serve()
        assert self.enter(noon, at=noon.lunch.clock.now() - timedelta(hours=1)) == PaperRefusal.CHARGED_ALREADY

    @pytest.mark.parametrize(
        ("changes", "refusal"),
        [
            ({"till": TillId("t99")}, PaperRefusal.UNKNOWN_TILL),
            ({"meal": MealId("tea")}, PaperRefusal.UNKNOWN_MEAL),
            ({"amount_fen": 0}, PaperRefusal.AMOUNT_OUT_OF_RANGE),
            ({"slip": " "}, PaperRefusal.SLIP_MISSING),
        ],
    )
    def test_c58_what_cannot_be_is_refused(self, noon: Noon, changes: dict[str, object], refusal: str) -> None:
        assert self.enter(noon, **changes) == refusal  # type: ignore[arg-type]

    def test_c58_neither_the_future_nor_last_year(self, noon: Noon) -> None:
        now = noon.lunch.clock.now()
        for at in (now + timedelta(minutes=1), now - timedelta(days=63)):
            assert self.enter(noon, at=at) == PaperRefusal.TIME_OUT_OF_RANGE

    def test_it_can_be_refunded(self, noon: Noon) -> None:
        before = noon.balances()
        self.enter(noon)
        ((charge,),) = noon.lunch.small.rows("select id from charge")
        order = RefundOrder(noon.lunch.system.ids.uuid7(), charge, None, "the journal came back")
        assert isinstance(noon.call(refunds.refund, order, "test"), Refunded)
        assert noon.balances() == before
        noon.prove()
