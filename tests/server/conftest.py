"""What the server's tests share: a database handle, a system whose clock stands still, and the site they work on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from cardcore.ids import CategoryId, PersonId, SiteId, StaffId, uuid7_from
from server.access import service as access
from server.database import Database, WriteSession
from server.people import service as people
from server.staff import service as staff
from server.staff.passwords import Passwords
from server.staff.roles import Role
from server.system import System
from tests.private_postgres import PrivatePostgres

Hire = Callable[..., tuple[StaffId, PersonId]]

NOON = datetime(2026, 9, 7, 4, 0, tzinfo=UTC)
"""A Monday, 12:00 at the reference site."""


class StillClock:
    """A clock that moves only when a test says so."""

    def __init__(self) -> None:
        self.at = NOON

    def now(self) -> datetime:
        return self.at

    def monotonic_ms(self) -> int:
        return int((self.at - NOON) / timedelta(milliseconds=1))

    def forward(self, **parts: float) -> None:
        self.at += timedelta(**parts)


class CountedIds:
    """Ids and bytes that are the same in every run."""

    def __init__(self, clock: StillClock) -> None:
        self._clock = clock
        self._drawn = 0

    def uuid7(self) -> UUID:
        self._drawn += 1
        return uuid7_from(self._clock.now(), self._drawn.to_bytes(10, "big"))

    def random_bytes(self, count: int) -> bytes:
        self._drawn += 1
        return hashlib.shake_256(str(self._drawn).encode()).digest(count)


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
def system(clock: StillClock) -> System:
    return System(clock, CountedIds(clock))


@pytest.fixture
def database(postgres_url: str) -> Iterator[Database]:
    opened = Database(postgres_url)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def module_database(embedded_postgres: PrivatePostgres) -> Iterator[Database]:
    """One database for all tests of a module: for property tests, each example with a site of its own."""
    with embedded_postgres.fresh_database(migrated=True) as url:
        opened = Database(url)
        yield opened
        opened.close()


@pytest.fixture
def site(database: Database, system: System) -> SiteId:
    return database.write(
        lambda session: access.create_site(session, system, access.NewSite("test", "Test site", "测试点"), "test")
    )


@pytest.fixture
def hire(database: Database, system: System, site: SiteId) -> Hire:
    """Return a function that adds a person and a login of one role; give it a person for a second login."""
    passwords = Passwords(system.ids, memory_kib=8, time_cost=1)

    def call(role: Role, person: PersonId | None = None, *, known: bool = True) -> tuple[StaffId, PersonId]:
        def write(session: WriteSession) -> tuple[StaffId, PersonId]:
            number = str(system.ids.uuid7())
            people.put_category(session, system, site, CategoryId("staff"), people.Named("Staff", "职工"), "test")
            new = people.NewPerson(number, "某人", CategoryId("staff"))
            someone = person or people.create_person(session, system, site, new, "test")
            assert not isinstance(someone, people.PersonRefusal)
            login = staff.NewStaff(
                number, "某人", "correct horse battery", frozenset({role}), person=someone if known else None
            )
            made = staff.create_staff(session, system, site, passwords, login, "test")
            assert not isinstance(made, staff.StaffRefusal)
            return made, someone

        return database.write(write)

    return call
