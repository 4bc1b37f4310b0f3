"""A noon at the reference site with people who close its books. Test support."""

from __future__ import annotations

from datetime import date
from typing import Any

import psycopg

from cardcore.ids import CategoryId, CredentialKey, StaffId
from cardcore.journal import Intent, Outcome, OutcomeKind, Purpose, Record, Verdict
from cardcore.till_totals import TillTotal, statement
from server.close import run, service
from server.close.models import CloseRefusal, DayClose
from server.database import Database, WriteSession
from server.people import service as people
from server.staff import service as staff
from server.staff.passwords import Passwords
from server.staff.roles import Role
from tests.server.reports.lunch import Lunch

DAY = date(2026, 3, 4)
TILLS = ("t01", "t02", "t03", "t04")


class CountingHouse(Lunch):
    """The site; its day closes the next morning."""

    def __init__(self, database: Database, cards: int = 6) -> None:
        super().__init__(database, cards)
        self.clerk = self.hire(Role.FINANCE)
        self.second = self.hire(Role.FINANCE)
        self.auditor = self.hire(Role.AUDITOR)
        self.cashier = self.hire(Role.CASHIER)
        with psycopg.connect(database.url) as connection:
            connection.execute("update till set device_id = %s", (self.small.device.id,))

    def hire(self, role: Role) -> StaffId:
        """Add a person with a login."""
        system, site = self.system, self.site
        passwords = Passwords(system.ids, memory_kib=8, time_cost=1)

        def write(session: WriteSession) -> StaffId:
            number = str(system.ids.uuid7())
            someone = people.create_person(
                session, system, site, people.NewPerson(number, "某人", CategoryId("staff")), "test"
            )
            assert not isinstance(someone, people.PersonRefusal)
            login = staff.NewStaff(number, "某人", "correct horse battery", frozenset({role}), person=someone)
            made = staff.create_staff(session, system, site, passwords, login, "test")
            assert not isinstance(made, staff.StaffRefusal)
            return made

        return self.database.write(write)

    def state(self, till: str, served: int, fen: int, day: date = DAY, meal: str = "lunch") -> None:
        """Upload a till's own total."""
        total = TillTotal(day, meal, served, fen)
        record = self.journal.add(statement(till, total, self.journal.stamp()))
        self.taps.process([self.journal.upload([record])])

    def state_all(self, **served: tuple[int, int]) -> None:
        """Upload the totals of all tills; those not named served nothing."""
        for till in TILLS:
            count, fen = served.get(till, (0, 0))
            self.state(till, count, fen, meal="lunch" if count else "")

    def intent(self, index: int, till: str) -> Intent:
        """Return a tap of a card at a till, stamped now."""
        credential = CredentialKey(f"uid:{index:08x}")
        return Intent(str(self.system.ids.uuid7()), Purpose.TILL, till, till, credential, self.journal.stamp(), 1)

    def served(self, tap: Record, amount: int) -> Outcome:
        """Return the outcome of a meal that a till served alone, stamped now."""
        verdict = Verdict(granted=True, reason="charged", policy_version=1, offline=True, amount=amount, meal="lunch")
        return Outcome(tap.seq, OutcomeKind.SERVED, verdict, self.journal.stamp())

    def next_morning(self) -> None:
        """Go to 09:00 of the day after."""
        self.clock.advance(hours=20)

    def close(
        self, day: date = DAY, closer: StaffId | None = None, *, without_silent: bool = False
    ) -> DayClose | CloseRefusal:
        """Close a day as a command does."""
        return run.close_day(
            self.database, self.system, self.site, day, closer or self.clerk, without_silent=without_silent
        )

    def closed(self, day: date = DAY, *, without_silent: bool = False) -> DayClose:
        """Close a day that must close."""
        made = self.close(day, without_silent=without_silent)
        assert isinstance(made, DayClose), made
        return made

    def sign(self, signer: StaffId, day: date = DAY) -> CloseRefusal | None:
        """Sign a closed day."""
        return self.database.write(lambda session: service.sign(session, self.system, self.site, day, signer))

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Read the tables."""
        return self.small.rows(query, *values)
