"""What a category may hold and owe: floors reach the purses at once, debts are listed with their age."""

from __future__ import annotations

import pytest

from cardcore.ids import CategoryId, SiteId
from cardcore.money import Fen
from server.database import Database, WriteSession
from server.ledger import service
from server.ledger.booking import Booking
from server.ledger.roles import LedgerRole, TransferKind
from server.ledger.rules import PurseRule, RuleRefusal, debts, put_rule
from server.system import System
from tests.server.conftest import StillClock
from tests.server.money import Holder, Money


@pytest.fixture
def money(database: Database, system: System, site: SiteId) -> Money:
    return Money(database, system, site)


def put(money: Money, rule: PurseRule) -> RuleRefusal | None:
    return money.database.write(lambda session: put_rule(session, money.system, money.site, rule, "test"))


def floor(money: Money, holder: Holder) -> int:
    purses = money.database.read(lambda session: service.balances(session, holder.account))
    return {purse.kind: purse.floor for purse in purses}["cash"]


def take(money: Money, holder: Holder, amount: int, kind: str = "cash") -> None:
    """Take money as a meal served offline does: whatever is there."""

    def write(session: WriteSession) -> None:
        booking = Booking(session, money.system, money.site, "test")
        (purse,) = booking.lock([(holder.account, kind)]).values()
        booking.move(TransferKind.ADJUSTMENT, (purse.id, booking.books(LedgerRole.ADJUSTMENT, "main")), amount)
        booking.write()

    money.database.write(write)


def test_c80_the_floor_of_a_category_reaches_old_and_new_purses(money: Money) -> None:
    staff, pupil = money.holder("staff"), money.holder("pupil")
    assert put(money, PurseRule("cash", CategoryId("pupil"), floor=Fen(-2_000))) is None
    assert put(money, PurseRule("cash", floor=Fen(500))) is None
    assert (floor(money, staff), floor(money, pupil)) == (500, -2_000)
    assert (floor(money, money.holder("staff")), floor(money, money.holder("pupil"))) == (500, -2_000)
    assert put(money, PurseRule("cash", CategoryId("pupil"), floor=Fen(-100))) is None
    assert (floor(money, staff), floor(money, pupil)) == (500, -100)


@pytest.mark.parametrize(
    ("rule", "refusal"),
    [
        (PurseRule("cash", CategoryId("nobody")), RuleRefusal.UNKNOWN_CATEGORY),
        (PurseRule("deposit"), RuleRefusal.UNKNOWN_KIND),
        (PurseRule("cash", floor=Fen(10), highest=Fen(10)), RuleRefusal.OUT_OF_RANGE),
        (PurseRule("cash", floor=Fen(-10), highest=Fen(-1)), RuleRefusal.OUT_OF_RANGE),
        (PurseRule("cash", floor=Fen(-100_000_001)), RuleRefusal.OUT_OF_RANGE),
        (PurseRule("cash", highest=Fen(100_000_001)), RuleRefusal.OUT_OF_RANGE),
    ],
)
def test_a_senseless_rule_is_refused(money: Money, rule: PurseRule, refusal: RuleRefusal) -> None:
    assert put(money, rule) is refusal


def test_c81_debts_are_listed_with_their_age_and_the_next_top_up_repays(money: Money, clock: StillClock) -> None:
    old, young, paid = money.holder(), money.holder(), money.holder()
    money.give(old, 100)
    take(money, old, 300)
    take(money, paid, 300)
    since = clock.now()
    clock.forward(days=31)
    take(money, old, 50)
    take(money, young, 700)
    money.give(paid, 250)
    money.give(paid, 100)
    found = money.database.read(lambda session: debts(session, money.site, 1, clock.now())).rows
    assert [(debt.number, debt.owed, debt.age_class) for debt in found] == [
        (old.number, 250, 2),
        (young.number, 700, 0),
    ]
    assert (found[0].since, found[1].since) == (since, clock.now())
    assert money.cash(paid) == 50


def test_c22_a_count_purse_holds_meals_and_opens_when_needed(money: Money) -> None:
    holder = money.holder()

    def grant(session: WriteSession) -> None:
        booking = Booking(session, money.system, money.site, "test")
        purses = booking.lock([(holder.account, "count"), (holder.account, "deposit")])
        rights = booking.books(LedgerRole.MEAL_RIGHTS, "main")
        booking.move(TransferKind.MEAL_RIGHTS, (rights, purses[holder.account, "count"].id), 20)
        drawer = booking.books(LedgerRole.CASH_DRAWER, "main")
        booking.move(TransferKind.DEPOSIT, (drawer, purses[holder.account, "deposit"].id), 2_000)
        booking.write()

    money.database.write(grant)
    assert money.balances(holder) == {"cash": 0, "count": 20, "deposit": 2_000, "subsidy": 0}
    money.prove()


def test_meals_cannot_become_money(money: Money) -> None:
    holder = money.holder()

    def mix(session: WriteSession) -> None:
        booking = Booking(session, money.system, money.site, "test")
        purses = booking.lock([(holder.account, "count"), (holder.account, "cash")])
        booking.move(
            TransferKind.ADJUSTMENT, (purses[holder.account, "count"].id, purses[holder.account, "cash"].id), 1
        )
        booking.write()

    money.database.write(mix)
    with pytest.raises(AssertionError, match="i01"):
        money.prove()
