"""What a close is: its row, its refusals, and the named differences with cause and owner. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from server.staff.roles import Role

SILENCE_DEADLINE = timedelta(hours=12)
"""So long after a day's end a close waits for silent tills; then it lists them and goes on."""
MAX_KEYS = 200
"""Differences of one kind that a close names one by one; the figures count them all."""


class CloseRefusal(StrEnum):
    """Why a day was not closed, signed or reopened; nothing was changed."""

    NOT_ENDED = "not_ended"
    """The business day still runs."""
    EARLIER_DAY_OPEN = "earlier_day_open"
    BEFORE_THE_BOOKS = "before_the_books"
    """Before the first day that was ever closed."""
    TILLS_SILENT = "tills_silent"
    """Some have not stated their totals and the deadline has not passed; name it if they shall be left out."""
    NOT_CLOSED = "not_closed"
    NOT_ALLOWED = "not_allowed"
    SAME_PERSON = "same_person"
    """Who closed a day does not sign it."""
    PERSON_UNKNOWN = "person_unknown"
    ALREADY_SIGNED = "already_signed"
    MONTH_LOCKED = "month_locked"
    DAYS_NOT_CLOSED = "days_not_closed"
    FINDINGS_OPEN = "findings_open"
    REASON_MISSING = "reason_missing"


class FindingKind(StrEnum):
    """What can be unequal at a close."""

    SEQUENCE_GAP = "sequence_gap"
    SILENT_TILL = "silent_till"
    TILL_TOTAL = "till_total"
    """A till's own count and sum are not the server's."""
    TILL_KEY = "till_key"
    """One tap: what was served is not what is charged."""
    UNCONFIRMED = "unconfirmed"
    BALANCE = "balance"
    """Opening and postings do not make the closing balance."""
    BALANCE_CHAIN = "balance_chain"
    """The balances noted after each posting do not follow one another."""
    CHARGE_BOOKING = "charge_booking"
    """A charge and its transfers differ."""
    BOOKS_SUM = "books_sum"
    """The balances of all accounts do not sum to zero."""
    SUSPENSE = "suspense"
    SHIFT_OPEN = "shift_open"
    """A cash desk's shift of the day was not counted."""
    BANK_THEIRS_ONLY = "bank_theirs_only"
    BANK_OURS_ONLY = "bank_ours_only"
    """Booked as paid in or out, and not on a statement that reaches so far."""
    """An account that should be empty or explained is not."""


class Cause(StrEnum):
    """Why, most likely."""

    RECORDS_MISSING = "records_missing"
    LATE_ARRIVAL = "late_arrival"
    DEVICE_OFFLINE = "device_offline"
    NO_STATEMENT = "no_statement"
    CORRECTION = "correction"
    CLOCK = "clock"
    NO_OUTCOME_YET = "no_outcome_yet"
    UNKNOWN_CARD = "unknown_card"
    CLOSED_ACCOUNT = "closed_account"
    CASH = "cash"
    BANK = "bank"
    ROUNDING = "rounding"
    TAMPERED = "tampered"
    """No way of this software leads here: somebody changed rows, or the software is wrong."""
    UNKNOWN = "unknown"


OWNERS: Mapping[FindingKind, Role] = {
    FindingKind.SEQUENCE_GAP: Role.SYSTEM_ADMIN,
    FindingKind.SILENT_TILL: Role.SYSTEM_ADMIN,
    FindingKind.TILL_TOTAL: Role.CANTEEN_MANAGER,
    FindingKind.TILL_KEY: Role.FINANCE,
    FindingKind.UNCONFIRMED: Role.CANTEEN_MANAGER,
    FindingKind.BALANCE: Role.FINANCE,
    FindingKind.BALANCE_CHAIN: Role.FINANCE,
    FindingKind.CHARGE_BOOKING: Role.FINANCE,
    FindingKind.BOOKS_SUM: Role.FINANCE,
    FindingKind.SUSPENSE: Role.FINANCE,
    FindingKind.SHIFT_OPEN: Role.FINANCE,
    FindingKind.BANK_THEIRS_ONLY: Role.FINANCE,
    FindingKind.BANK_OURS_ONLY: Role.FINANCE,
}
"""Who looks into a difference until somebody else takes it over."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not equal, before it is written down. `subject` names it and makes it the same at a repeat."""

    kind: FindingKind
    subject: str
    cause: Cause
    detail: Mapping[str, Any] = field(default_factory=dict)
    since: datetime | None = None
    """Since when, where that is earlier than the close."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A difference on the list of somebody."""

    id: str
    kind: str
    subject: str
    cause: str
    owner: str
    business_day: date | None
    detail: Mapping[str, Any]
    opened_at: datetime
    closed_at: datetime | None
    closed_by: str

    def age(self, now: datetime) -> timedelta:
        """Return how long it has been open."""
        return (self.closed_at or now) - self.opened_at


class CloseState(StrEnum):
    """How far a close is."""

    CLOSING = "closing"
    """Nothing enters the day any more; the figures are not made yet."""
    CLOSED = "closed"
    REOPENED = "reopened"


@dataclass(frozen=True, slots=True)
class DayClose:
    """A closed day. The same day closed again gives this same row."""

    id: str
    business_day: date
    revision: int
    state: CloseState
    closed_by: str
    closed_at: datetime | None
    figures: Mapping[str, Any]
    hash: str
    """Hex of SHA-256 over the figures and the hash of the close before."""
    previous: str
    signed_by: str
    signed_at: datetime | None
    silent: tuple[str, ...] = ()
    """Tills that had not stated their totals."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What the equalities of one day came to."""

    figures: Mapping[str, Any]
    differences: tuple[Difference, ...]
