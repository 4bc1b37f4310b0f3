"""The demo's logins: every role has one, and behind each stands another person, so that two can decide."""

from __future__ import annotations

from cardcore.ids import CategoryId, SiteId
from server.database import Database, WriteSession
from server.demo.logins import LOGIN, NAMES, make_logins
from server.people import service as people
from server.staff import repository as staff_rows
from server.staff.roles import Role
from server.system import System


def test_every_role_has_a_login_and_a_person_of_its_own(database: Database, system: System, site: SiteId) -> None:
    def write(session: WriteSession) -> None:
        people.put_category(session, system, site, CategoryId("staff"), people.Named("Staff", "职工"), "test")
        make_logins(session, system, site, "correct horse battery")

    database.write(write)
    rows = database.read(lambda session: [dict(row) for row in staff_rows.all_staff(session, site)])
    assert {row["login"] for row in rows} == {LOGIN, *(role.value for role in Role)}
    assert NAMES.keys() == set(Role)
    behind = [row["person_id"] for row in rows if row["login"] != LOGIN]
    assert None not in behind
    assert len(set(behind)) == len(Role)
