"""What holders see and do of their own: every call names the person, and finds nothing of anybody else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import RowMapping

from cardcore.ids import CardId, ChargeId, PersonId, SiteId, StaffId
from server.audit.service import Deed, record, staff_actor
from server.cards import service as cards
from server.cards.service import CardChange
from server.database import ReadSession, WriteSession
from server.holders import repository
from server.holders.sign_in import holder_actor
from server.reports.paging import Page, page_of
from server.system import System

MAX_MEALS = 200
MAX_TAPS = 200
TAPS_FOR = timedelta(days=31)
MAX_WORDS = 1000
MAX_WAITING = 5
"""Complaints of one holder that may wait for an answer at a time."""
STARS = range(1, 6)
Rows = Sequence[RowMapping]


class HolderRefusal(StrEnum):
    """Why nothing was done."""

    NOT_FOUND = "not_found"
    """It is not there, or not the holder's own: nobody is told which."""
    WORDS_MISSING = "words_missing"
    TOO_LONG = "too_long"
    TOO_MANY_WAITING = "too_many_waiting"
    STARS_OUT_OF_RANGE = "stars_out_of_range"
    ANSWERED = "answered"


def meals(session: ReadSession, site_id: SiteId, person: PersonId, days: tuple[date, date]) -> Rows:
    """Return the holder's meals of business days, newest first, at most `MAX_MEALS`."""
    return repository.meals(session, site_id, person, days, MAX_MEALS)


def taps(session: ReadSession, site_id: SiteId, person: PersonId, now: datetime) -> Rows:
    """Return the holder's taps at lanes of the last `TAPS_FOR`, newest first, at most `MAX_TAPS`."""
    return repository.taps(session, site_id, person, now - TAPS_FOR, MAX_TAPS)


def report_lost(
    session: WriteSession, system: System, site_id: SiteId, person: PersonId, card: CardId
) -> HolderRefusal | None:
    """Block the holder's own card as lost: refused everywhere within a second (I6). Twice changes nothing."""
    row = cards.get(session, site_id, card)
    if row is None or row["person_id"] != person:
        return HolderRefusal.NOT_FOUND
    change = cards.report_lost(session, system, site_id, card, holder_actor(person), "reported by the holder")
    return None if change in {CardChange.DONE, CardChange.UNCHANGED} else HolderRefusal.NOT_FOUND


def rate(
    session: WriteSession, system: System, site_id: SiteId, person: PersonId, charge: ChargeId, stars: int
) -> HolderRefusal | None:
    """Give one's own meal stars; a later rating replaces it."""
    if stars not in STARS:
        return HolderRefusal.STARS_OUT_OF_RANGE
    row = {"charge_id": charge, "site_id": site_id, "person_id": person, "stars": stars, "at": system.clock.now()}
    return None if repository.rate(session, row) else HolderRefusal.NOT_FOUND


def complain(
    session: WriteSession, system: System, site_id: SiteId, person: PersonId, words: str
) -> HolderRefusal | None:
    """Write a complaint that staff must answer."""
    if not words.strip():
        return HolderRefusal.WORDS_MISSING
    if len(words) > MAX_WORDS:
        return HolderRefusal.TOO_LONG
    if repository.count_waiting(session, person) >= MAX_WAITING:
        return HolderRefusal.TOO_MANY_WAITING
    row = {"id": system.ids.uuid7(), "site_id": site_id, "person_id": person, "words": words, "at": system.clock.now()}
    repository.insert_complaint(session, row)
    return None


def complaints_of(session: ReadSession, site_id: SiteId, person: PersonId) -> Rows:
    """Return the holder's complaints with their answers, newest first."""
    return repository.complaints_of(session, site_id, person, MAX_MEALS)


def complaints(session: ReadSession, site_id: SiteId, page: int) -> Page[RowMapping]:
    """Return everybody's complaints for those who answer; who complained is not told."""
    return page_of(page, lambda limit, offset: repository.complaints(session, site_id, limit, offset), lambda: None)


def answer(
    session: WriteSession, system: System, site_id: SiteId, complaint: UUID, staff: StaffId, words: str
) -> HolderRefusal | None:
    """Answer a complaint, once."""
    if not words.strip():
        return HolderRefusal.WORDS_MISSING
    if len(words) > MAX_WORDS:
        return HolderRefusal.TOO_LONG
    row = {"site_id": site_id, "id": complaint, "answer": words, "staff_id": staff, "at": system.clock.now()}
    if not repository.answer(session, row):
        return HolderRefusal.ANSWERED
    record(session, system, site_id, Deed(staff_actor(staff), "complaint_answered", f"complaint:{complaint}"))
    return None


def orders_of(session: ReadSession, site_id: SiteId, person: PersonId, from_day: date) -> Rows:
    """Return what the holder ordered from a day on."""
    return repository.orders_of(session, site_id, person, from_day)
