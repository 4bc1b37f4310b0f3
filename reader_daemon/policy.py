"""The policy this daemon decides by, in memory: snapshot, deny list, and how old the server's word on them is.

It decides nothing and does no I/O; `reader_daemon.store.snapshot_db` keeps the same on disk.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from cardcore.access.snapshot import Snapshot
from cardcore.clock import Clock, to_millis
from cardcore.ids import CredentialKey
from cardcore.reasons import Reason
from reader_daemon.store.snapshot_db import DeniedCard, StoredPolicy

CLOCK_TOLERANCE_MS = 300_000
"""A confirmation further in the future than this means that the clock went back: its age is unknown."""


class Policy:
    """See the module. One instance, owned by the event loop."""

    def __init__(self, stored: StoredPolicy, clock: Clock) -> None:
        """Begin with what the disk held."""
        self._clock = clock
        self.snapshot: Snapshot = stored.snapshot
        self._entries: dict[CredentialKey, DeniedCard] = dict(stored.denied)
        self.denied: Mapping[str, Reason] = {}
        self.deny_version = stored.deny_version
        self.confirmed_ms = stored.confirmed_ms
        self.contact_ms = stored.contact_ms
        self._confirmed_here_ms: int | None = None
        self._contact_here_ms: int | None = None
        self._publish()

    def install(self, snapshot: Snapshot) -> None:
        """Take a newer snapshot, confirmed now; the deny entries it overtakes go."""
        self.snapshot = snapshot
        self._entries = {key: card for key, card in self._entries.items() if card.version > snapshot.version}
        self._publish()
        self.confirm()

    def deny(self, version: int, entries: Mapping[CredentialKey, DeniedCard]) -> None:
        """Refuse these credentials from now on."""
        self.deny_version = max(self.deny_version, version)
        self._entries.update({key: card for key, card in entries.items() if card.version > self.snapshot.version})
        self._publish()

    def confirm(self) -> None:
        """Note that the server said just now: this snapshot is the newest."""
        self.confirmed_ms = to_millis(self._clock.now())
        self._confirmed_here_ms = self._clock.monotonic_ms()
        self.heard()

    def heard(self) -> None:
        """Note that the server was heard just now."""
        self.contact_ms = to_millis(self._clock.now())
        self._contact_here_ms = self._clock.monotonic_ms()

    def age(self) -> timedelta | None:
        """Return how long ago the server confirmed the snapshot; None = never, or nobody can tell."""
        return self._since(self.confirmed_ms, self._confirmed_here_ms)

    def silence(self) -> timedelta | None:
        """Return how long ago the server was last heard; None = never, or nobody can tell."""
        return self._since(self.contact_ms, self._contact_here_ms)

    def _since(self, wall_ms: int, here_ms: int | None) -> timedelta | None:
        if here_ms is not None:  # the same start of the daemon: wall clock jumps do not matter
            return timedelta(milliseconds=self._clock.monotonic_ms() - here_ms)
        if wall_ms == 0:
            return None
        age_ms = to_millis(self._clock.now()) - wall_ms
        return None if age_ms < -CLOCK_TOLERANCE_MS else timedelta(milliseconds=max(0, age_ms))

    def _publish(self) -> None:
        self.denied = {key: _known(card.reason) for key, card in self._entries.items()}


def _known(reason: str) -> Reason:
    """Return the reason, or REVOKED for one that only a newer server knows: it refuses in any case."""
    try:
        found = Reason(reason)
    except ValueError:
        return Reason.CARD_REVOKED
    return Reason.CARD_REVOKED if found.grants else found
