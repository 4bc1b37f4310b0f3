"""The books as accountants read them: trial balance at any date (C73), a holder's statement. Reads only.

A transfer debits the account it comes from and credits the one it goes to. So a purse (money owed to its holder) or a
stall (owed to the caterer) stands on the credit side, which is positive here; cash and receivables are negative.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import RowMapping

from cardcore.ids import AccountId, SiteId
from cardcore.money import Fen
from server.database import ReadSession, WriteSession
from server.ledger.roles import Unit
from server.reports import books_repository as repository


class Account(NamedTuple):
    """An account of the books as outsiders know it: holders' purses together, by kind."""

    role: str
    name: str


@dataclass(frozen=True, slots=True)
class BalanceLine:
    """One account of the trial balance, purses together by kind. closing = opening - debit + credit."""

    unit: Unit
    """Fen, or meals where the account counts those."""
    role: str
    name: str
    opening: Fen
    debit: Fen
    credit: Fen

    @property
    def closing(self) -> Fen:
        """The balance at the end; positive on the credit side."""
        return Fen(self.opening - self.debit + self.credit)


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One movement of a holder's purse; `amount` is negative for what left it."""

    at: datetime
    business_day: date
    kind: str
    purse: str
    amount: Fen
    balance: Fen
    other: str
    note: str


def trial_balance(
    session: ReadSession | WriteSession, site_id: SiteId, from_day: date, through_day: date
) -> list[BalanceLine]:
    """Return every account with postings up to a day, by unit, role and name; each unit sums to zero.

    `opening` is what was posted before `from_day`, debit and credit what was posted from then on through `through_day`.
    """
    rows = repository.balances(session, site_id, from_day, through_day)
    return [
        BalanceLine(
            Unit(row["unit"]), row["role"], row["name"], Fen(row["opening"]), Fen(row["debit"]), Fen(row["credit"])
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class Movement:
    """Money moved in one business day from one account (debited) to another (credited), for one reason and meal."""

    day: date
    kind: str
    meal: str
    source: Account
    target: Account
    count: int
    amount: Fen


def movements(session: ReadSession, site_id: SiteId, from_day: date, through_day: date) -> Iterator[Movement]:
    """Yield what moved in business days, both included, summed by day, kind, meal and both accounts, in that order."""
    for row in repository.movements_by_day(session, site_id, from_day, through_day):
        source, target = Account(row["from_role"], row["from_name"]), Account(row["to_role"], row["to_name"])
        amount = Fen(row["fen"])
        yield Movement(row["business_day"], row["kind"], row["meal_id"], source, target, row["count"], amount)


def statement(
    session: ReadSession, site_id: SiteId, account_id: AccountId, from_day: date, through_day: date
) -> Iterator[StatementLine]:
    """Yield a holder's movements of business days, both included, oldest first."""
    for row in repository.movements(session, site_id, account_id, from_day, through_day):
        yield _line(row)


def _line(row: RowMapping) -> StatementLine:
    return StatementLine(
        at=row["at"],
        business_day=row["business_day"],
        kind=row["kind"],
        purse=row["purse"],
        amount=Fen(row["amount_fen"]),
        balance=Fen(row["balance_fen"]),
        other=f"{row['other_role']}:{row['other_name']}" if row["other_role"] != "purse" else "purse",
        note=row["note"],
    )
