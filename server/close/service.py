"""Closing and signing business days. Each function is one transaction; `server.close.run` strings them together.

A day is closed after it ended and after the day before. From the moment `begin` has committed nothing enters it: the
database refuses, and late records are posted in the running day and name the day they belong to. `finish` then looks at
what cannot change any more and keeps it in one row, whose hash covers the row before. Closing again gives that row.
"""

from __future__ import annotations

import hashlib
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import RowMapping

from cardcore.ids import SiteId, StaffId
from server.audit.service import Deed, record, staff_actor
from server.close import equalities, repository
from server.close.models import (
    OWNERS,
    SILENCE_DEADLINE,
    Cause,
    Checked,
    CloseRefusal,
    CloseState,
    DayClose,
    Difference,
    FindingKind,
)
from server.database import ReadSession, WriteSession
from server.reports import sums_repository
from server.staff import service as staff
from server.staff.roles import Permission
from server.system import System


def first_open_day(session: ReadSession | WriteSession, site_id: SiteId) -> date | None:
    """Return the first day that postings may enter, or None where nothing was ever closed."""
    row = repository.books(session, site_id)
    return None if row is None or row["closed_through"] is None else row["closed_through"] + timedelta(days=1)


def standing_close(session: ReadSession | WriteSession, site_id: SiteId, day: date) -> DayClose | None:
    """Return a day's close that stands, or None."""
    row = repository.standing(session, site_id, day)
    return None if row is None else _close(row)


def closes_between(
    session: ReadSession | WriteSession, site_id: SiteId, from_day: date, through_day: date
) -> list[DayClose]:
    """Return the finished closes that stand, of business days, both included, in order."""
    rows = repository.closes(session, site_id, from_day, through_day)
    return [_close(row) for row in rows if row["state"] == CloseState.CLOSED]


def begin(
    session: WriteSession, system: System, site_id: SiteId, day: date, closer: StaffId, *, without_silent: bool = False
) -> DayClose | CloseRefusal:
    """Shut a day: no posting enters it any more. A day that is shut or closed is returned as it stands.

    Refused before the day has ended, while an earlier day is open, and, unless `without_silent` or past the deadline,
    while tills have not stated their totals.
    """
    if not staff.may(session, closer, site_id, Permission.BOOKS_CLOSE):
        return CloseRefusal.NOT_ALLOWED
    books = repository.lock_books(session, site_id)
    row = repository.standing(session, site_id, day)
    if row is not None:
        return _close(row)
    refusal = _beginning_refusal(session, system, site_id, day, books["closed_through"], without_silent=without_silent)
    if refusal is not None:
        return refusal
    actor, now = staff_actor(closer), system.clock.now()
    repository.set_closed_through(session, site_id, day)
    repository.insert_closing(
        session,
        {"id": system.ids.uuid7(), "site_id": site_id, "business_day": day, "begun_by": actor, "begun_at": now},
    )
    record(session, system, site_id, Deed(actor, "day_shut", f"day:{day}"))
    begun = repository.standing(session, site_id, day)
    assert begun is not None
    return _close(begun)


def _beginning_refusal(
    session: WriteSession,
    system: System,
    site_id: SiteId,
    day: date,
    closed_through: date | None,
    *,
    without_silent: bool,
) -> CloseRefusal | None:
    now, whole = system.clock.now(), equalities.day_of(session, site_id, day)
    if now < whole.end:
        return CloseRefusal.NOT_ENDED
    if closed_through is not None and day <= closed_through:
        return CloseRefusal.BEFORE_THE_BOOKS
    if closed_through is not None and day > closed_through + timedelta(days=1):
        return CloseRefusal.EARLIER_DAY_OPEN
    if not without_silent and now < whole.end + SILENCE_DEADLINE and equalities.silent_tills(session, whole):
        return CloseRefusal.TILLS_SILENT
    return None


