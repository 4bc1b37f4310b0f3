"""What about staff takes two people: giving somebody a role, and letting somebody begin anew who cannot sign in.

Taking roles away and disabling a login are one person and at once (`server.staff.desk`).
"""

from __future__ import annotations

import msgspec

from cardcore.ids import PersonId, SiteId, StaffId
from server.approvals.models import Approved, Operation
from server.audit.service import Deed, record
from server.database import ReadSession, WriteSession
from server.staff import factor_repository, repository, service
from server.staff.roles import Permission, Role
from server.staff.service import ACTIVE, StaffRefusal


class GiveRoles(msgspec.Struct, frozen=True):
    """Give a member of staff exactly these roles, new ones among them."""

    staff: StaffId
    roles: tuple[Role, ...]


class ResetSignIn(msgspec.Struct, frozen=True):
    """Take password and second factors from a member of staff; the new password is temporary."""

    staff: StaffId
    password_hash: str
    """argon2id of a random password that only the one who asked was shown."""


def _give(given: Approved, wanted: GiveRoles) -> StaffRefusal | None:
    row = repository.get(given.session, wanted.staff)
    if row is None or row["site_id"] != given.site_id or row["state"] != ACTIVE:
        return StaffRefusal.NOT_FOUND
    return service.change_staff(given.session, given.system, wanted.staff, wanted.roles, given.actor, active=True)


def _reset(given: Approved, wanted: ResetSignIn) -> StaffRefusal | None:
    row = repository.lock(given.session, wanted.staff)
    if row is None or row["site_id"] != given.site_id or row["state"] != ACTIVE:
        return StaffRefusal.NOT_FOUND
    repository.set_password(given.session, wanted.staff, wanted.password_hash, is_temporary=True)
    repository.delete_sessions_of(given.session, wanted.staff)
    factor_repository.delete_all(given.session, wanted.staff)
    deed = Deed(given.actor, "sign_in_reset", f"staff:{wanted.staff}", reason=given.reason)
    record(given.session, given.system, given.site_id, deed)
    return None


def _concerns(
    session: ReadSession | WriteSession, _site_id: SiteId, wanted: GiveRoles | ResetSignIn
) -> frozenset[PersonId]:
    person = service.person_of(session, wanted.staff)
    return frozenset() if person is None else frozenset({person})


STAFF_ROLES = Operation(
    name="staff_roles",
    content=GiveRoles,
    ask=Permission.STAFF_WRITE,
    approve=Permission.STAFF_APPROVE,
    object_of=lambda wanted: f"staff:{wanted.staff}",
    carry_out=_give,
    concerns=_concerns,
)
STAFF_RESET = Operation(
    name="staff_reset",
    content=ResetSignIn,
    ask=Permission.STAFF_WRITE,
    approve=Permission.STAFF_APPROVE,
    object_of=lambda wanted: f"staff:{wanted.staff}",
    carry_out=_reset,
    concerns=_concerns,
)
