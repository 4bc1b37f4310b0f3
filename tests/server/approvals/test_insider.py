"""One corrupt insider with every login there is: no money from nothing, no card back in use that takes two.

The insider is one person with a login of every role, and the only one who acts. Every rule is something that a login
can do through the product's services on PostgreSQL; the goal states must stay out of reach whatever is drawn
(security sheet, section 5; I19).
"""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from cardcore.access.items import CardState, Product
from cardcore.ids import AccountId, CardId, CategoryId, CredentialKey, PersonId, ShiftId, StaffId, TransferId
from cardcore.money import Fen
from server.access import service as access
from server.approvals import service as approvals
from server.approvals.models import ApprovalRefusal, Operation
from server.approvals.operations import OPERATIONS
from server.cards import service as cards
from server.cashdesk import desk, shifts
from server.cashdesk.models import DeskRefusal, Receipt, ShiftView
from server.database import Database, WriteSession
from server.ledger import service as ledger
from server.people import service as people
from server.reports.pages import CardPages, SitePages
from server.reports.rows import BlockReason
from server.staff import service as staff
from server.staff.passwords import Passwords
from server.staff.roles import ROLE_PERMISSIONS, Permission, Role
from server.system import System
from tests.server.approvals.made_up import content_of, give_privileged_level
from tests.server.conftest import CountedIds, StillClock

EXAMPLES, STEPS = 12, 30
ROLES = st.sampled_from(list(Role))
CARDS = st.sampled_from(["lost", "damaged", "privileged", "own"])
AMOUNTS = st.sampled_from([1, 500, 20_000])


