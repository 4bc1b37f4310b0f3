"""The people of the offices, and what they do with the services that pages and commands call."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from cardcore.ids import AccountId, CategoryId, ShiftId, StaffId, TransferId
from cardcore.money import Fen
from server.approvals import service as approvals
from server.approvals.models import ApprovalRefusal, Operation
from server.approvals.operations import OPERATIONS
from server.cashdesk import desk, shifts
from server.cashdesk.models import Receipt, ShiftView
from server.close import findings, run, service
from server.close.findings import FindingFilter
from server.close.models import DayClose, Finding
from server.database import ReadSession, WriteSession
from server.people import service as people
from server.staff import service as staff
from server.staff.passwords import Passwords
from server.staff.roles import Role
from tests.month.site import MonthSite

Result = TypeVar("Result")
MOST_PAGES = 50


class Office:
    """A cashier, the canteen's manager, and two of finance."""

    def __init__(self, site: MonthSite) -> None:
        self._site = site
        self.system, self.id = site.system, site.backend.site
        self.cashier = self._hire("cashier", Role.CASHIER)
        self.manager = self._hire("manager", Role.CANTEEN_MANAGER)
        self.clerk = self._hire("clerk", Role.FINANCE)
        self.second = self._hire("second", Role.FINANCE)

    def write(self, call: Callable[[WriteSession], Result]) -> Result:
        """Call a service in a transaction."""
        return self._site.backend.database.write(call)

    def read(self, call: Callable[[ReadSession], Result]) -> Result:
        """Call a reading service."""
        return self._site.backend.database.read(call)

    def _hire(self, name: str, role: Role) -> StaffId:
        passwords = Passwords(self.system.ids, memory_kib=8, time_cost=1)

        def hired(session: WriteSession) -> StaffId:
            new = people.NewPerson(name, name, CategoryId("staff"))
            person = people.create_person(session, self.system, self.id, new, "test")
            assert not isinstance(person, people.PersonRefusal)
            login = staff.NewStaff(name, name, "correct horse battery", frozenset({role}), person=person)
            made = staff.create_staff(session, self.system, self.id, passwords, login, "test")
            assert not isinstance(made, staff.StaffRefusal)
            return made

        return self.write(hired)

    def by_two(
        self, operation: Operation[Any], content: msgspec.Struct, reason: str, maker: StaffId | None = None
    ) -> None:
        """Ask for something and let another person approve it."""
        asked = self.write(
            lambda session: approvals.ask(
                session, self.system, self.id, maker or self.clerk, operation, content, reason
            )
        )
        assert not isinstance(asked, ApprovalRefusal), asked
        request = self.read(lambda session: approvals.get(session, self.id, asked))
        assert request is not None
        decision = (self.second, request.seen)
        refused = self.write(
            lambda session: approvals.approve(session, self.system, self.id, asked, decision, OPERATIONS)
        )
        assert refused is None, refused
        done = self.read(lambda session: approvals.get(session, self.id, asked))
        assert done is not None
        assert done.state == "executed", done

    # --- the desk -----------------------------------------------------------------------------------------------

    def open_shift(self) -> ShiftView:
        """Open the cashier's shift with 500 yuan for change."""
        opened = self.write(
            lambda session: shifts.open_shift(session, self.system, self.id, "hall", self.cashier, Fen(50_000))
        )
        assert isinstance(opened, ShiftView), opened
        return opened

    def top_up(self, shift: ShiftView, account: AccountId, amount: int) -> Receipt:
        """Take cash."""
        order = desk.CashOrder(TransferId(self.system.ids.uuid7()), account, Fen(amount))
        made = self.write(lambda session: desk.top_up(session, self.system, self.id, self.at(shift), order))
        assert isinstance(made, Receipt), made
        return made

    def close_shift(self, shift: ShiftView, counted: int) -> ShiftView:
        """Count the drawer."""
        closed = self.write(
            lambda session: shifts.close_shift(
                session, self.system, self.id, ShiftId(shift.id), self.cashier, Fen(counted)
            )
        )
        assert isinstance(closed, ShiftView), closed
        return closed

    def at(self, shift: ShiftView) -> desk.Till:
        """Return the desk of a shift."""
        return desk.Till(ShiftId(shift.id), self.cashier)

    # --- the books ----------------------------------------------------------------------------------------------

    def close_through(self, day: date) -> list[DayClose]:
        """Close every open day, and let another person sign each."""
        database = self._site.backend.database
        made: list[DayClose] = []
        for closed in run.close_through(database, self.system, self.id, day, self.clerk, without_silent=True):
            assert isinstance(closed, DayClose), closed
            assert self.write(
                lambda session, closed=closed: service.sign(  # type: ignore[misc]
                    session, self.system, self.id, closed.business_day, self.second
                )
            ) is None  # fmt: skip
            made.append(closed)
        return made

    def open_findings(self) -> list[Finding]:
        """Return everything that is not settled."""
        found: list[Finding] = []
        for page in range(1, MOST_PAGES):
            rows = self.read(lambda session, page=page: findings.find(session, self.id, FindingFilter(), page))  # type: ignore[misc]
            found += rows.rows
            if not rows.has_next:
                break
        return found

    def settle(self, finding: Finding, explanation: str) -> None:
        """Explain a difference."""
        refused = self.write(
            lambda session: findings.settle(session, self.system, self.id, UUID(finding.id), self.clerk, explanation)
        )
        assert refused is None, refused
