"""Signing in: right passwords only, one answer for every refusal, tries counted, sessions that end."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from cardcore.ids import SiteId, StaffId
from server.database import Database
from server.staff import service, sign_in
from server.staff.passwords import MIN_CHARACTERS, Passwords, password_problem
from server.staff.roles import (
    FORBIDDEN_TOGETHER,
    ROLE_PERMISSIONS,
    Permission,
    Role,
    permissions_of,
    roles_clash,
)
from server.staff.service import NewStaff, StaffRefusal
from server.staff.sign_in import SignIn, SignInOutcome
from server.system import System
from tests.server.conftest import StillClock

PASSWORD = "correct horse battery"
WRONG = "incorrect horse battery"
HERE = "10.0.0.1"


@pytest.fixture
def passwords(system: System) -> Passwords:
    return Passwords(system.ids, memory_kib=8, time_cost=1)


@pytest.fixture
def staff_id(database: Database, system: System, site: SiteId, passwords: Passwords) -> StaffId:
    new = NewStaff("Officer", "李主任", PASSWORD, frozenset({Role.SECURITY_OFFICER}))
    created = database.write(lambda session: service.create_staff(session, system, site, passwords, new, "test"))
    assert not isinstance(created, StaffRefusal)
    return created


@pytest.fixture
def door(database: Database, system: System, site: SiteId, passwords: Passwords, staff_id: StaffId) -> SignIn:
    return SignIn(database, system, site, passwords)


class TestVerify:
    def test_the_right_password_is_accepted_whatever_the_case_of_the_login(
        self, door: SignIn, staff_id: StaffId
    ) -> None:
        result = door.verify(" OFFICER ", PASSWORD, HERE)
        assert result.outcome is SignInOutcome.ACCEPTED
        assert result.staff is not None
        assert (result.staff.id, result.staff.permissions) == (staff_id, ROLE_PERMISSIONS[Role.SECURITY_OFFICER])

    def test_wrong_unknown_and_disabled_answer_alike(
        self, database: Database, system: System, door: SignIn, staff_id: StaffId
    ) -> None:
        wrong, unknown = door.verify("officer", WRONG, HERE), door.verify("nobody", PASSWORD, HERE)
        roles = {Role.SECURITY_OFFICER}
        database.write(lambda session: service.change_staff(session, system, staff_id, roles, "test", active=False))
        disabled = door.verify("officer", PASSWORD, HERE)
        assert wrong == unknown == disabled
        assert wrong.outcome is SignInOutcome.REFUSED

    @pytest.mark.parametrize("login", ["officer", "nobody"])
    def test_a_login_is_throttled_whether_it_exists_or_not(self, clock: StillClock, door: SignIn, login: str) -> None:
        for _ in range(sign_in.TRIES_A_LOGIN):
            assert door.verify(login, WRONG, HERE).outcome is SignInOutcome.REFUSED
        throttled = door.verify(login, PASSWORD, "10.0.0.2")
        assert (throttled.outcome, throttled.retry_after_s) == (SignInOutcome.THROTTLED, 900)
        clock.forward(seconds=899)
        assert door.verify(login, PASSWORD, HERE).retry_after_s == 1

    def test_the_throttle_ends(self, clock: StillClock, door: SignIn) -> None:
        for _ in range(sign_in.TRIES_A_LOGIN):
            door.verify("officer", WRONG, HERE)
        clock.at += sign_in.WINDOW
        assert door.verify("officer", PASSWORD, HERE).outcome is SignInOutcome.ACCEPTED

    def test_success_forgets_the_tries(self, door: SignIn) -> None:
        for _ in range(3):
            for _ in range(sign_in.TRIES_A_LOGIN - 1):
                door.verify("officer", WRONG, HERE)
            assert door.verify("officer", PASSWORD, HERE).outcome is SignInOutcome.ACCEPTED

    def test_an_address_is_throttled_over_many_logins(self, door: SignIn) -> None:
        for number in range(sign_in.TRIES_AN_ADDRESS):
            assert door.verify(f"user{number}", WRONG, HERE).outcome is SignInOutcome.REFUSED
        assert door.verify("officer", PASSWORD, HERE).outcome is SignInOutcome.THROTTLED
        assert door.verify("officer", PASSWORD, "10.0.0.2").outcome is SignInOutcome.ACCEPTED

    def test_tries_at_the_same_time_are_counted(self, door: SignIn) -> None:
        with ThreadPoolExecutor(8) as pool:
            results = list(pool.map(lambda _: door.verify("officer", WRONG, HERE).outcome, range(16)))
        assert results.count(SignInOutcome.REFUSED) == sign_in.TRIES_A_LOGIN

    def test_after_too_many_failures_in_a_row_only_a_new_password_helps(
        self, database: Database, system: System, door: SignIn, passwords: Passwords, staff_id: StaffId
    ) -> None:
        limit = sign_in.MAX_CONSECUTIVE_FAILURES
        database.write(lambda session: session.exec_driver_sql("update staff set failures = %s", (limit,)))
        assert door.verify("officer", PASSWORD, HERE).outcome is SignInOutcome.REFUSED
        database.write(
            lambda session: service.set_password(session, system, passwords, staff_id, "another long phrase", "test")
        )
        assert door.verify("officer", "another long phrase", HERE).outcome is SignInOutcome.ACCEPTED


class TestSessions:
    def test_a_token_is_long_and_not_stored(self, database: Database, door: SignIn, staff_id: StaffId) -> None:
        token = door.open_session(staff_id)
        assert len(token) >= 43
        stored = database.read(
            lambda session: session.exec_driver_sql("select token_hash from staff_session").scalar_one()
        )
        assert bytes(stored) != token.encode()
        found = door.session(token, is_activity=True)
        assert found is not None
        assert found.staff.login == "officer"
        assert door.session(token + "x", is_activity=True) is None

    def test_a_session_ends_when_idle_and_background_refreshes_keep_nobody_in(
        self, clock: StillClock, door: SignIn, staff_id: StaffId
    ) -> None:
        token = door.open_session(staff_id)
        for _ in range(3):
            clock.at += sign_in.IDLE_LIMIT - timedelta(seconds=1)
            assert door.session(token, is_activity=True) is not None
        clock.at += sign_in.IDLE_LIMIT - timedelta(seconds=1)
        assert door.session(token, is_activity=False) is not None
        clock.forward(seconds=1)
        assert door.session(token, is_activity=True) is None

    def test_a_session_ends_at_last_however_busy(self, clock: StillClock, door: SignIn, staff_id: StaffId) -> None:
        token = door.open_session(staff_id)
        opened = clock.at
        while clock.at < opened + sign_in.ABSOLUTE_LIMIT:
            assert door.session(token, is_activity=True) is not None
            clock.forward(minutes=20)
        assert door.session(token, is_activity=True) is None

    def test_closing_ends_it(self, door: SignIn, staff_id: StaffId) -> None:
        token = door.open_session(staff_id)
        door.close_session(token)
        door.close_session("unknown")
        assert door.session(token, is_activity=False) is None

    def test_a_change_of_roles_ends_all_of_them(
        self, database: Database, system: System, door: SignIn, staff_id: StaffId
    ) -> None:
        token = door.open_session(staff_id)
        roles = {Role.AUDITOR}
        database.write(lambda session: service.change_staff(session, system, staff_id, roles, "test", active=True))
        assert door.session(token, is_activity=False) is None


class TestStaff:
    @pytest.mark.parametrize(
        ("new", "refusal"),
        [
            (NewStaff("OFFICER", "", PASSWORD, frozenset({Role.AUDITOR})), StaffRefusal.LOGIN_TAKEN),
            (NewStaff("", "", PASSWORD, frozenset({Role.AUDITOR})), StaffRefusal.LOGIN_UNUSABLE),
            (NewStaff("a b", "", PASSWORD, frozenset({Role.AUDITOR})), StaffRefusal.LOGIN_UNUSABLE),
            (NewStaff("new", "", "short", frozenset({Role.AUDITOR})), StaffRefusal.PASSWORD_TOO_WEAK),
            (NewStaff("new", "", PASSWORD, frozenset()), StaffRefusal.NO_ROLE),
            (NewStaff("new", "", PASSWORD, frozenset({Role.ISSUER, Role.CASHIER})), StaffRefusal.ROLES_CLASH),
        ],
    )
    def test_what_is_refused(
        self,
        database: Database,
        system: System,
        passwords: Passwords,
        door: SignIn,
        new: NewStaff,
        refusal: StaffRefusal,
    ) -> None:
        site = door._site_id
        created = database.write(lambda session: service.create_staff(session, system, site, passwords, new, "test"))
        assert created is refusal

    def test_may_asks_role_state_and_site(
        self, database: Database, system: System, site: SiteId, staff_id: StaffId
    ) -> None:
        def may(at: SiteId, permission: Permission) -> bool:
            return database.read(lambda session: service.may(session, staff_id, at, permission))

        assert may(site, Permission.CARDS_UNBLOCK)
        assert not may(site, Permission.TOP_UP)
        assert not may(SiteId(system.ids.uuid7()), Permission.CARDS_UNBLOCK)


class TestRoles:
    def test_every_role_and_every_permission_is_in_the_table(self) -> None:
        assert set(ROLE_PERMISSIONS) == set(Role)
        assert permissions_of(set(Role)) == set(Permission)

    def test_pairs_that_separate_duties(self) -> None:
        assert all(roles_clash(pair) == pair for pair in FORBIDDEN_TOGETHER)
        assert roles_clash({Role.SECURITY_OFFICER, Role.FINANCE}) is None

    def test_nobody_blocks_nothing_and_restores_all(self) -> None:
        assert Permission.CARDS_UNBLOCK_APPROVE not in ROLE_PERMISSIONS[Role.ISSUER]
        assert Permission.CARDS_ISSUE not in ROLE_PERMISSIONS[Role.SECURITY_OFFICER]


class TestPasswords:
    @pytest.mark.parametrize(
        "password", ["a" * 20, "x" * (MIN_CHARACTERS - 1), "passwordpassword", "qwe officer rtzuiop", "ab" * 300]
    )
    def test_weak_ones_are_refused(self, password: str) -> None:
        assert password_problem(password, "officer") is not None

    def test_a_phrase_is_fine(self) -> None:
        assert password_problem(PASSWORD, "officer") is None
        assert password_problem("七个汉字加上其他八个汉字就够", "officer") is not None
        assert password_problem("七个汉字再加上其他九个汉字就够了", "officer") is None

    def test_two_hashes_of_one_password_differ_and_a_broken_hash_fits_nothing(self, passwords: Passwords) -> None:
        assert passwords.hash(PASSWORD) != passwords.hash(PASSWORD)
        assert passwords.hash(PASSWORD).startswith("$argon2id$")
        assert not passwords.matches("broken", PASSWORD)
        assert not passwords.matches(None, PASSWORD)
