"""The staff page's deeds: add a login, change its roles, disable it, let somebody begin anew.

Giving is asked for and waits for a second person; taking away is done at once (security sheet, section 5).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cardcore.ids import ApprovalId, PersonId, SiteId, StaffId
from server.approvals import service as approvals
from server.approvals.models import ApprovalRefusal
from server.audit.service import staff_actor
from server.database import ReadSession, WriteSession
from server.people import repository as people_rows
from server.staff import repository, service
from server.staff.approved import STAFF_RESET, STAFF_ROLES, GiveRoles, ResetSignIn
from server.staff.passwords import Passwords
from server.staff.roles import Permission, Role
from server.staff.service import ACTIVE, DISABLED, NewStaff, StaffRefusal, roles_refusal
from server.system import System

MAX_NAME = 64
SYMBOLS = "abcdefghjkmnpqrstvwxyz23456789"
TEMPORARY_LENGTH = 20
"""About 98 bits, of signs that nobody confuses."""

Refusal = StaffRefusal | ApprovalRefusal


@dataclass(frozen=True, slots=True)
class NewMember:
    """Somebody to let in: the number is the person's at the site."""

    login: str
    name: str
    person_number: str
    roles: frozenset[Role]
    language: str


@dataclass(frozen=True, slots=True)
class Temporary:
    """A password to hand over, shown this once; what was asked for waits for another person."""

    staff: StaffId
    password: str


@dataclass(frozen=True, slots=True)
class MemberView:
    """A member of staff as the staff page shows them."""

    id: StaffId
    login: str
    name: str
    roles: tuple[Role, ...]
    is_active: bool
    person_name: str | None
    person_number: str | None
    has_factor: bool
    must_set_password: bool
    last_seen_at: datetime | None


def directory(session: ReadSession, site_id: SiteId) -> Sequence[MemberView]:
    """Return everybody of a site, by login."""
    known = {role.value for role in Role}
    return tuple(
        MemberView(
            StaffId(row["id"]),
            row["login"],
            row["name"],
            tuple(Role(role) for role in row["roles"] if role in known),
            row["state"] == ACTIVE,
            row["person_name"],
            row["person_number"],
            row["has_factor"],
            row["must_set_password"],
            row["last_seen_at"],
        )
        for row in repository.directory(session, site_id)
    )


def add(
    session: WriteSession,
    system: System,
    site_id: SiteId,
    passwords: Passwords,
    actor: StaffId,
    new: NewMember,
    reason: str,
) -> Temporary | Refusal:
    """Add a login without any role and ask for its roles; nothing is kept if that cannot be asked."""
    if not service.may(session, actor, site_id, Permission.STAFF_WRITE):
        return ApprovalRefusal.NOT_ALLOWED
    refusal = roles_refusal(new.roles)
    found = people_rows.by_number(session, site_id, new.person_number)
    if refusal is not None or found is None:
        return refusal or StaffRefusal.PERSON_UNKNOWN
    password = _drawn(system)
    person = PersonId(found["id"])
    attempt = session.begin_nested()
    member = NewStaff(new.login, new.name, password, frozenset(), new.language, person, is_temporary=True)
    made = service.create_staff(session, system, site_id, passwords, member, staff_actor(actor))
    if isinstance(made, StaffRefusal):
        attempt.rollback()
        return made
    wanted = GiveRoles(made, tuple(sorted(new.roles)))
    asked = approvals.ask(session, system, site_id, actor, STAFF_ROLES, wanted, reason)
    if isinstance(asked, ApprovalRefusal):
        attempt.rollback()
        return asked
    attempt.commit()
    return Temporary(made, password)


def change_roles(
    session: WriteSession,
    system: System,
    site_id: SiteId,
    actor: StaffId,
    staff_id: StaffId,
    roles: frozenset[Role],
    reason: str,
) -> ApprovalId | Refusal | None:
    """Set roles: fewer at once (None), more by asking another person (the request's id)."""
    row = repository.get(session, staff_id)
    if row is None or row["site_id"] != site_id or row["state"] != ACTIVE:
        return StaffRefusal.NOT_FOUND
    if not service.may(session, actor, site_id, Permission.STAFF_WRITE):
        return ApprovalRefusal.NOT_ALLOWED
    refusal = roles_refusal(roles)
    if refusal is not None:
        return refusal
    if roles <= {Role(role) for role in row["roles"]}:
        return service.change_staff(session, system, staff_id, roles, staff_actor(actor), active=True)
    wanted = GiveRoles(staff_id, tuple(sorted(roles)))
    return approvals.ask(session, system, site_id, actor, STAFF_ROLES, wanted, reason)


def disable(
    session: WriteSession, system: System, site_id: SiteId, actor: StaffId, staff_id: StaffId
) -> Refusal | None:
    """Disable a login at once; its roles go with it, so that coming back takes two people."""
    row = repository.get(session, staff_id)
    if row is None or row["site_id"] != site_id or row["state"] == DISABLED:
        return StaffRefusal.NOT_FOUND
    if not service.may(session, actor, site_id, Permission.STAFF_WRITE):
        return ApprovalRefusal.NOT_ALLOWED
    if actor == staff_id:
        return ApprovalRefusal.OWN_MATTER
    return service.change_staff(session, system, staff_id, (), staff_actor(actor), active=False)


def ask_reset(
    session: WriteSession,
    system: System,
    site_id: SiteId,
    passwords: Passwords,
    actor: StaffId,
    staff_id: StaffId,
    reason: str,
) -> Temporary | Refusal:
    """Ask for somebody's new start; the password works once another person has approved."""
    row = repository.get(session, staff_id)
    if row is None or row["site_id"] != site_id or row["state"] != ACTIVE:
        return StaffRefusal.NOT_FOUND
    password = _drawn(system)
    wanted = ResetSignIn(staff_id, passwords.hash(password))
    asked = approvals.ask(session, system, site_id, actor, STAFF_RESET, wanted, reason)
    return asked if isinstance(asked, ApprovalRefusal) else Temporary(staff_id, password)


def _drawn(system: System) -> str:
    drawn = system.ids.random_bytes(TEMPORARY_LENGTH)
    text = "".join(SYMBOLS[byte % len(SYMBOLS)] for byte in drawn)
    return "-".join(text[start : start + 5] for start in range(0, TEMPORARY_LENGTH, 5))
