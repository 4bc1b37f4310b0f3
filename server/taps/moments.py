"""What lanes remember while a batch is taken: read and locked before, moved by taps and passages in order, kept.

The rules are `cardcore.access.moments`; a site without such rules asks and writes nothing here.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from cardcore.access.items import CardItem, LaneItem
from cardcore.access.moments import QUIET, LaneMoment, after_end, after_passage, after_tap
from cardcore.access.snapshot import Snapshot
from cardcore.ids import LaneId, PersonId, SiteId
from cardcore.reasons import Reason
from server.taps.arrivals import Facts, Writes
from server.taps.store import TapStore


def gather(store: TapStore, snapshots: Mapping[SiteId, Snapshot], facts: Facts) -> None:
    """Lock and read what the lanes remember of sites that have a rule about it."""
    for site in sorted(snapshots):
        if snapshots[site].has_moments:
            facts.moments[site] = store.lane_moments(site)


def known(facts: Facts, site: SiteId) -> Mapping[LaneId, LaneMoment]:
    """Return what `decide` needs to know at this point of the batch."""
    return facts.moments.get(site, {})


def tapped(
    facts: Facts, writes: Writes, site: SiteId, lane: LaneItem, told: tuple[CardItem | None, Reason | str, datetime]
) -> None:
    """Move a lane's moment after a live tap; `told` is the card, the answer and the instant."""
    if site in facts.moments:
        _put(facts, writes, site, lane, after_tap(_of(facts, site, lane), lane, *told))


def passed(
    facts: Facts, writes: Writes, site: SiteId, lane: LaneItem, card: CardItem | None, snapshot: Snapshot,
    at: datetime, *, late: bool,
) -> PersonId | None:  # fmt: skip
    """Move a lane's moment after a passage; return who went through together with the holder."""
    if site not in facts.moments:
        return None
    before = _of(facts, site, lane)
    after = after_passage(before, lane, card, snapshot, at)
    if late:  # what happens at the lane now is not ended by news of the past
        after = after._replace(open_until=before.open_until, partner=before.partner)
    _put(facts, writes, site, lane, after)
    return None if late else before.partner


def ended(facts: Facts, writes: Writes, site: SiteId, lane: LaneItem) -> None:
    """Move a lane's moment after a grant that nobody used."""
    if site in facts.moments:
        _put(facts, writes, site, lane, after_end(_of(facts, site, lane)))


def _of(facts: Facts, site: SiteId, lane: LaneItem) -> LaneMoment:
    return facts.moments[site].get(lane.id, QUIET)


def _put(facts: Facts, writes: Writes, site: SiteId, lane: LaneItem, moment: LaneMoment) -> None:
    if moment != _of(facts, site, lane):
        facts.moments[site][lane.id] = moment
        writes.moments[site, lane.id] = moment