def finish(
    session: WriteSession, system: System, site_id: SiteId, day: date, closer: StaffId
) -> DayClose | CloseRefusal:
    """Write down a shut day: balances, figures, findings, hash. A closed day is returned as it stands."""
    if not staff.may(session, closer, site_id, Permission.BOOKS_CLOSE):
        return CloseRefusal.NOT_ALLOWED
    books = repository.lock_books(session, site_id)
    row = repository.lock_standing(session, site_id, day)
    if row is None:
        return CloseRefusal.NOT_CLOSED
    if row["state"] == CloseState.CLOSED:
        return _close(row)
    is_first = not repository.has_balances_before(session, site_id, day)
    repository.write_balances(session, site_id, day, is_first=is_first)
    sums_repository.keep_day(session, site_id, day)
    checked = equalities.check_day(session, site_id, day)
    accounts, unequal = _accounts(session, site_id, day)
    checked = Checked({**checked.figures, "accounts": accounts}, (*checked.differences, *unequal))
    now, actor = system.clock.now(), staff_actor(closer)
    figures = msgspec.json.encode(checked.figures, order="sorted")
    previous = repository.last_hash(session, site_id)
    digest = hashlib.sha256(previous + figures).digest()
    values = {"id": row["id"], "closed_by": actor, "closed_at": now, "figures": figures.decode()}
    repository.finish(session, {**values, "hash": digest, "previous": previous})
    note_findings(session, system, site_id, day, checked)
    after = {"revision": row["revision"], "hash": digest.hex(), "findings": len(checked.differences)}
    record(session, system, site_id, Deed(actor, "day_closed", f"day:{day}", before=_mark(books), after=after))
    closed = repository.standing(session, site_id, day)
    assert closed is not None
    return _close(closed)


def note_findings(session: WriteSession, system: System, site_id: SiteId, day: date, checked: Checked) -> None:
    """Put a day's differences on the list; those that are no more are settled, the others keep id, age and owner."""
    now = system.clock.now()
    rows = [
        {
            "id": system.ids.uuid7(), "site_id": site_id, "kind": one.kind, "subject": one.subject, "cause": one.cause,
            "owner": OWNERS[one.kind], "business_day": day, "detail": one.detail, "opened_at": one.since or now,
        }
        for one in checked.differences
    ]  # fmt: skip
    repository.settle_gone(session, site_id, day, [f"{row['kind']} {row['subject']}" for row in rows], now)
    repository.upsert_findings(session, rows)


def sign(session: WriteSession, system: System, site_id: SiteId, day: date, signer: StaffId) -> CloseRefusal | None:
    """Sign a closed day; another person than the one who closed it."""
    if not staff.may(session, signer, site_id, Permission.BOOKS_SIGN):
        return CloseRefusal.NOT_ALLOWED
    row = repository.lock_standing(session, site_id, day)
    if row is None or row["state"] != CloseState.CLOSED:
        return CloseRefusal.NOT_CLOSED
    if row["signed_at"] is not None:
        return CloseRefusal.ALREADY_SIGNED
    person, closer = staff.person_of(session, signer), staff.person_of(session, actor_staff(row["closed_by"]))
    if person is None or closer is None:
        return CloseRefusal.PERSON_UNKNOWN
    if person == closer:
        return CloseRefusal.SAME_PERSON
    repository.sign(session, row["id"], staff_actor(signer), system.clock.now())
    deed = Deed(staff_actor(signer), "day_signed", f"day:{day}", after={"hash": row["hash"].hex()})
    record(session, system, site_id, deed)
    return None


def actor_staff(actor: str) -> StaffId:
    """Return the login behind an actor's text; raises ValueError for what no person did."""
    return StaffId(UUID(actor.removeprefix("staff:")))


def _accounts(session: WriteSession, site_id: SiteId, day: date) -> tuple[list[list[Any]], list[Difference]]:
    """Return the trial balance of a closed day, and the units whose balances do not sum to zero."""
    rows = repository.balance_sums(session, site_id, day)
    sums: dict[str, int] = {}
    for row in rows:
        sums[row["unit"]] = sums.get(row["unit"], 0) + row["closing"]
    unequal = [
        Difference(FindingKind.BOOKS_SUM, unit, Cause.TAMPERED, {"sum_fen": total})
        for unit, total in sums.items()
        if total
    ]
    return [list(row.values()) for row in rows], unequal


def _mark(books: RowMapping) -> dict[str, str | None]:
    through: date | None = books["closed_through"]
    return {"closed_through": str(through) if through else None}


def _close(row: RowMapping) -> DayClose:
    figures = msgspec.json.decode(row["figures"]) if row["figures"] is not None else {}
    at: datetime | None = row["closed_at"]
    return DayClose(
        id=str(row["id"]),
        business_day=row["business_day"],
        revision=row["revision"],
        state=CloseState(row["state"]),
        closed_by=row["closed_by"],
        closed_at=at,
        figures=figures,
        hash=row["hash"].hex() if row["hash"] is not None else "",
        previous=row["previous"].hex() if row["previous"] is not None else "",
        signed_by=row["signed_by"],
        signed_at=row["signed_at"],
        silent=tuple(figures.get("silent", ())),
    )
