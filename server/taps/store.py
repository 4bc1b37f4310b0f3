"""What the tap path asks of its store, and what may go wrong there.

`server.taps.repository.PostgresTaps` is the real one; another must pass the same tests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date, datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from cardcore.access.moments import LaneMoment
from cardcore.ids import LaneId, PersonId, SiteId, TapKey, ZoneId
from server.taps.arrivals import (
    AccountRow,
    Chained,
    ChargeRow,
    Facts,
    Head,
    JournalKey,
    SiteCrowd,
    StoredRecord,
    Writes,
)
from server.taps.rows import Row

EVENT_TOPIC = "taps"

OrderKey = tuple[UUID, str, date, str]
"""Person, stall, business day, meal."""


class Entry(NamedTuple):
    """Whether a person passed in on a business day: which runs from one instant until another."""

    person: UUID
    day: date
    begins: datetime
    ends: datetime


class StoreLostError(Exception):
    """The store went away or gave a lock to somebody else: nothing was written, the same call may be tried again."""


class StoreRefusedError(Exception):
    """The store does not take this content: nothing was written, and trying again would change nothing."""


class JournalMovedError(Exception):
    """Somebody else wrote to a journal since it was remembered: nothing was written; read it anew."""


class TapStore(Protocol):
    """One connection's worth of storage, used by one thread. All but `close` is called inside `transaction`."""

    def transaction(self) -> AbstractContextManager[None]:
        """Hold one transaction for the body: all of it or nothing. Commits, durably, when the body ends well.

        Raises StoreLostError, StoreRefusedError or JournalMovedError, at the latest when the body has ended.
        """
        ...

    def policy_versions(self, sites: Sequence[SiteId]) -> Callable[[], Mapping[SiteId, int]]:
        """Ask for the sites' newest policy versions; call the answer after the next question was asked."""
        ...

    def policy_changes(self, site: SiteId, since: int) -> Sequence[tuple[str, bytes]]:
        """Return the items changed after a version, in order of version and key; an empty body removes."""
        ...

    def lock_heads(self, journals: Sequence[JournalKey]) -> Mapping[JournalKey, Head]:
        """Lock the journals' rows in id order and read them."""
        ...

    def read_journals(
        self, journals: Sequence[JournalKey], keys: Sequence[TapKey], taps: Sequence[TapKey]
    ) -> tuple[Mapping[JournalKey, Mapping[int, Chained]], Mapping[TapKey, StoredRecord], Mapping[TapKey, ChargeRow]]:
        """Return records beyond the marks of `journals`, records by key, newest charges of `taps`."""
        ...

    def lock_accounts(self, accounts: Sequence[UUID], days: Sequence[date]) -> dict[UUID, AccountRow]:
        """Lock the accounts' purses in id order; return them with the meals they took on the given days."""
        ...

    def closed_through(self, site: SiteId) -> date | None:
        """Return the last business day that takes no postings any more, or None; asked for late records only."""
        ...

    def entered(self, asked: Sequence[Entry], lanes: Sequence[str]) -> set[tuple[UUID, date]]:
        """Return (person, business day) of those asked about who passed one of these lanes in the time given."""
        ...

    def ordered(self, site: SiteId, people: Sequence[UUID], days: Sequence[date]) -> Mapping[OrderKey, int]:
        """Return portions ordered less charges in force, by person, stall, business day and meal."""
        ...

    def crowd(self, site: SiteId, people: Sequence[PersonId], counted: Mapping[ZoneId, datetime]) -> SiteCrowd:
        """Return where people are, unknown heads, uncertain zones, and of `counted` zones how many are inside.

        A zone counts who passed into it last after its instant, and its unknown heads.
        """
        ...

    def lane_moments(self, site: SiteId) -> dict[LaneId, LaneMoment]:
        """Lock what a site's lanes remember, in order of lane, and read it."""
        ...

    def ledger_accounts(self, site: SiteId) -> dict[tuple[str, str], UUID]:
        """Return a site's accounts that take charges or stand for a missing purse, by role and name."""
        ...

    def write(self, facts: Facts, writes: Writes, events: Sequence[Row], now: datetime) -> None:
        """Write everything of a batch, if every journal still is as `facts` found it (else JournalMovedError).

        `events` are outbox rows: `id`, `site_id` and `payload`, a map for JSON.
        """
        ...

    def close(self) -> None:
        """Let go of the connection."""
        ...