class Insider(RuleBasedStateMachine):
    """See the module. `database` is set by the test."""

    database: Database
    drawn = 0

    @initialize()
    def a_site(self) -> None:
        type(self).drawn += 1
        self.clock = StillClock()
        ids = CountedIds(self.clock)
        ids._drawn = 1_000_000 * type(self).drawn
        self.system = System(self.clock, ids)
        self.database.write(self._set_up)
        self.pages = CardPages(SitePages(self.database, self.system, self.site))
        self.shift: ShiftView | None = None
        self.requests: list[Any] = []
        self.put_in, self.taken_out = 0, 0

    def _set_up(self, session: WriteSession) -> None:
        name = f"site-{type(self).drawn}"
        self.site = access.create_site(session, self.system, access.NewSite(name, name, name), "test")
        people.put_category(session, self.system, self.site, CategoryId("staff"), people.Named("Staff", "职工"), "test")
        self.insider, self.victim = self._person(session, "insider"), self._person(session, "victim")
        passwords = Passwords(self.system.ids, memory_kib=8, time_cost=1)
        self.logins: dict[Role, StaffId] = {}
        for role in Role:
            new = staff.NewStaff(
                f"{name}-{role}", "Insider", "correct horse battery", frozenset({role}), person=self.insider
            )
            login = staff.create_staff(session, self.system, self.site, passwords, new, "test")
            assert not isinstance(login, staff.StaffRefusal), login
            self.logins[role] = login
        self.accounts = [self._account(session, person) for person in (self.insider, self.victim)]
        self.cards = {
            "lost": self._card(session, self.victim, CardState.LOST),
            "damaged": self._card(session, self.victim, CardState.DAMAGED),
            "privileged": self._card(session, self._person(session, "director"), CardState.SUSPENDED),
            "own": self._card(session, self.insider, CardState.SUSPENDED),
        }
        director = cards.get(session, self.site, self.cards["privileged"])
        assert director is not None
        give_privileged_level(session, self.system, self.site, PersonId(director["person_id"]))

    def _person(self, session: WriteSession, name: str) -> PersonId:
        new = people.NewPerson(f"{name}-{type(self).drawn}", name, CategoryId("staff"))
        made = people.create_person(session, self.system, self.site, new, "test")
        assert not isinstance(made, people.PersonRefusal)
        return made

    def _account(self, session: WriteSession, person: PersonId) -> AccountId:
        made = ledger.open_account(session, self.system, self.site, person, "test")
        assert not isinstance(made, ledger.LedgerRefusal)
        return made

    def _card(self, session: WriteSession, holder: PersonId, state: CardState) -> CardId:
        number = self.system.ids.random_bytes(4).hex()
        new = cards.NewCard(number, Product.COMBINED, (CredentialKey(f"uid:{number}"),), holder)
        card = cards.issue_card(session, self.system, self.site, new, "test")
        assert not isinstance(card, cards.CardRefusal)
        cards.change_state(session, self.system, self.site, card, state, ("test", "set up"))
        return card

    # --- what a login can do ---------------------------------------------------------------------------------

    @rule(role=ROLES, card=CARDS)
    def put_back_on_the_page(self, role: Role, card: str) -> None:
        self.pages.unblock(self.cards[card], self.logins[role])

    @rule(role=ROLES, card=CARDS, reason=st.sampled_from(list(BlockReason)))
    def block_on_the_page(self, role: Role, card: str, reason: BlockReason) -> None:
        self.pages.block(self.cards[card], reason, self.logins[role])

    @rule(operation=st.sampled_from(sorted(OPERATIONS)), data=st.data())
    def ask_for_anything(self, operation: str, data: st.DataObject) -> None:
        wanted: Operation[Any] = OPERATIONS[operation]
        role = data.draw(st.sampled_from(allowed_to(wanted.ask)))
        content = content_of(
            wanted.content, data, list(self.cards.values()), [self.insider, self.victim], self.accounts
        )
        made = self.database.write(
            lambda session: approvals.ask(session, self.system, self.site, self.logins[role], wanted, content, "please")
        )
        if not isinstance(made, ApprovalRefusal):
            self.requests.append(made)

    @rule(data=st.data())
    def approve_what_was_asked(self, data: st.DataObject) -> None:
        if not self.requests:
            return
        asked = data.draw(st.sampled_from(self.requests))
        request = self.database.read(lambda session: approvals.get(session, self.site, asked))
        assert request is not None
        role = data.draw(st.sampled_from(allowed_to(OPERATIONS[request.operation].approve)))
        decision = (self.logins[role], request.seen)
        end = self.database.write(
            lambda session: approvals.approve(session, self.system, self.site, asked, decision, OPERATIONS)
        )
        assert end is not None, f"{request.operation} was approved by the one who asked"
        assert end is not ApprovalRefusal.OPERATION_REFUSED

    @rule(role=ROLES, other=ROLES)
    def pretend_to_be_somebody_else(self, role: Role, other: Role) -> None:
        end = self.database.write(
            lambda session: staff.set_person(
                session, self.system, self.site, self.logins[role], self.victim, f"staff:{self.logins[other]}"
            )
        )
        assert end is staff.StaffRefusal.PERSON_SET

    @rule(opening=AMOUNTS)
    def open_a_shift(self, opening: int) -> None:
        opened = self.database.write(
            lambda session: shifts.open_shift(
                session, self.system, self.site, "desk-1", self.logins[Role.CASHIER], Fen(opening)
            )
        )
        if isinstance(opened, ShiftView):
            self.shift = opened

    @rule(account=st.integers(0, 1), amount=AMOUNTS, out=st.booleans())
    def move_cash_over_the_counter(self, account: int, amount: int, out: bool) -> None:
        if self.shift is None:
            return
        till = desk.Till(ShiftId(self.shift.id), self.logins[Role.CASHIER])
        order = desk.CashOrder(TransferId(self.system.ids.uuid7()), self.accounts[account], Fen(amount), "")
        move = desk.pay_out if out else desk.top_up
        done = self.database.write(lambda session: move(session, self.system, self.site, till, order))
        assert isinstance(done, Receipt | DeskRefusal)
        if isinstance(done, Receipt):
            self.put_in += 0 if out else amount
            self.taken_out += amount if out else 0

    @rule(counted=AMOUNTS)
    def close_the_shift(self, counted: int) -> None:
        if self.shift is None:
            return
        shift = self.shift
        ended = self.database.write(
            lambda session: shifts.close_shift(
                session, self.system, self.site, ShiftId(shift.id), self.logins[Role.CASHIER], Fen(counted)
            )
        )
        if isinstance(ended, ShiftView):
            assert ended.expected is not None
            self.shift = None

    # --- what must stay out of reach ---------------------------------------------------------------------------

    @invariant()
    def no_card_came_back_that_takes_two(self) -> None:
        if not hasattr(self, "cards"):
            return
        for name in self.cards:
            row = self.database.read(lambda session, card=self.cards[name]: cards.get(session, self.site, card))  # type: ignore[misc]
            assert row is not None
            assert row["state"] != CardState.ACTIVE, f"{name} is in use again by one person alone"

    @invariant()
    def no_money_came_from_nothing(self) -> None:
        """Purses hold the cash that drawers answer for: a top-up without cash shows as a shortage at the count."""
        if not hasattr(self, "cards"):
            return
        purses: list[int] = []
        for account in self.accounts:
            held = self.database.read(lambda session, account=account: ledger.balances(session, account))  # type: ignore[misc]
            purses += [purse.balance for purse in held]
        assert sum(purses) == self.put_in - self.taken_out
        sums = self.database.read(lambda session: ledger.trial_sums(session, self.site))
        assert sum(sums.values()) == 0


def allowed_to(permission: Permission) -> list[Role]:
    """Return the roles that hold a permission: an attacker knows with which login to try."""
    return [role for role in Role if permission in ROLE_PERMISSIONS[role]]


def test_one_insider_with_every_login_gets_neither_money_nor_a_card(module_database: Database) -> None:
    class OnThisDatabase(Insider):
        database = module_database

    run_state_machine_as_test(
        OnThisDatabase,
        settings=settings(
            max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None,
            suppress_health_check=list(HealthCheck), derandomize=True, phases=[Phase.generate],
        ),
    )  # fmt: skip


def test_the_content_of_every_operation_can_be_made_up() -> None:
    assert all(issubclass(operation.content, msgspec.Struct) for operation in OPERATIONS.values())
