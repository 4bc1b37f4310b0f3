"""A reminder on finance's list while a month that ended is not locked; it goes by itself once the month is."""

from __future__ import annotations

from datetime import date, timedelta

from cardcore.ids import SiteId
from server.close import repository
from server.database import WriteSession
from server.staff.roles import Role
from server.system import System

MONTH_OPEN = "month_open"
"""The finding's kind."""
REMIND_FROM_DAY = 6
"""The day of the next month from which finance is reminded."""


def remind_of_month(session: WriteSession, system: System, site_id: SiteId, today: date) -> str:
    """Put last month on the list if it has begun in the books and is not locked; settle what was locked since.

    Returns the month that is on the list, as 2026-03, or an empty text.
    """
    books, now = repository.books(session, site_id), system.clock.now()
    last = today.replace(day=1) - timedelta(days=1)
    locked = None if books is None else books["month_locked_through"]
    if locked is not None:
        repository.settle_reminders(session, site_id, MONTH_OPEN, f"month:{locked:%Y-%m}", now)
    begun = books is not None and books["closed_through"] is not None
    if not begun or today.day < REMIND_FROM_DAY or (locked is not None and locked >= last):
        return ""
    subject = f"month:{last:%Y-%m}"
    row = {"id": system.ids.uuid7(), "site_id": site_id, "kind": MONTH_OPEN, "subject": subject, "at": now}
    repository.insert_reminder(session, {**row, "owner": Role.FINANCE})
    return subject.removeprefix("month:")
