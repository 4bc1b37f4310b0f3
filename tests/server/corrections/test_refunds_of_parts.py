"""Refunds of charges with a surcharge, a discount, a department that pays, or a meal right: each part goes back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cardcore.canteen.limits import Pin
from cardcore.ids import ChargeId
from cardcore.journal import OutcomeKind
from cardcore.money import Fen
from server.corrections import refunds
from server.corrections.refunds import Refunded, RefundOrder
from server.database import Database
from tests.server.taps.counters import SOLD, purse
from tests.server.taps.test_modes import BOOKED, Counter


@pytest.fixture
def counter(postgres_url: str) -> Iterator[Counter]:
    counter = Counter(postgres_url)
    yield counter
    counter.service.close()
    counter.check()


def serve(counter: Counter, till: str) -> int:
    seq, decision = counter.tap(till, pin=Pin.RIGHT)
    assert decision.granted
    counter.end(till, seq)
    return seq


def give_back(counter: Counter, amount: int | None) -> object:
    small = counter.small
    ((charge,),) = small.rows("select id from charge where revision = 0")
    order = RefundOrder(small.ids.uuid7(), ChargeId(charge), None if amount is None else Fen(amount), "wrong dish")
    database = Database(small.url)
    try:
        return database.write(lambda session: refunds.refund(session, small.system, small.site, order, "test"))
    finally:
        database.close()


@pytest.mark.parametrize("till", sorted(BOOKED))
def test_c61_a_refund_of_all_leaves_nothing_booked(counter: Counter, till: str) -> None:
    serve(counter, till)
    assert give_back(counter, None) == Refunded(Fen(SOLD[till].amount), Fen(0))
    assert counter.sums() == {}
    assert (counter.small.balance(counter.holder), purse(counter.small, counter.holder, "count")) == (10_002, 2)
    assert counter.meals() == (0, 0)


@pytest.mark.parametrize(
    ("till", "amount", "sums"),
    [
        ("t04", 480, {("stall", "works"): 600, ("rebate", "main"): -120, ("receivable", "department:works"): -480}),
        ("t08", 350, {("stall", "aid"): 600, ("rebate", "meal"): -250}),
    ],
)
def test_c61_half_a_refund_gives_the_house_back_half_of_its_part(
    counter: Counter, till: str, amount: int, sums: dict[tuple[str, str], int]
) -> None:
    serve(counter, till)
    assert isinstance(give_back(counter, amount), Refunded)
    assert counter.sums() == sums
    give_back(counter, None)
    assert counter.sums() == {}


@pytest.mark.parametrize("till", ["t02", "t04", "t08"])
def test_c61_part_of_it_and_the_tills_cancellation_after_that(counter: Counter, till: str) -> None:
    seq = serve(counter, till)
    assert give_back(counter, 300) == Refunded(Fen(300), Fen(SOLD[till].amount - 300))
    assert counter.meals() == (1, SOLD[till].amount - 300)
    counter.end(till, seq, OutcomeKind.CANCELLED)
    assert counter.sums() == {}
    assert counter.small.balance(counter.holder) == 10_002
    assert counter.meals() == (0, 0)
