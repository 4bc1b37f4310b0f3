"""What about outside crews takes two people: putting a permit into force."""

from __future__ import annotations

import msgspec

from cardcore.ids import ApprovalId, LevelId, PersonId, SiteId, StaffId
from server.approvals import service as approvals
from server.approvals.models import ApprovalRefusal, Approved, Operation
from server.contractors import repository, service
from server.contractors.models import PermitId, PermitRefusal, PermitState
from server.database import ReadSession, WriteSession
from server.staff.roles import Permission
from server.system import System


class ApprovePermit(msgspec.Struct, frozen=True):
    """The permit as it was read: who, what, where, when. A crew or a day that changed since is another permit."""

    permit: PermitId
    firm: str
    work: str
    host: PersonId
    starts_on: str
    ends_on: str
    levels: tuple[LevelId, ...]
    crew: tuple[PersonId, ...]


def ask_permit(
    session: WriteSession, system: System, site_id: SiteId, maker: StaffId, permit_id: PermitId, reason: str
) -> ApprovalId | ApprovalRefusal | PermitRefusal:
    """Ask for a draft to be put into force."""
    wanted = content_of(session, site_id, permit_id)
    if isinstance(wanted, PermitRefusal):
        return wanted
    return approvals.ask(session, system, site_id, maker, APPROVE_PERMIT, wanted, reason)


def content_of(
    session: ReadSession | WriteSession, site_id: SiteId, permit_id: PermitId
) -> ApprovePermit | PermitRefusal:
    """Return what a second person is to read of a draft."""
    row = repository.get(session, site_id, permit_id)
    if row is None:
        return PermitRefusal.NOT_FOUND
    if row["state"] != PermitState.DRAFT:
        return PermitRefusal.WRONG_STATE
    return ApprovePermit(
        permit_id, row["firm"], row["work"], PersonId(row["host_id"]), str(row["starts_on"]), str(row["ends_on"]),
        tuple(LevelId(level) for level in row["levels"]),
        tuple(PersonId(person) for person in repository.crew_ids(session, permit_id)),
    )  # fmt: skip


def _approve(given: Approved, wanted: ApprovePermit) -> PermitRefusal | None:
    repository.lock_permit(given.session, given.site_id, wanted.permit)
    now = content_of(given.session, given.site_id, wanted.permit)
    if isinstance(now, PermitRefusal):
        return now
    if now != wanted:
        return PermitRefusal.CHANGED
    service.give(given.session, given.system, given.site_id, wanted.permit, (given.actor, given.reason))
    return None


def _concerns(_session: ReadSession | WriteSession, _site_id: SiteId, wanted: ApprovePermit) -> frozenset[PersonId]:
    return frozenset(wanted.crew)


APPROVE_PERMIT = Operation(
    name="permit_approve",
    content=ApprovePermit,
    ask=Permission.PERMITS_WRITE,
    approve=Permission.PERMITS_APPROVE,
    object_of=lambda wanted: f"permit:{wanted.permit}",
    carry_out=_approve,
    concerns=_concerns,
)
