"""What this process remembers of the journals it wrote last, so that an ordinary batch reads next to nothing.

Every transaction that touches a journal raises the journal's `writes`. A batch that used memory is written only if
`writes` still is what this process left it at: then nobody else stored, quarantined or charged anything of the journal,
and memory was complete. If not, the transaction fails, memory is forgotten and the batch is taken from the tables
anew; so it is after any other failure. Losing all of it costs queries, no truth.

A batch works on the remembered journals themselves: that is why memory must be forgotten when it fails.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import TypeVar
from uuid import UUID

from cardcore.ids import SiteId
from server.taps.arrivals import Journal, JournalKey

Value = TypeVar("Value")
MAX_JOURNALS = 4_096
MAX_RECORDS = 1_000
"""Records remembered of one journal, the newest, and now and then twice as many: outcomes follow their taps soon."""


class Memory:
    """The journals written last, and the ledger accounts of sites. Used by one thread (the batcher's)."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._journals: OrderedDict[JournalKey, Journal] = OrderedDict()
        self._ledger_accounts: dict[SiteId, tuple[int, dict[tuple[str, str], UUID]]] = {}

    def recall(self, key: JournalKey) -> Journal | None:
        """Return the journal as this process left it; whether that still holds shows when the batch is written."""
        return self._journals.get(key)

    def keep(self, journals: Iterable[Journal]) -> None:
        """Remember what a committed batch left behind."""
        for journal in journals:
            journal.writes += 1
            journal.remembered = True
            _shorten(journal.stored)
            _shorten(journal.charges)
            key = (journal.device, journal.epoch)
            self._journals[key] = journal
            self._journals.move_to_end(key)
        while len(self._journals) > MAX_JOURNALS:
            self._journals.popitem(last=False)

    def ledger_accounts(self, site: SiteId, policy_version: int) -> dict[tuple[str, str], UUID] | None:
        """Return a site's ledger accounts by (role, name), if they were read at this version of its policy."""
        version, accounts = self._ledger_accounts.get(site, (-1, {}))
        return accounts if version == policy_version else None

    def keep_ledger_accounts(self, site: SiteId, policy_version: int, accounts: dict[tuple[str, str], UUID]) -> None:
        """Remember a site's ledger accounts; a batch adds those it makes."""
        self._ledger_accounts[site] = (policy_version, accounts)

    def forget(self) -> None:
        """Forget everything: a transaction failed, and what it would have left is not there."""
        self._journals.clear()
        self._ledger_accounts.clear()


def _shorten(kept: dict[int, Value]) -> None:
    """Drop what was put in first, seldom and much at once: a dict looks past what was deleted at its front."""
    if len(kept) > 2 * MAX_RECORDS:
        for seq in list(kept)[:-MAX_RECORDS]:
            del kept[seq]
