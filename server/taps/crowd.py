"""Where people are while a batch is taken: read before, moved by passages in order, written down to be kept.

Only a passage moves anybody; events that name nobody move unknown heads. Late passages move people in the order of
passages, not of arrival (turnstiles sheet, section 9).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from cardcore.access.items import LaneItem
from cardcore.access.presence import NOWHERE, Position, Whereabouts, asks_where
from cardcore.access.snapshot import Snapshot
from cardcore.ids import PersonId, SiteId, ZoneId
from cardcore.journal import DeviceEvent, Intent, Outcome, OutcomeKind, Purpose
from server.taps.arrivals import Arrival, Facts, Writes
from server.taps.checks import Checked
from server.taps.store import TapStore

Frames = Sequence[tuple[Arrival, tuple[Checked, ...]]]

UNNAMED_PASSAGES = frozenset({"forced_passage", "tailgate", "free_passage"})
"""Somebody went through and nobody knows who."""
UNSETTLING = frozenset({"free_passage", "fire", "fire_over"})
"""After these nobody can be sure who is inside."""


def gather(store: TapStore, frames: Frames, snapshots: Mapping[SiteId, Snapshot], facts: Facts, now: datetime) -> None:
    """Read where the people are whom the batch's lanes ask about, and how full their zones are."""
    for site, snapshot in snapshots.items():
        people = sorted(set(_asked(frames, site, snapshot, facts)))
        if not people:
            continue
        limited = {
            zone.id: now - timedelta(hours=zone.passback_forgets_hours)
            for zone in snapshot.zones
            if zone.occupancy_limit
        }
        facts.crowds[site] = store.crowd(site, people, limited)


def whereabouts(facts: Facts, site: SiteId) -> Whereabouts:
    """Return what `decide` needs to know at this point of the batch."""
    crowd = facts.crowds.get(site)
    if crowd is None:
        return NOWHERE
    return Whereabouts(crowd.positions, crowd.inside, frozenset(crowd.uncertain))


def passed(facts: Facts, writes: Writes, site: SiteId, person: PersonId, lane: LaneItem, at: datetime) -> None:
    """Move somebody into the zone behind a lane, unless a later passage is known."""
    crowd = facts.crowds.get(site)
    if crowd is not None:
        before = crowd.positions.get(person)
        if before is None or before.at <= at:
            if before is not None and before.zone in crowd.inside:
                crowd.inside[before.zone] -= 1
            if lane.to_zone in crowd.inside:
                crowd.inside[lane.to_zone] += 1
            crowd.positions[person] = Position(lane.to_zone, at)
    written = writes.presence.get(person)
    if written is None or written["at"] <= at:  # type: ignore[operator]
        writes.presence[person] = {
            "person_id": person, "site_id": site, "zone_id": lane.to_zone, "at": at,
            "assumed": not lane.has_pass_sensor,
        }  # fmt: skip


def happened(facts: Facts, writes: Writes, site: SiteId, event: DeviceEvent, lane: LaneItem, at: datetime) -> None:
    """Move an unknown head for a passage that nobody was granted, and note what makes zones uncertain."""
    unsettles = event.event in UNSETTLING
    if event.event in UNNAMED_PASSAGES:
        _move_unknown(facts, writes, site, lane.to_zone, 1)
        _move_unknown(facts, writes, site, lane.from_zone, -1)
    if unsettles:
        crowd = facts.crowds.get(site)
        for zone in (lane.from_zone, lane.to_zone):
            if crowd is not None:
                crowd.uncertain.add(zone)
            row = writes.zone_state.setdefault((site, zone), {"site_id": site, "zone_id": zone, "moved": 0})
            row["uncertain_since"] = at


def _move_unknown(facts: Facts, writes: Writes, site: SiteId, zone: ZoneId, count: int) -> None:
    row = writes.zone_state.setdefault((site, zone), {"site_id": site, "zone_id": zone, "moved": 0})
    row["moved"] += count  # type: ignore[operator]
    crowd = facts.crowds.get(site)
    if crowd is not None and zone in crowd.inside:
        unknown = max(0, crowd.unknown.get(zone, 0) + count)
        crowd.inside[zone] += unknown - crowd.unknown.get(zone, 0)
        crowd.unknown[zone] = unknown


def _asked(frames: Frames, site: SiteId, snapshot: Snapshot, facts: Facts) -> Iterator[PersonId]:
    """Yield the people whose position a lane's rule asks for, and those who move where zones are counted."""
    counts = any(zone.occupancy_limit for zone in snapshot.zones)
    if not (counts or any(asks_where(zone) for zone in snapshot.zones)):
        return
    for arrival, frame in frames:
        if arrival.device.site != site:
            continue
        journal = facts.journals[arrival.device.id, arrival.epoch]
        credentials: dict[int, str] = {}
        for one in frame:
            match one.body:
                case Intent(purpose=Purpose.GATE) as intent:
                    credentials[one.record.seq] = intent.credential
                    credential: str = intent.credential
                case Outcome(outcome=OutcomeKind.PASSED) as outcome:
                    tap = journal.stored.get(outcome.tap_seq)
                    if tap is not None and tap.person_id is not None:
                        yield PersonId(tap.person_id)
                    credential = credentials.get(outcome.tap_seq, "")
                case _:
                    continue
            card = snapshot.card(credential)
            if card is not None:
                yield card.person
