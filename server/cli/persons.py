"""Whom a command means: people and accounts by personnel number."""

from __future__ import annotations

from cardcore.ids import AccountId, SiteId
from server.cli.opened import Opened
from server.ledger import repository as ledger_rows
from server.people import repository as people_rows


class AccountChoiceError(ValueError):
    """Nobody with an account has the number that was typed; the text says so."""


def account_of(found: Opened, site: SiteId, number: str) -> AccountId:
    """Return the account of a personnel number. Raises AccountChoiceError."""
    person = found.database.read(lambda session: people_rows.by_number(session, site, number))
    row = None
    if person is not None:
        row = found.database.read(lambda session: ledger_rows.account_of_person(session, site, person["id"]))
    if row is None:
        msg = f"nobody with an account has the number {number}"
        raise AccountChoiceError(msg)
    return AccountId(row["id"])
