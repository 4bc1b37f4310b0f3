"""What only the server knows of a holder, for tills that ask: whether they came in today, and what they ordered.

Read only where a site has such a till; a passage and a charge of the same batch count at once, as one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

from cardcore.access.items import TillItem
from cardcore.access.snapshot import Snapshot
from cardcore.clock import from_millis, site_time
from cardcore.ids import SiteId
from cardcore.journal import Intent, Purpose
from server.taps.arrivals import AccountRow, Arrival, Facts
from server.taps.checks import Checked
from server.taps.store import Entry, TapStore

Frames = Sequence[tuple[Arrival, tuple[Checked, ...]]]


class _Asked(NamedTuple):
    """One meal that needs a proof: whose, at which till, on which business day."""

    account: AccountRow
    till: TillItem
    day: date


def gather(store: TapStore, frames: Frames, snapshots: Mapping[SiteId, Snapshot], facts: Facts, now: datetime) -> None:
    """Read the proofs that the batch's meals need into their accounts."""
    for site, snapshot in snapshots.items():
        asked = list(_asked(frames, site, snapshot, facts, now))
        for zone in sorted({one.till.zone for one in asked if one.till.presence}):
            _entered(store, snapshot, zone, [one for one in asked if one.till.zone == zone])
        ordering = [one for one in asked if _orders(one.till)]
        if ordering:
            _ordered(store, site, ordering)


def proved(
    account: AccountRow, snapshot: Snapshot, place: str, at: datetime
) -> tuple[bool, dict[tuple[date, str], int]]:
    """Return whether the holder came in, and what they may collect, as the till at `place` asks it."""
    till = snapshot.till(place)
    if till is None:
        return False, {}
    day = _day(snapshot, at)
    ordered = {(when, meal): left for (stall, when, meal), left in account.ordered.items() if stall == till.stall}
    return (till.zone, day) in account.entered, ordered


def passed(account: AccountRow | None, snapshot: Snapshot, lane_id: str, at: datetime) -> None:
    """Note a passage of this batch."""
    lane = snapshot.lane(lane_id)
    if account is not None and lane is not None:
        account.entered.add((lane.to_zone, _day(snapshot, at)))


def _asked(frames: Frames, site: SiteId, snapshot: Snapshot, facts: Facts, now: datetime) -> Iterator[_Asked]:
    for arrival, frame in frames:
        for one in frame if arrival.device.site == site else ():
            body = one.body
            if type(body) is not Intent or body.purpose is not Purpose.TILL:
                continue
            till, card = snapshot.till(body.place), snapshot.card(body.credential)
            account = facts.accounts.get(card.account) if card is not None and card.account is not None else None
            if till is None or account is None or not (till.presence or _orders(till)):
                continue
            yield _Asked(account, till, _day(snapshot, now))
            if not arrival.live:
                yield _Asked(account, till, _day(snapshot, from_millis(body.stamp.at_ms)))


def _entered(store: TapStore, snapshot: Snapshot, zone: str, asked: Sequence[_Asked]) -> None:
    lanes = sorted(lane.id for lane in snapshot.lane_of_reader.values() if lane.to_zone == zone)
    wanted = {(one.account.person_id, one.day): one.account for one in asked}
    entries = [Entry(person, day, *_bounds(snapshot, day)) for person, day in sorted(wanted)]
    for person, day in store.entered(entries, lanes):
        wanted[person, day].entered.add((zone, day))


def _ordered(store: TapStore, site: SiteId, asked: Sequence[_Asked]) -> None:
    people = {one.account.person_id: one.account for one in asked}
    found = store.ordered(site, sorted(people), sorted({one.day for one in asked}))
    for (person, stall, day, meal), left in found.items():
        people[person].ordered[stall, day, meal] = left


def _orders(till: TillItem) -> bool:
    return till.ordered or any(turn.ordered for turn in till.turns)


def _day(snapshot: Snapshot, at: datetime) -> date:
    return site_time(at, snapshot.zone, snapshot.day_starts_at).business_day


def _bounds(snapshot: Snapshot, day: date) -> tuple[datetime, datetime]:
    """Return the instants between which a business day runs."""

    def begins(of: date) -> datetime:
        return datetime.combine(of, time(), snapshot.zone) + _since_midnight(snapshot)

    return begins(day), begins(day + timedelta(days=1))


def _since_midnight(snapshot: Snapshot) -> timedelta:
    starts = snapshot.day_starts_at
    return timedelta(hours=starts.hour, minutes=starts.minute, seconds=starts.second)
