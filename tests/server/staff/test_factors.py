"""Second factors: codes work once and in their time, wrong ones are counted, recovery codes help out once each."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cardcore.ids import SiteId, StaffId
from server.database import Database
from server.secrets_file import ServerSecrets, secrets_from
from server.staff import factors, sign_in, totp
from server.staff.factors import FactorRefusal
from server.staff.passwords import Passwords
from server.staff.roles import Role
from server.staff.sign_in import Opening, SignIn
from server.system import System
from tests.server.conftest import Hire, StillClock


@pytest.fixture
def secrets(system: System) -> ServerSecrets:
    return secrets_from(bytes(range(1, 33)), system.ids)


@pytest.fixture
def owner(hire: Hire) -> StaffId:
    staff_id, _person = hire(Role.SECURITY_OFFICER)
    return staff_id


class Phone:
    """An authenticator app with one secret."""

    def __init__(self, secret: bytes, clock: StillClock) -> None:
        self.secret = secret
        self.clock = clock

    def code(self, steps: int = 0) -> str:
        return totp.code_at(self.secret, totp.step_at(self.clock.at) + steps)


@pytest.fixture
def phone(
    database: Database, system: System, secrets: ServerSecrets, site: SiteId, owner: StaffId, clock: StillClock
) -> Phone:
    secret = database.write(lambda session: factors.begin_totp(session, system, secrets, owner))
    phone = Phone(secret, clock)
    made = database.write(lambda session: factors.confirm_totp(session, system, secrets, site, owner, phone.code()))
    assert not isinstance(made, FactorRefusal)
    clock.forward(seconds=60)
    return phone


@pytest.fixture
def check(database: Database, system: System, secrets: ServerSecrets, site: SiteId, owner: StaffId) -> Check:
    return Check(database, system, secrets, site, owner)


class Check:
    """Types codes."""

    def __init__(
        self, database: Database, system: System, secrets: ServerSecrets, site: SiteId, owner: StaffId
    ) -> None:
        self.parts = (database, system, secrets, site, owner)

    def __call__(self, code: str) -> FactorRefusal | None:
        database, system, secrets, site, owner = self.parts
        return database.write(lambda session: factors.check(session, system, secrets, site, owner, code))


@pytest.mark.parametrize(
    ("at_s", "code"), [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924"), (20_000_000_000, "353130")]
)
def test_codes_are_those_of_rfc_6238(at_s: int, code: str) -> None:
    assert totp.code_at(b"12345678901234567890", at_s // totp.STEP_S) == code


def test_a_code_works_once(phone: Phone, check: Check) -> None:
    code = phone.code()
    assert check(code) is None
    assert check(code) is FactorRefusal.WRONG_CODE


def test_an_older_code_is_not_taken_after_a_newer_one(phone: Phone, check: Check) -> None:
    assert check(phone.code()) is None
    assert check(phone.code(-1)) is FactorRefusal.WRONG_CODE


@pytest.mark.parametrize(("steps", "taken"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_phone_may_be_half_a_minute_off(phone: Phone, check: Check, steps: int, taken: bool) -> None:
    assert (check(phone.code(steps)) is None) is taken


def test_wrong_codes_are_counted_and_then_none_is_looked_at(phone: Phone, check: Check, clock: StillClock) -> None:
    for _ in range(factors.TRIES):
        assert check("000000") is FactorRefusal.WRONG_CODE
    assert check(phone.code()) is FactorRefusal.THROTTLED
    clock.at += sign_in.WINDOW
    assert check(phone.code()) is None


def test_a_recovery_code_works_once_and_new_ones_end_the_old(
    database: Database, system: System, site: SiteId, owner: StaffId, phone: Phone, check: Check
) -> None:
    assert phone.secret
    first = database.write(lambda session: factors.new_codes(session, system, site, owner))
    assert len(set(first)) == factors.RECOVERY_CODES
    assert check(first[0].lower()) is None
    assert check(first[0]) is FactorRefusal.WRONG_CODE
    database.write(lambda session: factors.new_codes(session, system, site, owner))
    assert check(first[1]) is FactorRefusal.WRONG_CODE


def test_a_secret_is_not_stored_in_clear(database: Database, phone: Phone) -> None:
    stored = database.read(lambda session: session.exec_driver_sql("select sealed from staff_factor").scalar_one())
    assert phone.secret not in bytes(stored)


def test_a_session_that_waits_opens_nothing(
    database: Database, system: System, site: SiteId, owner: StaffId, clock: StillClock
) -> None:
    door = SignIn(database, system, site, Passwords(system.ids, memory_kib=8, time_cost=1))
    token = door.open_session(owner, Opening("factor"))
    assert door.session(token, is_activity=True) is None
    waiting = database.read(lambda session: factors.pending(session, site, token, clock.at))
    assert waiting is not None
    assert waiting.waits_for == "factor"
    later = clock.at + factors.PENDING_LIFE + timedelta(seconds=1)
    assert database.read(lambda session: factors.pending(session, site, token, later)) is None


def test_sessions_are_listed_and_ended_one_by_one(
    database: Database, system: System, site: SiteId, owner: StaffId, clock: StillClock
) -> None:
    door = SignIn(database, system, site, Passwords(system.ids, memory_kib=8, time_cost=1))
    here, there = door.open_session(owner), door.open_session(owner, Opening("", "10.0.0.9", "Firefox"))
    found = database.read(lambda session: sign_in.open_sessions(session, owner, here, clock.at))
    assert {(one.agent, one.address, one.is_this) for one in found} == {("", "", True), ("Firefox", "10.0.0.9", False)}
    other = next(one.id for one in found if not one.is_this)
    assert database.write(lambda session: sign_in.end_session(session, system, site, owner, other))
    assert door.session(there, is_activity=True) is None
    assert door.session(here, is_activity=True) is not None
