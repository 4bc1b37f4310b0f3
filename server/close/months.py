"""Locking a month and reopening closed days (C66). A lock is one person's; reopening takes two and is audited.

A month is locked when all its days are closed and all its findings are settled: from then on none of its days is
reopened, unless the lock is taken off too, which the same approval says.
"""

from __future__ import annotations

import calendar
from datetime import date, timedelta

import msgspec

from cardcore.ids import SiteId, StaffId
from server.approvals.models import Approved, Operation, nobody
from server.audit.service import Deed, record, staff_actor
from server.close import repository
from server.close.models import CloseRefusal
from server.database import WriteSession
from server.reports import sums_repository
from server.staff import service as staff
from server.staff.roles import Permission
from server.system import System


def last_day_of_month(day: date) -> date:
    """Return the last day of a day's month."""
    return day.replace(day=calendar.monthrange(day.year, day.month)[1])


def lock_month(
    session: WriteSession, system: System, site_id: SiteId, month: date, actor: StaffId
) -> CloseRefusal | None:
    """Lock the month of a day; refused while days are open or findings not settled. Locking twice changes nothing."""
    if not staff.may(session, actor, site_id, Permission.BOOKS_CLOSE):
        return CloseRefusal.NOT_ALLOWED
    books = repository.lock_books(session, site_id)
    last = last_day_of_month(month)
    if books["closed_through"] is None or books["closed_through"] < last:
        return CloseRefusal.DAYS_NOT_CLOSED
    if books["month_locked_through"] is not None and books["month_locked_through"] >= last:
        return None
    if repository.open_count(session, site_id, last.replace(day=1), last):
        return CloseRefusal.FINDINGS_OPEN
    repository.set_month_locked(session, site_id, last)
    record(session, system, site_id, Deed(staff_actor(actor), "month_locked", f"month:{last:%Y-%m}"))
    return None


class Reopen(msgspec.Struct, frozen=True):
    """Reopen this day and every later one; `unlock` says that locked months are meant too."""

    day: date
    unlock: bool = False


def reopen(given: Approved, wanted: Reopen) -> CloseRefusal | None:
    """Open closed days again, as two people decided; their closes stay in the table as reopened."""
    session, site_id = given.session, given.site_id
    books = repository.lock_books(session, site_id)
    closed, locked = books["closed_through"], books["month_locked_through"]
    if closed is None or wanted.day > closed or repository.standing(session, site_id, wanted.day) is None:
        return CloseRefusal.NOT_CLOSED
    if locked is not None and wanted.day <= locked:
        if not wanted.unlock:
            return CloseRefusal.MONTH_LOCKED
        repository.set_month_locked(session, site_id, _lock_before(wanted.day, session, site_id))
    repository.set_closed_through(session, site_id, _close_before(wanted.day, session, site_id))
    sums_repository.forget_from(session, site_id, wanted.day)
    count = repository.reopen_from(session, site_id, wanted.day, given.actor, given.system.clock.now())
    before = {"closed_through": str(closed), "month_locked_through": str(locked) if locked else None}
    deed = Deed(given.actor, "days_reopened", f"day:{wanted.day}", before, {"days": count}, given.reason)
    record(session, given.system, site_id, deed)
    return None


def _close_before(day: date, session: WriteSession, site_id: SiteId) -> date | None:
    """Return the day before, where that one is closed itself; the first day of the books leaves none."""
    before = day - timedelta(days=1)
    return before if repository.standing(session, site_id, before) is not None else None


def _lock_before(day: date, session: WriteSession, site_id: SiteId) -> date | None:
    """Return the last day of the month before, where that one is closed."""
    before = day.replace(day=1) - timedelta(days=1)
    return before if repository.standing(session, site_id, before) is not None else None


REOPEN = Operation(
    name="days_reopen",
    content=Reopen,
    ask=Permission.BOOKS_REOPEN,
    approve=Permission.BOOKS_REOPEN_APPROVE,
    object_of=lambda wanted: f"day:{wanted.day}",
    carry_out=reopen,
    concerns=nobody,
)
