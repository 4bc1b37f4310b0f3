"""A site with holders and money, for tests of everything that books by hand. Test support."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

from cardcore.access.items import Product
from cardcore.ids import AccountId, CategoryId, CredentialKey, PersonId, SiteId, TransferId
from cardcore.money import Fen
from server.cards.service import NewCard, issue_card
from server.database import Database, WriteSession
from server.ledger import invariants, service
from server.people import service as people
from server.system import System


@dataclass
class Holder:
    """One person with an account and a card."""

    person: PersonId
    account: AccountId
    number: str
    name: str
    credential: CredentialKey


class Money:
    """Opens accounts, reads balances, and proves the books."""

    def __init__(self, database: Database, system: System, site: SiteId) -> None:
        self.database, self.system, self.site = database, system, site
        self._numbers = count(10_001)

    def holder(self, category: str = "staff", number: str | None = None, name: str = "王小明") -> Holder:
        number = number or str(next(self._numbers))
        key = CredentialKey(f"uid:{self.system.ids.random_bytes(4).hex()}")

        def write(session: WriteSession) -> Holder:
            kind = CategoryId(category)
            people.put_category(session, self.system, self.site, kind, people.Named(category, category), "test")
            new = people.NewPerson(number, name, kind)
            person = people.create_person(session, self.system, self.site, new, "test")
            assert not isinstance(person, people.PersonRefusal)
            issue_card(session, self.system, self.site, NewCard(number, Product.COMBINED, (key,), person), "test")
            account = service.open_account(session, self.system, self.site, person, "test")
            assert not isinstance(account, service.LedgerRefusal)
            return Holder(person, account, number, name, key)

        return self.database.write(write)

    def transfer_id(self) -> TransferId:
        return TransferId(self.system.ids.uuid7())

    def give(self, holder: Holder, amount: int) -> None:
        """Put cash on the purse, from the drawer without a shift."""
        credit = service.Credit(self.transfer_id(), holder.account, Fen(amount))
        booked = self.database.write(lambda session: service.top_up(session, self.system, self.site, credit, "test"))
        assert isinstance(booked, service.Booked)

    def balances(self, holder: Holder) -> dict[str, int]:
        found = self.database.read(lambda session: service.balances(session, holder.account))
        return {purse.kind: purse.balance for purse in found}

    def cash(self, holder: Holder) -> int:
        return self.balances(holder)["cash"]

    def books(self) -> dict[tuple[str, str], int]:
        """Return what stands on each account that is not zero."""
        sums = self.database.read(lambda session: service.trial_sums(session, self.site))
        return {key: fen for key, fen in sums.items() if fen}

    def prove(self) -> None:
        """Fail when an invariant of the books does not hold."""
        found = self.database.read(lambda session: invariants.all_invariants(session, self.site))
        wrong = {name: violations for name, violations in found.items() if violations}
        assert not wrong, wrong
