"""What tests of corrections share: a noon at the seeded site, and people who may ask and approve."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Concatenate, ParamSpec, TypeVar

import msgspec
import pytest

from cardcore.ids import ChargeId, PersonId, SiteId, StaffId
from cardcore.journal import OutcomeKind, Record
from server.approvals import service as approvals
from server.approvals.models import ApprovalRefusal, Operation
from server.approvals.operations import OPERATIONS
from server.database import Database, WriteSession
from server.ledger import invariants
from server.people import service as people
from server.staff import service as staff
from server.staff.passwords import Passwords
from server.staff.roles import Role
from server.system import System
from tests.server.reports.lunch import Lunch

P = ParamSpec("P")
R = TypeVar("R")


@dataclass
class Noon:
    """The seeded site at lunch, with what corrections need of it."""

    lunch: Lunch

    def serve(self, index: int = 0, *, live: bool = True) -> tuple[Record, ChargeId]:
        """Serve a meal to card `index`; return the tap and its charge."""
        tap = self.lunch.tap(index, "t01", live=live)
        self.lunch.outcome(tap, OutcomeKind.SERVED, 1200, offline=not live)
        return tap, self.charge_of(tap)

    def charge_of(self, tap: Record) -> ChargeId:
        query = "select id from charge where seq = %s order by revision desc limit 1"
        return ChargeId(self.lunch.small.rows(query, tap.seq)[0][0])

    def balances(self, index: int = 0) -> dict[str, int]:
        query = "select kind, balance_fen from purse where account_id = %s"
        return dict(self.lunch.small.rows(query, self.lunch.small.holders[index].account))

    def meals(self, index: int = 0) -> list[tuple[int, int]]:
        query = "select count, sum_fen from meal_count where account_id = %s"
        return self.lunch.small.rows(query, self.lunch.small.holders[index].account)

    def call(
        self, service: Callable[Concatenate[WriteSession, System, SiteId, P], R], *args: P.args, **named: P.kwargs
    ) -> R:
        lunch = self.lunch
        return lunch.database.write(lambda session: service(session, lunch.system, lunch.site, *args, **named))

    def hire(self, role: Role, person: PersonId | None = None) -> StaffId:
        """Add a login of one role, for somebody new unless a person is named."""
        lunch = self.lunch
        number = str(lunch.system.ids.uuid7())

        def write(session: WriteSession) -> StaffId:
            new = people.NewPerson(number, "某人", self.category(session))
            someone = person or people.create_person(session, lunch.system, lunch.site, new, "test")
            assert not isinstance(someone, people.PersonRefusal)
            passwords = Passwords(lunch.system.ids, memory_kib=8, time_cost=1)
            login = staff.NewStaff(number, "某人", "correct horse battery", frozenset({role}), person=someone)
            made = staff.create_staff(session, lunch.system, lunch.site, passwords, login, "test")
            assert not isinstance(made, staff.StaffRefusal)
            return made

        return lunch.database.write(write)

    def category(self, session: WriteSession) -> Any:  # noqa: ANN401 - whatever the seed calls it
        from server.people import repository  # noqa: PLC0415 - only here

        return min(repository.category_ids(session, self.lunch.site))

    def together(
        self, operation: Operation[Any], content: msgspec.Struct, maker: StaffId, checker: StaffId, reason: str = "why"
    ) -> ApprovalRefusal | str | None:
        """Ask and approve; return why it was refused, by the approval or by the operation, or None."""
        asked = self.call(approvals.ask, maker, operation, content, reason)
        if isinstance(asked, ApprovalRefusal):
            return asked
        lunch = self.lunch
        request = lunch.database.read(lambda session: approvals.get(session, lunch.site, asked))
        assert request is not None
        ended = self.call(approvals.approve, asked, (checker, request.seen), OPERATIONS)
        if ended is not ApprovalRefusal.OPERATION_REFUSED:
            return ended
        after = lunch.database.read(lambda session: approvals.get(session, lunch.site, asked))
        assert after is not None
        return after.outcome

    def prove(self, *, drained: bool = True) -> None:
        lunch = self.lunch
        found = lunch.database.read(lambda session: invariants.all_invariants(session, lunch.site, drained=drained))
        wrong = {name: violations for name, violations in found.items() if violations}
        assert not wrong, wrong


@pytest.fixture
def noon(database: Database) -> Iterator[Noon]:
    lunch = Lunch(database)
    yield Noon(lunch)
    lunch.taps.close()
