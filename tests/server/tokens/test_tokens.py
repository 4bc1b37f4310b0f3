"""API tokens: never more than their owner, for a while, and gone at once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from cardcore.ids import SiteId, StaffId
from server.database import Database
from server.staff import service as staff
from server.staff.roles import ROLE_PERMISSIONS, Permission, Role
from server.system import System
from server.tokens import service
from server.tokens.service import Bearer, MadeToken, NewToken, TokenRefusal
from tests.server.conftest import Hire, StillClock

MONTH = timedelta(days=30)
READING = frozenset({Permission.CHARGES_READ, Permission.BOOKS_READ})


@pytest.fixture
def finance(hire: Hire) -> StaffId:
    return hire(Role.FINANCE)[0]


def make(database: Database, system: System, site: SiteId, actor: StaffId, **parts: object) -> MadeToken | TokenRefusal:
    new = replace(NewToken("export", READING, MONTH), **parts)  # type: ignore[arg-type]
    return database.write(lambda session: service.create(session, system, site, actor, new))


def bearer(database: Database, system: System, text: str) -> Bearer | None:
    return database.read(lambda session: service.bearer(session, text, system.clock.now()))


def test_a_token_stands_for_its_owner(database: Database, system: System, site: SiteId, finance: StaffId) -> None:
    made = make(database, system, site, finance)
    assert isinstance(made, MadeToken)
    found = bearer(database, system, made.text)
    assert found == Bearer(made.id, site, finance, READING, is_use_noted=False)
    listed = database.read(lambda session: service.listed(session, site))
    assert [(view.id, view.used_at) for view in listed] == [(made.id, None)]
    assert made.text not in repr(listed)


@pytest.mark.parametrize(
    ("parts", "refusal"),
    [
        ({"name": " "}, TokenRefusal.NAME_UNUSABLE),
        ({"name": "x" * 65}, TokenRefusal.NAME_UNUSABLE),
        ({"permissions": frozenset()}, TokenRefusal.NO_PERMISSION),
        ({"permissions": frozenset({Permission.STAFF_WRITE})}, TokenRefusal.MORE_THAN_OWNER),
        ({"life": timedelta(days=367)}, TokenRefusal.TOO_LONG_LIVED),
        ({"life": timedelta(0)}, TokenRefusal.TOO_LONG_LIVED),
    ],
)
def test_what_is_refused(
    database: Database, system: System, site: SiteId, finance: StaffId, parts: dict[str, Any], refusal: TokenRefusal
) -> None:
    assert make(database, system, site, finance, **parts) is refusal
    assert not database.read(lambda session: service.listed(session, site))


def test_one_person_holds_so_many(database: Database, system: System, site: SiteId, finance: StaffId) -> None:
    for _ in range(service.MAX_HELD):
        assert isinstance(make(database, system, site, finance), MadeToken)
    assert make(database, system, site, finance) is TokenRefusal.TOO_MANY


def test_it_ends_by_time_by_hand_and_with_its_owner(
    database: Database, system: System, site: SiteId, finance: StaffId, hire: Hire, clock: StillClock
) -> None:
    first, second = make(database, system, site, finance), make(database, system, site, finance)
    assert isinstance(first, MadeToken)
    assert isinstance(second, MadeToken)
    admin = hire(Role.SYSTEM_ADMIN)[0]

    def revoke() -> TokenRefusal | None:
        return database.write(lambda session: service.revoke(session, system, site, admin, first.id))

    assert revoke() is None
    assert revoke() is TokenRefusal.NOT_FOUND
    assert bearer(database, system, first.text) is None
    database.write(
        lambda session: staff.change_staff(session, system, finance, {Role.CANTEEN_MANAGER}, "test", active=True)
    )
    found = bearer(database, system, second.text)
    assert found is not None
    assert found.permissions == READING & ROLE_PERMISSIONS[Role.CANTEEN_MANAGER]
    clock.forward(days=31)
    assert bearer(database, system, second.text) is None


def test_a_disabled_owner_ends_them_all(database: Database, system: System, site: SiteId, finance: StaffId) -> None:
    made = make(database, system, site, finance)
    assert isinstance(made, MadeToken)
    database.write(lambda session: staff.change_staff(session, system, finance, {Role.FINANCE}, "test", active=False))
    assert bearer(database, system, made.text) is None


@pytest.mark.parametrize("text", ["", "onecard_", "onecard_" + "A" * 43, "onecard_" + "A" * 400, "Basic x"])
def test_what_is_no_token_stands_for_nobody(database: Database, system: System, text: str) -> None:
    assert bearer(database, system, text) is None
