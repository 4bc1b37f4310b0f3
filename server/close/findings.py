"""The list of what is not equal or not understood: who owns it, how old it is, and how it was explained (C57, 5.1).

Findings come from the tap path (a record set aside, a meal that had to be posted) and from closes. They stay until the
difference is gone or a person explains it; a set-aside record is settled with its finding.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from uuid import UUID

from sqlalchemy import RowMapping

from cardcore.ids import SiteId, StaffId
from server.audit.service import Deed, record, staff_actor
from server.close import repository
from server.close.models import Finding
from server.database import ReadSession, WriteSession
from server.reports.paging import Page, page_of
from server.staff import service as staff
from server.staff.roles import Permission, Role
from server.system import System

MAX_EXPLANATION = 500
"""Characters of an explanation."""


class FindingRefusal(StrEnum):
    """Why a finding was not changed."""

    NOT_ALLOWED = "not_allowed"
    NOT_FOUND = "not_found"
    SETTLED = "settled"
    EXPLANATION_MISSING = "explanation_missing"
    TOO_LONG = "too_long"


@dataclass(frozen=True, slots=True)
class FindingFilter:
    """Which findings: of closed days, of an owner (a role or a login's id), open ones only unless told otherwise."""

    from_day: date | None = None
    through_day: date | None = None
    owner: str | None = None
    only_open: bool = True


def find(session: ReadSession, site_id: SiteId, wanted: FindingFilter, page: int) -> Page[Finding]:
    """Return a page of findings, oldest first."""
    values = {
        "from_day": wanted.from_day, "through_day": wanted.through_day, "owner": wanted.owner,
        "only_open": wanted.only_open,
    }  # fmt: skip
    found: Page[RowMapping] = page_of(
        page, lambda limit, offset: repository.findings(session, site_id, values, limit, offset), lambda: None
    )
    return Page(tuple(map(_finding, found.rows)), found.number, found.has_next, None)


def settle(
    session: WriteSession, system: System, site_id: SiteId, finding_id: UUID, actor: StaffId, explanation: str
) -> FindingRefusal | None:
    """Close a finding with its explanation; a record that was set aside is settled with it."""
    refusal = _refusal(session, site_id, finding_id, actor)
    if refusal is not None:
        return refusal
    if not explanation.strip():
        return FindingRefusal.EXPLANATION_MISSING
    if len(explanation) > MAX_EXPLANATION:
        return FindingRefusal.TOO_LONG
    now = system.clock.now()
    repository.settle(session, finding_id, staff_actor(actor), explanation, now)
    repository.settle_quarantined(session, site_id, finding_id, staff_actor(actor), now)
    deed = Deed(staff_actor(actor), "finding_settled", f"finding:{finding_id}", reason=explanation)
    record(session, system, site_id, deed)
    return None


def assign(
    session: WriteSession, system: System, site_id: SiteId, finding_id: UUID, actor: StaffId, owner: Role | StaffId
) -> FindingRefusal | None:
    """Give a finding to a role or to one person's login."""
    refusal = _refusal(session, site_id, finding_id, actor)
    if refusal is not None:
        return refusal
    repository.assign(session, finding_id, str(owner))
    record(
        session,
        system,
        site_id,
        Deed(staff_actor(actor), "finding_assigned", f"finding:{finding_id}", after=str(owner)),
    )
    return None


def _refusal(session: WriteSession, site_id: SiteId, finding_id: UUID, actor: StaffId) -> FindingRefusal | None:
    if not staff.may(session, actor, site_id, Permission.BOOKS_CLOSE):
        return FindingRefusal.NOT_ALLOWED
    row = repository.lock_finding(session, site_id, finding_id)
    if row is None:
        return FindingRefusal.NOT_FOUND
    return FindingRefusal.SETTLED if row["closed_at"] is not None else None


def _finding(row: RowMapping) -> Finding:
    return Finding(
        id=str(row["id"]),
        kind=row["kind"],
        subject=row["subject"],
        cause=row["cause"],
        owner=row["owner"] or Role.FINANCE,
        business_day=row["business_day"],
        detail=row["detail"],
        opened_at=row["opened_at"],
        closed_at=row["closed_at"],
        closed_by=row["closed_by"] or "",
    )
