"""The policy snapshot a server process decides by, brought up to date inside every deciding transaction.

The version is read in the same transaction as the accounts, so a card revoked before this commit is refused by it,
whether or not a bus carried the news (I6, design decision 3).
"""

from __future__ import annotations

from cardcore.access.snapshot import Snapshot, StateItem
from cardcore.ids import SiteId
from server.taps.store import TapStore


class PolicyCache:
    """One snapshot a site; used by one thread (the batcher's)."""

    def __init__(self) -> None:
        """Start empty: the first decision of a site loads it."""
        self._snapshots: dict[SiteId, Snapshot] = {}

    def known(self, site: SiteId) -> Snapshot:
        """Return the snapshot as it was last used, newest or not."""
        return self._snapshots.get(site) or Snapshot.empty()

    def current(self, store: TapStore, site: SiteId, version: int) -> Snapshot:
        """Return the snapshot at `version`, which this transaction read as the newest."""
        snapshot = self.known(site)
        if version < snapshot.version:  # an older database was restored under us
            snapshot = Snapshot.empty()
        if version != snapshot.version:
            changes = store.policy_changes(site, snapshot.version)
            snapshot = snapshot.with_changes(version, (StateItem(key, body) for key, body in changes))
            self._snapshots[site] = snapshot
        return snapshot
