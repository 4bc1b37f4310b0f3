"""Looking into one holder's movements: only for a stated purpose, and the trail keeps who looked and why (T28)."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import RowMapping

from cardcore.ids import AccountId, PersonId, SiteId, StaffId
from server.audit.service import Deed, record, staff_actor
from server.database import WriteSession
from server.ledger import repository
from server.reports.paging import Page, page_of
from server.system import System


class Purpose(StrEnum):
    """Why somebody's movements are read."""

    HOLDER_ASKED = "holder_asked"
    COMPLAINT = "complaint"
    RECONCILING = "reconciling"
    AUDITING = "auditing"


def look_into(
    session: WriteSession,
    system: System,
    site_id: SiteId,
    looker: StaffId,
    person: PersonId,
    purpose: Purpose,
    page: int,
) -> Page[RowMapping] | None:
    """Return a page of what moved on a person's account, newest first; None if there is no such account here."""
    account = repository.account_of_person(session, site_id, person)
    if account is None:
        return None
    note_look(session, system, site_id, looker, person, purpose)
    account_id = AccountId(account["id"])

    def rows(limit: int, offset: int) -> list[RowMapping]:
        return list(repository.statement(session, account_id, limit, offset))

    return page_of(page, rows, lambda: None)


def note_look(
    session: WriteSession, system: System, site_id: SiteId, looker: StaffId, person: PersonId, purpose: Purpose
) -> None:
    """Write down that somebody reads a person's movements."""
    deed = Deed(staff_actor(looker), "movements_read", f"person:{person}", reason=str(purpose))
    record(session, system, site_id, deed)
