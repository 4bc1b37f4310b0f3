"""What the lanes of this box remember between taps, moved by the same functions as the server's.

The passages come back from the journal after a restart, and with them escorts and supervisors. What waited for a
second person is forgotten: both tap again. Whether a lane stands open is not known then, so lanes of an interlock
count as open until their window is over: a restart can only refuse more.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from cardcore.access.items import LaneItem, LaneMode
from cardcore.access.moments import (
    QUIET,
    LaneMoment,
    Moments,
    after_end,
    after_passage,
    after_tap,
    is_interlocked,
    lane_mode,
    window_ms,
)
from cardcore.access.snapshot import Snapshot
from cardcore.clock import Clock, from_millis
from cardcore.ids import CredentialKey, LaneId
from cardcore.reasons import Reason
from reader_daemon.policy import Policy
from reader_daemon.store.tap_state import LanePassage


class LaneMemory:
    """The moments of this box's lanes, shared by them. Belongs to the event loop."""

    def __init__(self, policy: Policy, clock: Clock, passages: Iterable[LanePassage]) -> None:
        """Take what the journal remembers, oldest first."""
        self._policy = policy
        self._clock = clock
        self._moments: dict[LaneId, LaneMoment] = {}
        snapshot = policy.snapshot
        for passage in passages:
            lane = snapshot.lane(passage.lane)
            if lane is not None:
                self.passed(lane, passage.credential, from_millis(passage.at_ms))
        for lane in snapshot.lanes:
            if lane.interlock:
                until = clock.now() + timedelta(milliseconds=lane.open_window_ms)
                self._moments[lane.id] = self._of(lane)._replace(open_until=until)

    @property
    def moments(self) -> Moments:
        """What `decide` needs to know."""
        return self._moments

    def tapped(self, lane: LaneItem, credential: CredentialKey | None, reason: str) -> None:
        """Note how a tap was answered; no credential = an operator opened."""
        card = self._snapshot.card(credential) if credential is not None else None
        self._moments[lane.id] = after_tap(self._of(lane), lane, card, _known(reason), self._clock.now())

    def passed(self, lane: LaneItem, credential: CredentialKey | None, at: datetime) -> None:
        """Note a passage."""
        card = self._snapshot.card(credential) if credential is not None else None
        self._moments[lane.id] = after_passage(self._of(lane), lane, card, self._snapshot, at)

    def ended(self, lane: LaneItem) -> None:
        """Note that nobody used a grant."""
        self._moments[lane.id] = after_end(self._of(lane))

    def is_interlocked(self, lane: LaneItem) -> bool:
        """Tell whether another lane of the interlock stands open."""
        return is_interlocked(lane, self._snapshot, self._moments, self._clock.now())

    def is_free(self, lane: LaneItem) -> bool:
        """Tell whether everybody passes this lane now."""
        return lane_mode(lane, self._snapshot, self._of(lane), self._clock.now()) is LaneMode.FREE

    def window_ms(self, lane: LaneItem, credential: CredentialKey | None) -> int:
        """Return how long a grant to this credential stays open."""
        return window_ms(lane, self._snapshot.card(credential) if credential is not None else None)

    @property
    def _snapshot(self) -> Snapshot:
        return self._policy.snapshot

    def _of(self, lane: LaneItem) -> LaneMoment:
        return self._moments.get(lane.id, QUIET)


def _known(reason: str) -> Reason | str:
    """Return the reason; a word of a newer server stays a word, and grants nothing here."""
    try:
        return Reason(reason)
    except ValueError:
        return reason
