"""Cash from holder to holder: once, never more than is there, and the two meet in the middle without a loss."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from cardcore.access.items import AccountState
from cardcore.ids import SiteId, TransferId
from cardcore.money import Fen
from server.database import Database
from server.ledger.holder_transfer import PassOn, PassOnRefusal, pass_on
from server.ledger.rules import PurseRule, put_rule
from server.ledger.service import set_account_state
from server.system import System
from tests.server.money import Holder, Money


@pytest.fixture
def money(database: Database, system: System, site: SiteId) -> Money:
    return Money(database, system, site)


def give(
    money: Money, source: Holder, target: Holder, amount: int, key: TransferId | None = None
) -> Fen | PassOnRefusal:
    wanted = PassOn(key or money.transfer_id(), source.account, target.account, Fen(amount))
    return money.database.write(lambda session: pass_on(session, money.system, money.site, wanted, "test"))


def test_c35_cash_goes_from_one_to_the_other_once(money: Money) -> None:
    one, other = money.holder(), money.holder()
    money.give(one, 1_000)
    key = money.transfer_id()
    assert [give(money, one, other, 300, key) for _ in range(2)] == [700, 700]
    assert (money.cash(one), money.cash(other)) == (700, 300)
    assert give(money, one, other, 301, key) is PassOnRefusal.OTHER_CONTENT
    money.prove()


def test_c35_what_cannot_be_passed_on(money: Money) -> None:
    one, other = money.holder(), money.holder()
    money.give(one, 1_000)
    assert give(money, one, other, 1_001) is PassOnRefusal.BALANCE_TOO_LOW
    assert give(money, one, one, 1) is PassOnRefusal.SAME_ACCOUNT
    assert give(money, one, other, 0) is PassOnRefusal.AMOUNT_OUT_OF_RANGE
    rule = PurseRule("cash", highest=Fen(1_000))
    money.database.write(lambda session: put_rule(session, money.system, money.site, rule, "test"))
    money.give(other, 500)
    assert give(money, one, other, 501) is PassOnRefusal.ABOVE_HIGHEST
    frozen = (other.account, AccountState.FROZEN, "test")
    money.database.write(lambda session: set_account_state(session, money.system, money.site, *frozen))
    assert give(money, one, other, 1) is PassOnRefusal.ACCOUNT_NOT_OPEN


def test_two_who_give_to_each_other_at_once_lose_nothing(money: Money) -> None:
    one, other = money.holder(), money.holder()
    money.give(one, 1_000)
    money.give(other, 1_000)
    pairs = [(one, other), (other, one)] * 10
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda pair: give(money, pair[0], pair[1], 7), pairs))
    assert not any(isinstance(result, PassOnRefusal) for result in done)
    assert (money.cash(one), money.cash(other)) == (1_000, 1_000)
    money.prove()
