"""The trail: written with the deed, read newest first, changed by nobody."""

from __future__ import annotations

import psycopg
import pytest
from sqlalchemy.exc import ProgrammingError

from cardcore.ids import SiteId
from server.audit import repository
from server.audit.service import Deed, record
from server.database import Database
from server.system import System
from tests.server.conftest import StillClock


@pytest.fixture
def written(database: Database, system: System, site: SiteId, clock: StillClock) -> SiteId:
    for number in range(2):
        deed = Deed("staff:1", "thing_done", "thing:1", before={"n": number}, after={"n": number + 1}, reason="so")
        database.write(lambda session, deed=deed: record(session, system, site, deed))  # type: ignore[misc]
        clock.forward(seconds=1)
    return site


def test_rows_of_an_object_are_read_newest_first(database: Database, system: System, written: SiteId) -> None:
    rows = database.read(lambda session: repository.of_object(session, written, "thing:1"))
    assert [(row["before"], row["after"], row["reason"]) for row in rows] == [
        ({"n": 1}, {"n": 2}, "so"),
        ({"n": 0}, {"n": 1}, "so"),
    ]
    other = SiteId(system.ids.uuid7())
    assert database.read(lambda session: repository.of_object(session, other, "thing:1")) == []


@pytest.mark.parametrize("statement", ["update audit set actor = 'x'", "delete from audit", "truncate audit"])
def test_the_application_cannot_change_it_and_the_owner_is_refused(
    database: Database, written: SiteId, statement: str
) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"):
        database.write(lambda session: session.exec_driver_sql(statement))
    with psycopg.connect(database.url) as owner, pytest.raises(psycopg.Error, match="append-only"):
        owner.execute(statement.encode())
