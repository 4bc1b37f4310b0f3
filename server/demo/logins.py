"""The demo's logins: one that sees most, and one of each role behind whom stands a person of its own.

Two pairs of eyes need two people: what `finance` asks for, `canteen_manager` or `auditor` may decide. One password for
all, drawn anew for every demo.
"""

from __future__ import annotations

from cardcore.ids import CategoryId, SiteId
from server.database import WriteSession
from server.people.service import NewPerson, PersonRefusal, create_person
from server.staff.passwords import Passwords
from server.staff.roles import Role
from server.staff.service import NewStaff, StaffRefusal, create_staff
from server.system import System

LOGIN = "demo"
MOST = frozenset({Role.SECURITY_OFFICER, Role.FINANCE, Role.CANTEEN_MANAGER, Role.SYSTEM_ADMIN})
"""Of the login `demo`: as much as one person may hold together."""
NAMES = {
    Role.ISSUER: "发卡员 Issuer",
    Role.SECURITY_OFFICER: "保安队长 Security",
    Role.CASHIER: "收银员 Cashier",
    Role.CANTEEN_MANAGER: "食堂经理 Canteen",
    Role.FINANCE: "会计 Finance",
    Role.RECEPTION: "前台 Reception",
    Role.AUDITOR: "审计员 Auditor",
    Role.SYSTEM_ADMIN: "系统管理员 Admin",
}
ACTOR = "demo"


class LoginError(Exception):
    """A login that could not be made."""


def make_logins(session: WriteSession, system: System, site_id: SiteId, password: str) -> None:
    """Add all logins; raises LoginError."""
    passwords = Passwords(system.ids)
    _add(session, system, site_id, passwords, NewStaff(LOGIN, "演示 Demo", password, MOST))
    for role, name in NAMES.items():
        new = NewPerson(f"demo-{role}", name, CategoryId("staff"))
        person = create_person(session, system, site_id, new, ACTOR)
        if isinstance(person, PersonRefusal):
            raise LoginError(person)
        staff = NewStaff(str(role), name, password, frozenset({role}), person=person)
        _add(session, system, site_id, passwords, staff)


def _add(session: WriteSession, system: System, site_id: SiteId, passwords: Passwords, new: NewStaff) -> None:
    made = create_staff(session, system, site_id, passwords, new, ACTOR)
    if isinstance(made, StaffRefusal):
        raise LoginError(new.login, made)
