"""Members of staff: creating, changing and asking what they may do. Signing in is `server.staff.sign_in`."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import RowMapping

from cardcore.ids import PersonId, SiteId, StaffId
from server.audit.service import Deed, record
from server.database import ReadSession, WriteSession
from server.people import repository as people_rows
from server.staff import repository
from server.staff.passwords import Passwords, password_problem
from server.staff.roles import Permission, Role, permissions_of, roles_clash
from server.system import System

MAX_LOGIN = 64
ACTIVE = "active"
DISABLED = "disabled"


class StaffRefusal(StrEnum):
    """Why a change of staff is not done."""

    LOGIN_TAKEN = "login_taken"
    LOGIN_UNUSABLE = "login_unusable"
    PASSWORD_TOO_WEAK = "password_too_weak"  # noqa: S105 - a reason, no password
    NO_ROLE = "no_role"
    ROLES_CLASH = "roles_clash"
    PERSON_UNKNOWN = "person_unknown"
    PERSON_SET = "person_set"
    """Who stands behind a login is said once: else one could approve under the other's name."""
    NOT_FOUND = "not_found"


@dataclass(frozen=True, slots=True)
class NewStaff:
    """A member of staff to create; the password is not kept. Who asks or approves (four eyes) needs a `person`."""

    login: str
    name: str
    password: str
    roles: frozenset[Role]
    language: str = "zh-CN"
    person: PersonId | None = None
    is_temporary: bool = False
    """The password must be replaced at the first sign-in, and the roles may wait for another person's approval."""


@dataclass(frozen=True, slots=True)
class StaffView:
    """A member of staff as services and pages know them."""

    id: StaffId
    login: str
    name: str
    permissions: frozenset[Permission]


def create_staff(
    session: WriteSession, system: System, site_id: SiteId, passwords: Passwords, new: NewStaff, actor: str
) -> StaffId | StaffRefusal:
    """Add a member of staff, or say why not."""
    login = new.login.strip().lower()
    if not 0 < len(login) <= MAX_LOGIN or not login.isprintable() or " " in login:
        return StaffRefusal.LOGIN_UNUSABLE
    if password_problem(new.password, login) is not None:
        return StaffRefusal.PASSWORD_TOO_WEAK
    refusal = None if new.is_temporary and not new.roles else roles_refusal(new.roles)
    if refusal is not None:
        return refusal
    if new.person is not None and people_rows.lock(session, site_id, new.person) is None:
        return StaffRefusal.PERSON_UNKNOWN
    staff_id = StaffId(system.ids.uuid7())
    row = {
        "id": staff_id,
        "site_id": site_id,
        "login": login,
        "name": new.name,
        "password_hash": passwords.hash(new.password),
        "roles": sorted(new.roles),
        "language": new.language,
        "person_id": new.person,
        "created_at": system.clock.now(),
        "must_set_password": new.is_temporary,
    }
    if not repository.insert_staff(session, row):
        return StaffRefusal.LOGIN_TAKEN
    after = {"login": login, "roles": sorted(new.roles), "person": new.person}
    record(session, system, site_id, Deed(actor, "staff_created", f"staff:{staff_id}", after=after))
    return staff_id


def change_staff(
    session: WriteSession, system: System, staff_id: StaffId, roles: Collection[Role], actor: str, *, active: bool
) -> StaffRefusal | None:
    """Set roles and state. All sessions of the person end, so that the change holds at once."""
    refusal = roles_refusal(roles) if active else None
    if refusal is not None:
        return refusal
    row = repository.lock(session, staff_id)
    if row is None:
        return StaffRefusal.NOT_FOUND
    if active and row["person_id"] is not None:
        elsewhere = repository.roles_of_person(session, row["person_id"], staff_id)
        refusal = roles_refusal({*roles, *(Role(role) for role in elsewhere)})
        if refusal is not None:
            return refusal
    state = ACTIVE if active else DISABLED
    repository.update(session, staff_id, state, sorted(roles))
    repository.delete_sessions_of(session, staff_id)
    before, after = {"roles": row["roles"], "state": row["state"]}, {"roles": sorted(roles), "state": state}
    deed = Deed(actor, "staff_changed", f"staff:{staff_id}", before, after)
    record(session, system, SiteId(row["site_id"]), deed)
    return None


def set_person(
    session: WriteSession, system: System, site_id: SiteId, staff_id: StaffId, person: PersonId, actor: str
) -> StaffRefusal | None:
    """Say which person stands behind a login; once."""
    row = repository.lock(session, staff_id)
    if row is None or row["site_id"] != site_id:
        return StaffRefusal.NOT_FOUND
    if row["person_id"] is not None:
        return StaffRefusal.PERSON_SET
    if people_rows.lock(session, site_id, person) is None:
        return StaffRefusal.PERSON_UNKNOWN
    repository.set_person(session, staff_id, person)
    record(session, system, site_id, Deed(actor, "staff_person_set", f"staff:{staff_id}", after={"person": person}))
    return None


def set_password(
    session: WriteSession, system: System, passwords: Passwords, staff_id: StaffId, password: str, actor: str
) -> StaffRefusal | None:
    """Set a password; all sessions of the person end."""
    row = repository.lock(session, staff_id)
    if row is None:
        return StaffRefusal.NOT_FOUND
    if password_problem(password, row["login"]) is not None:
        return StaffRefusal.PASSWORD_TOO_WEAK
    repository.set_password(session, staff_id, passwords.hash(password))
    repository.delete_sessions_of(session, staff_id)
    record(session, system, SiteId(row["site_id"]), Deed(actor, "password_set", f"staff:{staff_id}"))
    return None


def may(session: ReadSession | WriteSession, staff_id: StaffId, site_id: SiteId, permission: Permission) -> bool:
    """Tell whether a member of staff of this site holds a permission now; asked in the transaction of the deed."""
    view = viewed(session, staff_id, site_id)
    return view is not None and permission in view.permissions


def viewed(session: ReadSession | WriteSession, staff_id: StaffId, site_id: SiteId) -> StaffView | None:
    """Return an active member of this site's staff, or None."""
    row = repository.get(session, staff_id)
    if row is None or row["state"] != ACTIVE or row["site_id"] != site_id:
        return None
    return view_of(row)


def person_of(session: ReadSession | WriteSession, staff_id: StaffId) -> PersonId | None:
    """Return the person behind a login, or None if nobody said."""
    row = repository.get(session, staff_id)
    return None if row is None or row["person_id"] is None else PersonId(row["person_id"])


def view_of(row: RowMapping) -> StaffView:
    """Return a row of staff as services know it; roles that this version does not know give nothing."""
    known = {role.value for role in Role}
    roles = [Role(role) for role in row["roles"] if role in known]
    return StaffView(StaffId(row["id"]), row["login"], row["name"], permissions_of(roles))


def roles_refusal(roles: Collection[Role]) -> StaffRefusal | None:
    """Tell why nobody may hold these roles together, or None."""
    if not roles:
        return StaffRefusal.NO_ROLE
    return StaffRefusal.ROLES_CLASH if roles_clash(roles) is not None else None
