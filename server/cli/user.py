"""`onecard user`: staff from the command line, for the first administrator and for locked-out ones."""

from __future__ import annotations

import argparse
import getpass
import sys

from cardcore.ids import PersonId, SiteId, StaffId
from server.cli.opened import CLI_ACTOR, Opened, opened
from server.people import repository as people_rows
from server.settings import Settings
from server.staff import repository, service
from server.staff.passwords import MIN_CHARACTERS, Passwords
from server.staff.roles import Role
from server.staff.service import ACTIVE, NewStaff, StaffRefusal

REFUSALS = {
    StaffRefusal.LOGIN_TAKEN: "there is somebody with this login already: onecard user list",
    StaffRefusal.LOGIN_UNUSABLE: "a login has 1 to 64 printable characters and no space",
    StaffRefusal.PASSWORD_TOO_WEAK: f"use at least {MIN_CHARACTERS} characters, not a common phrase nor the login",
    StaffRefusal.NO_ROLE: "name at least one role with --role",
    StaffRefusal.ROLES_CLASH: "these roles may not be held by one person; make two logins for two people",
    StaffRefusal.PERSON_UNKNOWN: "there is no person with this number at the site",
    StaffRefusal.PERSON_SET: "it was said before who stands behind this login; disable it and add another",
    StaffRefusal.NOT_FOUND: "there is nobody with this login: onecard user list",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    add = actions.add_parser("add", help="add a member of staff; asks for the password")
    add.add_argument("login")
    add.add_argument("--name", default="", help="the person's name; the login when left out")
    add.add_argument("--role", action="append", default=[], choices=[str(role) for role in Role], required=True)
    add.add_argument("--person", default="", help="the personnel number of who it is: needed to ask and to approve")
    add.add_argument("--language", default="zh-CN", choices=["zh-CN", "en"])
    actions.add_parser("list", help="list all staff")
    disable = actions.add_parser("disable", help="end somebody's sessions and refuse the next sign-in")
    disable.add_argument("login")
    person = actions.add_parser("person", help="say which person stands behind a login; once")
    person.add_argument("login")
    person.add_argument("number", help="the personnel number")
    password = actions.add_parser("password", help="set somebody's password; ends the sessions")
    password.add_argument("login")
    for action in (add, password):
        action.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
    parser.add_argument("--site", default="", help="the site's short name, where there are several")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Carry out one action."""
    with opened(settings) as found:
        site = found.site(arguments.site)
        refusal = _act(arguments, found, site)
    if refusal is not None:
        print(f"onecard: {REFUSALS[refusal]}", file=sys.stderr)
        return 1
    return 0


def _act(arguments: argparse.Namespace, found: Opened, site: SiteId) -> StaffRefusal | None:
    match arguments.action:
        case "add":
            return _add(arguments, found, site)
        case "list":
            for row in found.database.read(lambda session: repository.all_staff(session, site)):
                print(f"{row['login']:<24} {row['state']:<9} {', '.join(row['roles'])}")
            return None
        case "person":
            return _set_person(arguments, found, site)
        case "disable":
            return _disable(arguments.login, found, site)
        case _:
            return _set_password(arguments, found, site)


def _add(arguments: argparse.Namespace, found: Opened, site: SiteId) -> StaffRefusal | None:
    roles = frozenset(Role(role) for role in arguments.role)
    person = _person(found, site, arguments.person) if arguments.person else None
    if arguments.person and person is None:
        return StaffRefusal.PERSON_UNKNOWN
    name = arguments.name or arguments.login
    new = NewStaff(arguments.login, name, _password(arguments), roles, arguments.language, person)
    passwords = Passwords(found.system.ids)
    made = found.database.write(
        lambda session: service.create_staff(session, found.system, site, passwords, new, CLI_ACTOR)
    )
    return made if isinstance(made, StaffRefusal) else None


def _disable(login: str, found: Opened, site: SiteId) -> StaffRefusal | None:
    person = _of_login(found, site, login)
    if person is None:
        return StaffRefusal.NOT_FOUND
    staff, roles = person
    return found.database.write(
        lambda session: service.change_staff(session, found.system, staff, roles, CLI_ACTOR, active=False)
    )


def _set_password(arguments: argparse.Namespace, found: Opened, site: SiteId) -> StaffRefusal | None:
    person = _of_login(found, site, arguments.login)
    if person is None:
        return StaffRefusal.NOT_FOUND
    password, passwords = _password(arguments), Passwords(found.system.ids)
    return found.database.write(
        lambda session: service.set_password(session, found.system, passwords, person[0], password, CLI_ACTOR)
    )


def _set_person(arguments: argparse.Namespace, found: Opened, site: SiteId) -> StaffRefusal | None:
    login, person = _of_login(found, site, arguments.login), _person(found, site, arguments.number)
    if login is None or person is None:
        return StaffRefusal.NOT_FOUND if login is None else StaffRefusal.PERSON_UNKNOWN
    return found.database.write(
        lambda session: service.set_person(session, found.system, site, login[0], person, CLI_ACTOR)
    )


def _person(found: Opened, site: SiteId, number: str) -> PersonId | None:
    row = found.database.read(lambda session: people_rows.by_number(session, site, number))
    return None if row is None else PersonId(row["id"])


def _of_login(found: Opened, site: SiteId, login: str) -> tuple[StaffId, frozenset[Role]] | None:
    row = found.database.read(lambda session: repository.by_login(session, login.strip().lower()))
    if row is None or row["site_id"] != site or row["state"] != ACTIVE:
        return None
    return StaffId(row["id"]), frozenset(Role(role) for role in row["roles"])


def _password(arguments: argparse.Namespace) -> str:
    if arguments.password_stdin:
        return sys.stdin.readline().rstrip("\n")
    return getpass.getpass(f"Password for {arguments.login}: ")
