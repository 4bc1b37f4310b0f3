"""Where people are as far as this box knows: by the passages of its own lanes. Used only when it decides alone.

What the boxes of other lanes saw is not known here, nor how many people are inside: so an offline lane holds
anti-passback by its own passages and holds no occupancy limit (turnstiles sheet, section 5). The passages come back
from the journal after a restart.
"""

from __future__ import annotations

from collections.abc import Iterable

from cardcore.access.presence import NOWHERE, Position, Whereabouts
from cardcore.access.snapshot import Snapshot
from cardcore.clock import from_millis
from cardcore.ids import CredentialKey
from reader_daemon.store.tap_state import LanePassage

MAX_REMEMBERED = 200_000
"""Cards whose last passage is kept; beyond, the one kept longest is forgotten, which accuses nobody."""


class Positions:
    """The last passage of each credential, shared by the lanes of one box. Belongs to the event loop."""

    def __init__(self, passages: Iterable[LanePassage]) -> None:
        """Take what the journal remembers, oldest first."""
        self._last: dict[CredentialKey, LanePassage] = {}
        for passage in passages:
            self.passed(passage)

    def passed(self, passage: LanePassage) -> None:
        """Note a passage."""
        self._last.pop(passage.credential, None)
        self._last[passage.credential] = passage
        if len(self._last) > MAX_REMEMBERED:
            del self._last[next(iter(self._last))]

    def whereabouts(self, credential: CredentialKey, snapshot: Snapshot) -> Whereabouts:
        """Return what is known of the one who holds a credential."""
        passage, card = self._last.get(credential), snapshot.card(credential)
        lane = snapshot.lane(passage.lane) if passage is not None else None
        if passage is None or card is None or lane is None:
            return NOWHERE
        return Whereabouts({card.person: Position(lane.to_zone, from_millis(passage.at_ms))})
