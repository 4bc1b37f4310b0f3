"""Logins by two people: giving roles waits for a second person, taking them away is done at once."""

from __future__ import annotations

import pytest

from cardcore.ids import ApprovalId, PersonId, SiteId, StaffId
from server.approvals import service as approvals
from server.approvals.models import ApprovalRefusal
from server.approvals.operations import OPERATIONS
from server.database import Database, ReadSession, WriteSession
from server.staff import desk, service
from server.staff.desk import NewMember, Temporary
from server.staff.passwords import Passwords
from server.staff.roles import Permission, Role
from server.staff.service import StaffRefusal
from server.staff.sign_in import SignIn, SignInOutcome
from server.system import System
from tests.server.conftest import Hire


class Office:
    """An administrator, a security officer, and somebody who is to become a member of staff."""

    def __init__(self, database: Database, system: System, site: SiteId, hire: Hire) -> None:
        self.database, self.system, self.site, self.hire = database, system, site, hire
        self.admin, self.admin_person = hire(Role.SYSTEM_ADMIN)
        self.officer, _ = hire(Role.SECURITY_OFFICER)
        self.passwords = Passwords(system.ids, memory_kib=8, time_cost=1)
        self.door = SignIn(database, system, site, self.passwords)

    def number_of(self, person: PersonId) -> str:
        sql = "select number from person where id = %s"
        return str(self.database.read(lambda session: session.exec_driver_sql(sql, (person,)).scalar_one()))

    def add(self, number: str, *roles: Role) -> Temporary | desk.Refusal:
        new = NewMember("chen", "陈静", number, frozenset(roles), "zh-CN")
        return self.database.write(
            lambda session: desk.add(session, self.system, self.site, self.passwords, self.admin, new, "新出纳")
        )

    def roles(self, staff_id: StaffId, *roles: Role) -> ApprovalId | desk.Refusal | None:
        return self.database.write(
            lambda session: desk.change_roles(
                session, self.system, self.site, self.admin, staff_id, frozenset(roles), "岗位变动"
            )
        )

    def decide(self, who: StaffId) -> ApprovalRefusal | None:
        def work(session: WriteSession) -> ApprovalRefusal | None:
            now = self.system.clock.now()
            waiting = approvals.waiting(ReadSession(session), self.site, self.officer, OPERATIONS, now)
            return approvals.approve(session, self.system, self.site, waiting[0].id, (who, waiting[0].seen), OPERATIONS)

        return self.database.write(work)

    def may(self, staff_id: StaffId, permission: Permission) -> bool:
        return self.database.read(lambda session: service.may(session, staff_id, self.site, permission))


@pytest.fixture
def office(database: Database, system: System, site: SiteId, hire: Hire) -> Office:
    return Office(database, system, site, hire)


def test_a68_a_new_login_has_no_role_until_another_person_says_so(office: Office) -> None:
    _, person = office.hire(Role.AUDITOR)
    made = office.add(office.number_of(person), Role.FINANCE)
    assert isinstance(made, Temporary)
    assert not office.may(made.staff, Permission.BOOKS_READ)
    assert office.decide(office.officer) is None
    assert office.may(made.staff, Permission.BOOKS_READ)


def test_a68_nobody_gives_roles_alone_or_to_themselves(office: Office) -> None:
    assert office.roles(office.admin, Role.SYSTEM_ADMIN, Role.FINANCE) is ApprovalRefusal.OWN_MATTER
    member, _ = office.hire(Role.CANTEEN_MANAGER)
    asked = office.roles(member, Role.CANTEEN_MANAGER, Role.RECEPTION)
    assert not isinstance(asked, StaffRefusal | ApprovalRefusal | None)
    assert office.decide(office.admin) is ApprovalRefusal.NOT_ALLOWED
    assert not office.may(member, Permission.VISITS_WRITE)


def test_a68_roles_that_exclude_each_other_do_so_over_all_logins_of_a_person(office: Office) -> None:
    _, person = office.hire(Role.CASHIER)
    made = office.add(office.number_of(person), Role.FINANCE)
    assert isinstance(made, Temporary)
    assert office.decide(office.officer) is ApprovalRefusal.OPERATION_REFUSED
    assert not office.may(made.staff, Permission.BOOKS_READ)


def test_taking_a_role_away_is_done_at_once(office: Office) -> None:
    member, _ = office.hire(Role.CANTEEN_MANAGER)
    both = {Role.CANTEEN_MANAGER, Role.RECEPTION}
    office.database.write(
        lambda session: service.change_staff(session, office.system, member, both, "test", active=True)
    )
    assert office.roles(member, Role.RECEPTION) is None
    assert not office.may(member, Permission.PRICES_WRITE)


def test_who_is_disabled_is_out_and_comes_back_by_two(office: Office) -> None:
    member, _ = office.hire(Role.CANTEEN_MANAGER)
    token = office.door.open_session(member)
    refusal = office.database.write(
        lambda session: desk.disable(session, office.system, office.site, office.admin, member)
    )
    assert refusal is None
    assert office.door.session(token, is_activity=True) is None


def test_a_login_whose_person_is_unknown_is_not_kept(office: Office) -> None:
    assert office.add("nobody", Role.FINANCE) is StaffRefusal.PERSON_UNKNOWN
    members = office.database.read(lambda session: desk.directory(session, office.site))
    assert "chen" not in {member.login for member in members}


def test_a_new_start_works_when_another_person_has_agreed(office: Office) -> None:
    member, _ = office.hire(Role.CANTEEN_MANAGER)
    made = office.database.write(
        lambda session: desk.ask_reset(
            session, office.system, office.site, office.passwords, office.admin, member, "手机丢失"
        )
    )
    assert isinstance(made, Temporary)
    members = office.database.read(lambda session: desk.directory(session, office.site))
    login = next(one.login for one in members if one.id == member)
    assert office.door.verify(login, made.password, "10.0.0.1").outcome is SignInOutcome.REFUSED
    assert office.decide(office.officer) is None
    result = office.door.verify(login, made.password, "10.0.0.1")
    assert (result.outcome, result.waits_for) == (SignInOutcome.ACCEPTED, "password")
