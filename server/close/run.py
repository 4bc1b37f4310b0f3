"""Closing as a person asks for it: shut the day, wait for who was still writing, write it down. Repeatable anywhere.

Two who close one day at once both get the same row: the mark's row is locked, and what was begun is finished by either.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from functools import partial

from cardcore.ids import SiteId, StaffId
from server.close import equalities, repository, service
from server.close.models import Checked, CloseRefusal, CloseState, DayClose
from server.database import Database, WriteSession
from server.system import System

MAX_DAYS_AT_ONCE = 62
"""Days one command closes."""
_WRITTEN = ("charge", "transfer")


def close_day(
    database: Database, system: System, site_id: SiteId, day: date, closer: StaffId, *, without_silent: bool = False
) -> DayClose | CloseRefusal:
    """Close a day, or return its close as it stands; after a crash the same call goes on where it stopped."""
    begun = database.write(
        lambda session: service.begin(session, system, site_id, day, closer, without_silent=without_silent)
    )
    if isinstance(begun, CloseRefusal) or begun.state is CloseState.CLOSED:
        return begun
    for table in _WRITTEN:  # one lock a transaction: two together could meet a writer crosswise
        database.write(partial(_await_writers, table))
    return database.write(lambda session: service.finish(session, system, site_id, day, closer))


def close_through(
    database: Database, system: System, site_id: SiteId, through: date, closer: StaffId, *, without_silent: bool = False
) -> Iterator[DayClose | CloseRefusal]:
    """Close every open day up to one, in order, and yield each; ends with the first refusal."""
    first = database.read(lambda session: service.first_open_day(session, site_id)) or through
    for number in range(min(MAX_DAYS_AT_ONCE, (through - first).days + 1)):
        closed = close_day(
            database, system, site_id, first + timedelta(days=number), closer, without_silent=without_silent
        )
        yield closed
        if isinstance(closed, CloseRefusal):
            return


def reconcile_day(database: Database, system: System, site_id: SiteId, day: date) -> Checked:
    """Look at a day again, closed or not, and bring its findings up to date; the close's own row stays as it is."""

    def look(session: WriteSession) -> Checked:
        checked = equalities.check_day(session, site_id, day)
        if service.standing_close(session, site_id, day) is not None:
            service.note_findings(session, system, site_id, day, checked)
        return checked

    return database.write(look)


def _await_writers(table: str, session: WriteSession) -> None:
    repository.await_writers(session, table)
