"""Cards that come back: on loan until a due instant (A15), and visitors' cards that go round (C34)."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from cardcore.access.decide import card_reason
from cardcore.access.items import CardState, Product
from cardcore.ids import CardId, CredentialKey, PersonId
from cardcore.reasons import Reason
from server.cards import loans
from server.cards.loans import Loan
from server.cards.service import CardRefusal
from tests.server.cards.card_desk import Desk
from tests.server.conftest import NOON, StillClock

_S = CardState
DUE = NOON + timedelta(hours=8)


def lend(desk: Desk, loan: Loan) -> CardRefusal | None:
    return desk.write(lambda session, system, site: loans.lend(session, system, site, loan, "test"))


def take_back(desk: Desk, card: CardId) -> CardRefusal | None:
    return desk.write(lambda session, system, site: loans.take_back(session, system, site, card, "test"))


@pytest.fixture
def stock(desk: Desk) -> CardId:
    return desk.card("00000009", None, Product.VISITOR)


@pytest.fixture
def person(desk: Desk) -> PersonId:
    return desk.person()


def refusal_at(desk: Desk, after: timedelta) -> Reason | None:
    key = CredentialKey("uid:00000009")
    return card_reason(desk.item(key), key, {}, NOON + after)


def test_a15_a_lent_card_works_until_it_is_due_and_not_longer(desk: Desk, stock: CardId, person: PersonId) -> None:
    assert lend(desk, Loan(stock, person, DUE)) is None
    assert refusal_at(desk, timedelta(hours=1)) is None
    assert refusal_at(desk, timedelta(hours=8)) is Reason.CARD_EXPIRED
    item = desk.item("uid:00000009")
    assert item is not None
    assert item.person == person


def test_the_holders_own_card_sleeps_meanwhile(desk: Desk, stock: CardId, person: PersonId) -> None:
    own = desk.card("00000001", person)
    assert lend(desk, Loan(stock, person, DUE, own)) is None
    assert desk.state(own) is _S.SUSPENDED
    assert take_back(desk, stock) is None
    assert (desk.state(own), desk.state(stock)) == (_S.ACTIVE, _S.BLANK)


def test_an_own_card_that_was_lost_meanwhile_stays_lost(desk: Desk, stock: CardId, person: PersonId) -> None:
    own = desk.card("00000001", person)
    lend(desk, Loan(stock, person, DUE, own))
    desk.set(own, _S.LOST)
    assert take_back(desk, stock) is None
    assert desk.state(own) is _S.LOST


def test_a_card_that_came_back_is_nobodys_and_can_be_lent_again(desk: Desk, stock: CardId, person: PersonId) -> None:
    for _ in range(3):
        assert lend(desk, Loan(stock, person, DUE)) is None
        assert lend(desk, Loan(stock, person, DUE)) is CardRefusal.WRONG_STATE
        assert take_back(desk, stock) is None
        assert refusal_at(desk, timedelta()) is Reason.CARD_NOT_ISSUED
    assert take_back(desk, stock) is CardRefusal.NOT_FOUND


@pytest.mark.parametrize(
    ("due", "refusal"),
    [
        (NOON, CardRefusal.WRONG_VALIDITY),
        (NOON + loans.LONGEST_LOAN + timedelta(seconds=1), CardRefusal.WRONG_VALIDITY),
    ],
)
def test_a_due_instant_out_of_range_is_refused(
    desk: Desk, stock: CardId, person: PersonId, due: object, refusal: CardRefusal
) -> None:
    assert lend(desk, Loan(stock, person, due)) is refusal  # type: ignore[arg-type]
    assert desk.state(stock) is _S.BLANK


def test_somebody_elses_card_is_no_own_card(desk: Desk, stock: CardId, person: PersonId) -> None:
    other = desk.card("00000001", desk.person("10002"))
    assert lend(desk, Loan(stock, person, DUE, other)) is CardRefusal.WRONG_STATE
    assert lend(desk, Loan(stock, PersonId(UUID(int=5)), DUE)) is CardRefusal.NOT_FOUND
    assert lend(desk, Loan(CardId(UUID(int=5)), person, DUE)) is CardRefusal.NOT_FOUND


def test_overdue_cards_are_listed_longest_first(desk: Desk, person: PersonId, clock: StillClock) -> None:
    for number, hours in ((1, 5), (2, 1), (3, 30)):
        card = desk.card(f"{number:08d}", None, Product.VISITOR)
        assert lend(desk, Loan(card, person, NOON + timedelta(hours=hours))) is None
    clock.forward(hours=6)
    rows = desk.database.read(lambda session: loans.overdue(session, desk.site, clock.now()))
    assert [(row["number"], row["person_name"]) for row in rows] == [("00000002", "王小明"), ("00000001", "王小明")]


def test_c34_a_returned_visitor_card_goes_back_to_stock(desk: Desk, person: PersonId) -> None:
    card = desk.card("00000009", person, Product.VISITOR)

    def recycle() -> CardRefusal | None:
        return desk.write(lambda session, system, site: loans.recycle(session, system, site, card, "test"))

    assert recycle() is CardRefusal.WRONG_STATE
    desk.set(card, _S.RETURNED)
    assert recycle() is None
    assert desk.state(card) is _S.BLANK
    assert lend(desk, Loan(card, person, DUE)) is None
