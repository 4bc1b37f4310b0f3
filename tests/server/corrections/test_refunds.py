"""Refunds of charges that came through the tap path: never more than the charge, meals given back, tills included."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import psycopg
import pytest

from cardcore.ids import ChargeId
from cardcore.journal import OutcomeKind
from cardcore.money import Fen
from server.approvals.models import ApprovalRefusal
from server.corrections import refunds
from server.corrections.approved import REFUND, RefundWanted
from server.corrections.refunds import UNDO_WINDOW, Refunded, RefundOrder, RefundRefusal
from server.ledger import invariants
from server.staff.roles import Role
from tests.server.corrections.conftest import Noon


def give_back(noon: Noon, charge: ChargeId, amount: int | None, refund_id: UUID | None = None) -> object:
    order = RefundOrder(
        refund_id or noon.lunch.system.ids.uuid7(), charge, None if amount is None else Fen(amount), "wrong key"
    )
    return noon.call(refunds.refund, order, "test")


def undo(noon: Noon, charge: ChargeId) -> object:
    return noon.call(refunds.undo, RefundOrder(noon.lunch.system.ids.uuid7(), charge, None, "fell down"), "staff:1")


def test_c59_the_cashier_undoes_a_meal_within_minutes(noon: Noon) -> None:
    before = noon.balances()
    _, charge = noon.serve()
    noon.lunch.clock.advance(seconds=UNDO_WINDOW.total_seconds())
    assert undo(noon, charge) == Refunded(Fen(1200), Fen(0))
    assert noon.balances() == before
    assert noon.meals() == [(0, 0)]
    noon.prove()


def test_c59_later_only_the_office_may(noon: Noon) -> None:
    _, charge = noon.serve()
    noon.lunch.clock.advance(seconds=UNDO_WINDOW.total_seconds() + 1)
    assert undo(noon, charge) is RefundRefusal.TOO_LATE
    assert isinstance(give_back(noon, charge, 1200), Refunded)


def test_c61_all_refunds_together_never_pass_the_charge(noon: Noon) -> None:
    before = noon.balances()
    _, charge = noon.serve()
    assert give_back(noon, charge, 1201) is RefundRefusal.MORE_THAN_LEFT
    assert give_back(noon, charge, 500) == Refunded(Fen(500), Fen(700))
    assert noon.meals() == [(1, 700)]
    assert give_back(noon, charge, 701) is RefundRefusal.MORE_THAN_LEFT
    assert give_back(noon, charge, None) == Refunded(Fen(700), Fen(0))
    assert give_back(noon, charge, 1) is RefundRefusal.MORE_THAN_LEFT
    assert noon.balances() == before
    assert noon.meals() == [(0, 0)]
    noon.prove()


def test_c61_many_at_once_give_back_no_more_than_there_is(noon: Noon) -> None:
    before = noon.balances()
    _, charge = noon.serve()
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: give_back(noon, charge, 300), range(8)))
    assert sum(1 for one in done if isinstance(one, Refunded)) == 4
    assert noon.balances() == before
    noon.prove()


def test_c61_money_goes_back_the_way_it_came(noon: Noon) -> None:
    """The charge took the rest of the subsidy and then cash: cash returns first."""
    account = noon.lunch.small.holders[0].account
    with psycopg.connect(noon.lunch.database.url) as connection:  # leave 200 fen of subsidy, whatever was seeded
        connection.execute("set session_replication_role = replica")
        change = "update {} set {} = 200 where {}"
        purse = "id = (select id from purse where account_id = %s and kind = 'subsidy')"
        connection.execute(change.format("purse", "balance_fen", purse), (account,))
        moved = purse.replace("id =", "to_account =", 1)
        connection.execute(change.format("transfer", "amount_fen = 200, to_balance_fen", moved), (account,))
    before = noon.balances()
    _, charge = noon.serve()
    assert noon.balances() == {"subsidy": 0, "cash": before["cash"] - 1000}
    give_back(noon, charge, 900)
    assert noon.balances() == {"subsidy": 0, "cash": before["cash"] - 100}
    give_back(noon, charge, 200)
    assert noon.balances() == {"subsidy": 100, "cash": before["cash"]}
    noon.prove()


def test_asking_again_gives_back_once(noon: Noon) -> None:
    _, charge = noon.serve()
    key = noon.lunch.system.ids.uuid7()
    assert give_back(noon, charge, 400, key) == Refunded(Fen(400), Fen(800))
    assert give_back(noon, charge, 400, key) == Refunded(Fen(400), Fen(800), repeated=True)
    assert give_back(noon, charge, 500, key) is RefundRefusal.OTHER_CONTENT
    noon.prove()


def test_c60_there_is_no_refund_of_a_refund_or_of_a_reversal(noon: Noon) -> None:
    tap, charge = noon.serve()
    give_back(noon, charge, 100)
    (refund,) = noon.lunch.small.rows("select id from refund")
    assert give_back(noon, ChargeId(refund[0]), 100) is RefundRefusal.CHARGE_UNKNOWN
    noon.lunch.outcome(tap, OutcomeKind.CANCELLED, 1200)
    assert give_back(noon, charge, 100) is RefundRefusal.NOT_IN_FORCE
    assert give_back(noon, noon.charge_of(tap), 100) is RefundRefusal.NOT_IN_FORCE


def test_a_meal_that_no_till_confirmed_is_not_refunded(noon: Noon) -> None:
    tap = noon.lunch.tap(0, "t01")
    assert give_back(noon, noon.charge_of(tap), 100) is RefundRefusal.NOT_SERVED_YET


@pytest.mark.parametrize("given", [500, 1200])
def test_a_cancellation_that_the_till_reports_later_gives_back_only_the_rest(noon: Noon, given: int) -> None:
    before = noon.balances()
    tap, charge = noon.serve()
    give_back(noon, charge, given)
    noon.lunch.outcome(tap, OutcomeKind.CANCELLED, 1200)
    assert noon.balances() == before
    assert noon.meals() == [(0, 0)]
    noon.prove()


def test_a_meal_on_an_unknown_card_is_refunded_to_the_receivable(noon: Noon) -> None:
    tap = noon.lunch.tap(99, "t01", live=False)
    noon.lunch.outcome(tap, OutcomeKind.SERVED, 1200, offline=True)
    assert isinstance(give_back(noon, noon.charge_of(tap), None), Refunded)
    noon.prove()


def test_a_transfer_given_back_twice_would_be_found(noon: Noon) -> None:
    _, charge = noon.serve()
    give_back(noon, charge, None)
    with psycopg.connect(noon.lunch.database.url) as connection:
        connection.execute(
            "insert into transfer select gen_random_uuid(), site_id, kind, from_account, to_account, 1,"
            " from_balance_fen, to_balance_fen, charge_id, business_day, at, posted_at, actor, note, corrects"
            " from transfer where kind = 'refund' limit 1"
        )
    lunch = noon.lunch
    assert lunch.database.read(lambda session: invariants.inv_i13_refunds_within_the_charge(session, lunch.site))


def test_refunds_while_the_till_goes_on_charging_the_same_account_lose_nothing(noon: Noon) -> None:
    total = sum(noon.balances().values())
    charges = [noon.serve()[1] for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        selling = pool.submit(lambda: [noon.serve() for _ in range(4)])
        given = list(pool.map(lambda charge: give_back(noon, charge, None), charges))
        assert len(selling.result()) == 4
    assert all(isinstance(one, Refunded) for one in given)
    assert sum(noon.balances().values()) == total - 4 * 1200
    assert noon.meals() == [(4, 4 * 1200)]
    noon.prove()


class TestByTwo:
    def test_c60_another_person_approves_and_never_the_one_who_ate(self, noon: Noon) -> None:
        before = noon.balances()
        _, charge = noon.serve()
        eater = noon.lunch.small.holders[0].person
        maker, checker, own = noon.hire(Role.CASHIER), noon.hire(Role.FINANCE), noon.hire(Role.FINANCE, eater)
        wanted = RefundWanted(charge, 400)
        assert noon.together(REFUND, wanted, maker, maker) is ApprovalRefusal.NOT_ALLOWED
        ((approval,),) = noon.lunch.small.rows("select count(*) from approval where state = 'waiting'")
        assert approval == 1
        noon.lunch.clock.advance(days=2)
        assert noon.together(REFUND, wanted, maker, own) is ApprovalRefusal.OWN_MATTER
        noon.lunch.clock.advance(days=2)
        assert noon.together(REFUND, wanted, maker, checker) is None
        assert sum(noon.balances().values()) == sum(before.values()) - 800

    def test_c82_a_refund_too_large_is_refused_when_it_is_approved(self, noon: Noon) -> None:
        _, charge = noon.serve()
        maker, checker = noon.hire(Role.CASHIER), noon.hire(Role.FINANCE)
        refused = noon.together(REFUND, RefundWanted(charge, 9_999), maker, checker)
        assert refused == RefundRefusal.MORE_THAN_LEFT
        noon.prove()
