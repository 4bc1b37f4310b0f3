"""Putting two accounts together: everything moves, the debt too, and the first account is closed."""

from __future__ import annotations

import pytest

from cardcore.access.items import AccountState
from cardcore.ids import SiteId
from server.approvals.models import ApprovalRefusal
from server.database import Database, WriteSession
from server.ledger.booking import Booking
from server.ledger.merging import MERGE, MergeAccounts, MergeRefusal
from server.ledger.roles import LedgerRole, TransferKind
from server.ledger.service import set_account_state
from server.system import System
from tests.server.conftest import Hire
from tests.server.money import Holder, Money
from tests.server.subsidies.conftest import Office


@pytest.fixture
def money(database: Database, system: System, site: SiteId) -> Money:
    return Money(database, system, site)


@pytest.fixture
def office(money: Money, hire: Hire) -> Office:
    return Office(money, hire)


def owe(session: WriteSession, system: System, site: SiteId, holder: Holder, amount: int) -> None:
    booking = Booking(session, system, site, "test")
    (purse,) = booking.lock([(holder.account, "subsidy")]).values()
    booking.move(TransferKind.ADJUSTMENT, (purse.id, booking.books(LedgerRole.ADJUSTMENT, "main")), amount)
    booking.write()


def test_balances_and_debts_move_and_the_first_account_is_closed(money: Money, office: Office) -> None:
    old, new = money.holder(), money.holder()
    money.give(old, 3_000)
    money.give(new, 100)
    office.call(owe, old, 250)
    assert office.together(MERGE, MergeAccounts(old.account, new.account)) is None
    assert set(money.balances(old).values()) == {0}
    assert money.balances(new) == {"cash": 3_100, "count": 0, "deposit": 0, "subsidy": -250}
    assert office.together(MERGE, MergeAccounts(old.account, new.account)) == MergeRefusal.ACCOUNT_NOT_OPEN
    money.prove()


def test_only_two_open_accounts_of_this_site(money: Money, office: Office) -> None:
    one, other = money.holder(), money.holder()
    assert office.together(MERGE, MergeAccounts(one.account, one.account)) == MergeRefusal.SAME_ACCOUNT
    office.call(set_account_state, other.account, AccountState.FROZEN, "test")
    assert office.together(MERGE, MergeAccounts(one.account, other.account)) == MergeRefusal.ACCOUNT_NOT_OPEN


def test_c82_nobody_merges_alone(money: Money, office: Office) -> None:
    one, other = money.holder(), money.holder()
    office.checker = office.maker
    assert office.together(MERGE, MergeAccounts(one.account, other.account)) is ApprovalRefusal.SAME_PERSON
