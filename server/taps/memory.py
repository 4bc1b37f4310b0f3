"""What this process remembers of the journals it wrote last, so that an ordinary batch reads next to nothing.

Every transaction that touches a journal raises the journal's `writes`. A batch that used memory is written only if
`writes` still is what this process left it at: then nobody else stored, quarantined or charged anything of the journal,
and memory was complete. If not, the transaction fails, memory is forgotten and the batch is taken from the tables
anew; so it is after any other failure. Losing all of it costs queries, no truth.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from cardcore.ids import DeviceId, SiteId, TapKey
from server.taps.arrivals import ChargeRow, EpochMark, Facts, StoredRecord

MAX_JOURNALS = 4_096
MAX_RECORDS = 1_000
"""Records remembered of one journal, the newest: outcomes follow their taps within moments."""

Value = TypeVar("Value")
JournalKey = tuple[DeviceId, int]


@dataclass(slots=True)
class Journal:
    """One journal as this process left it."""

    writes: int
    mark: EpochMark
    stored: dict[int, StoredRecord]
    charges: dict[int, ChargeRow | None]
    """Only of taps whose charges are known; None = none."""


class Memory:
    """The journals written last, and the ledger accounts of sites. Used by one thread (the batcher's)."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._journals: OrderedDict[JournalKey, Journal] = OrderedDict()
        self._ledger_accounts: dict[SiteId, tuple[int, dict[tuple[str, str], UUID]]] = {}

    def recall(self, key: JournalKey) -> Journal | None:
        """Return the journal as this process left it; whether that still holds shows when the batch is written."""
        return self._journals.get(key)

    def keep(self, facts: Facts) -> None:
        """Remember what a committed batch left behind."""
        for key, mark in facts.marks.items():
            old = self._journals.pop(key, None)
            current = old if old is not None and old.writes == facts.writes[key] else Journal(0, mark, {}, {})
            current.writes = facts.writes[key] + 1
            current.mark = mark
            self._journals[key] = current
        for tap, stored in facts.stored.items():
            _put(self._journals[tap.device, tap.epoch].stored, tap, stored)
        for tap, charge in facts.charges.items():
            _put(self._journals[tap.device, tap.epoch].charges, tap, charge)
        for (site, role, name), account in facts.ledger_accounts.items():
            self._ledger_accounts[site][1][role, name] = account
        while len(self._journals) > MAX_JOURNALS:
            self._journals.popitem(last=False)

    def ledger_accounts(self, site: SiteId, policy_version: int) -> dict[tuple[str, str], UUID] | None:
        """Return a site's ledger accounts by (role, name), if they were read at this version of its policy."""
        version, accounts = self._ledger_accounts.get(site, (-1, {}))
        return accounts if version == policy_version else None

    def keep_ledger_accounts(self, site: SiteId, policy_version: int, accounts: dict[tuple[str, str], UUID]) -> None:
        """Remember a site's ledger accounts."""
        self._ledger_accounts[site] = (policy_version, accounts)

    def forget(self) -> None:
        """Forget everything: a transaction failed, and what it would have left is not there."""
        self._journals.clear()
        self._ledger_accounts.clear()


def _put(kept: dict[int, Value], tap: TapKey, value: Value) -> None:
    kept.pop(tap.seq, None)
    kept[tap.seq] = value
    if len(kept) > MAX_RECORDS:
        del kept[next(iter(kept))]
