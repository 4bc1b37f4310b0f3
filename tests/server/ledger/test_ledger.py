"""Top-ups and subsidies: booked once, with the balance after them, by the books' rules."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from cardcore.access.items import AccountState, Product
from cardcore.ids import AccountId, CategoryId, CredentialKey, PersonId, SiteId, TransferId
from cardcore.money import Fen
from server.access.service import NewSite, create_site
from server.cards.service import NewCard, issue_card
from server.database import Database, WriteSession
from server.ledger import invariants, service
from server.ledger.service import Booked, Credit, LedgerRefusal
from server.people import service as people
from server.policy import service as policy
from server.system import System
from tests.server.conftest import StillClock

KEY = CredentialKey("uid:00000001")


@pytest.fixture
def person(database: Database, system: System, site: SiteId) -> PersonId:
    def write(session: WriteSession) -> PersonId:
        people.put_category(session, system, site, CategoryId("staff"), people.Named("Staff", "职工"), "test")
        new = people.NewPerson("10001", "王小明", CategoryId("staff"))
        created = people.create_person(session, system, site, new, "test")
        assert not isinstance(created, people.PersonRefusal)
        issue_card(session, system, site, NewCard("1", Product.COMBINED, (KEY,), created), "test")
        return created

    return database.write(write)


@pytest.fixture
def account(database: Database, system: System, site: SiteId, person: PersonId) -> AccountId:
    opened = database.write(lambda session: service.open_account(session, system, site, person, "test"))
    assert not isinstance(opened, LedgerRefusal)
    return opened


@pytest.fixture
def top_up(database: Database, system: System, site: SiteId) -> Callable[[Credit], Booked | LedgerRefusal]:
    return lambda credit: database.write(lambda session: service.top_up(session, system, site, credit, "staff:1"))


TopUp = Callable[[Credit], Booked | LedgerRefusal]


def new_credit(system: System, account: AccountId, amount: int) -> Credit:
    return Credit(TransferId(system.ids.uuid7()), account, Fen(amount))


def held(database: Database, account: AccountId) -> dict[str, int]:
    return {purse.kind: purse.balance for purse in database.read(lambda session: service.balances(session, account))}


def test_a_new_account_is_empty_and_known_to_the_edge(database: Database, site: SiteId, account: AccountId) -> None:
    assert held(database, account) == {"cash": 0, "subsidy": 0}
    item = database.read(lambda session: policy.load_snapshot(session, site)).card(KEY)
    assert item is not None
    assert item.account == account


def test_nobody_has_two_accounts(
    database: Database, system: System, site: SiteId, person: PersonId, account: AccountId
) -> None:
    again = database.write(lambda session: service.open_account(session, system, site, person, "test"))
    assert again is LedgerRefusal.ACCOUNT_EXISTS


class TestTopUp:
    def test_money_comes_from_the_drawer_and_the_books_balance(
        self, database: Database, system: System, site: SiteId, account: AccountId, top_up: TopUp
    ) -> None:
        credit = new_credit(system, account, 5_000)
        assert top_up(credit) == Booked(credit.transfer_id, Fen(5_000), repeated=False)
        subsidy = new_credit(system, account, 300)
        database.write(lambda session: service.credit_subsidy(session, system, site, subsidy, "staff:1"))
        assert held(database, account) == {"cash": 5_000, "subsidy": 300}
        sums = database.read(lambda session: service.trial_sums(session, site))
        assert sums == {
            ("cash_drawer", "main"): -5_000,
            ("purse", "cash"): 5_000,
            ("purse", "subsidy"): 300,
            ("subsidy", "main"): -300,
        }

    def test_the_same_top_up_again_books_nothing(
        self, database: Database, system: System, account: AccountId, top_up: TopUp
    ) -> None:
        credit = new_credit(system, account, 5_000)
        top_up(credit)
        top_up(new_credit(system, account, 1))
        assert top_up(credit) == Booked(credit.transfer_id, Fen(5_000), repeated=True)
        assert held(database, account)["cash"] == 5_001

    def test_the_same_id_for_another_amount_is_refused(self, system: System, account: AccountId, top_up: TopUp) -> None:
        credit = new_credit(system, account, 5_000)
        top_up(credit)
        other = Credit(credit.transfer_id, account, Fen(6_000))
        assert top_up(other) is LedgerRefusal.OTHER_CONTENT

    @pytest.mark.parametrize("amount", [0, -1, 100_000_001])
    def test_an_impossible_amount_is_refused(
        self, system: System, account: AccountId, top_up: TopUp, amount: int
    ) -> None:
        assert top_up(new_credit(system, account, amount)) is LedgerRefusal.AMOUNT_OUT_OF_RANGE

    def test_a_frozen_account_takes_nothing_and_the_edge_knows(
        self, database: Database, system: System, site: SiteId, account: AccountId, top_up: TopUp
    ) -> None:
        frozen = AccountState.FROZEN
        assert database.write(lambda session: service.set_account_state(session, system, site, account, frozen, "test"))
        assert top_up(new_credit(system, account, 100)) is LedgerRefusal.ACCOUNT_NOT_OPEN
        item = database.read(lambda session: policy.load_snapshot(session, site)).card(KEY)
        assert item is not None
        assert item.account_state is AccountState.FROZEN

    def test_an_account_of_another_site_is_unknown(
        self, database: Database, system: System, account: AccountId
    ) -> None:
        other = database.write(
            lambda session: create_site(session, system, NewSite("other", "Other", "另一处"), "test")
        )
        credit = new_credit(system, account, 100)
        refused = database.write(lambda session: service.top_up(session, system, other, credit, "x"))
        assert refused is LedgerRefusal.UNKNOWN_ACCOUNT

    def test_many_at_once_all_count(
        self, database: Database, system: System, account: AccountId, top_up: TopUp
    ) -> None:
        wanted = [new_credit(system, account, 10 + n % 2) for n in range(20)]
        with ThreadPoolExecutor(4) as pool:
            booked = list(pool.map(top_up, [credit for credit in wanted for _ in range(4)]))
        assert sum(1 for one in booked if isinstance(one, Booked) and not one.repeated) == 20
        assert held(database, account)["cash"] == 210


def test_the_statement_is_newest_first_with_balances(
    database: Database, system: System, clock: StillClock, account: AccountId, top_up: TopUp
) -> None:
    top_up(new_credit(system, account, 100))
    clock.forward(seconds=1)
    top_up(new_credit(system, account, 50))
    rows = database.read(lambda session: service.statement(session, account, 1)).rows
    assert [(row["amount_fen"], row["balance_fen"], row["other_role"]) for row in rows] == [
        (50, 150, "cash_drawer"),
        (100, 100, "cash_drawer"),
    ]


def test_a_tampered_balance_is_found(
    database: Database, system: System, site: SiteId, account: AccountId, top_up: TopUp
) -> None:
    top_up(new_credit(system, account, 100))
    assert database.read(lambda session: invariants.inv_i02_balances_equal_postings(session, site)) == []
    database.write(lambda session: session.exec_driver_sql("update purse set balance_fen = 101 where kind = 'cash'"))
    (found,) = database.read(lambda session: invariants.inv_i02_balances_equal_postings(session, site))
    assert found.detail == {"balance_fen": 101, "postings_fen": 100}
