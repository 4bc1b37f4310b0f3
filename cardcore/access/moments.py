"""What a lane remembers between taps: an open grant, the first of two people, the last escort and supervisor. Pure.

Server and box keep these moments of their own lanes and move them by the functions here, so both mean the same:
taps move what waits, and only a passage makes an escort or a supervisor of somebody. A moment ages by itself: what is
older than its rule allows counts for nothing, so a moment that outlives a restart can only refuse more, never less.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from cardcore.access.items import CardItem, LaneItem, LaneMode, ZoneItem
from cardcore.access.snapshot import Snapshot
from cardcore.calendar import is_open
from cardcore.clock import SiteTime, site_time, to_millis
from cardcore.ids import LaneId, PersonId
from cardcore.reasons import Reason

MAX_HOSTS = 8
"""Hosts whose passage a lane remembers; beyond, the oldest is forgotten, and passes again."""


class HostPassage(NamedTuple):
    """When a host went through; aware UTC."""

    person: PersonId
    at: datetime


class LaneMoment(NamedTuple):
    """What one lane remembers; instants are aware UTC."""

    open_until: datetime | None = None
    """A grant waits for its passage until then."""
    waiting: PersonId | None = None
    """The first of two people who must come together, refused so far."""
    waiting_since: datetime | None = None
    partner: PersonId | None = None
    """Who came together with the holder of the open grant."""
    escort: PersonId | None = None
    """The last one through who may bring visitors."""
    escort_at: datetime | None = None
    supervised_at: datetime | None = None
    """When somebody last passed who lets the hours of free passage begin."""
    hosts: tuple[HostPassage, ...] = ()
    """The last hosts of somebody through the lane, newest last; at most `MAX_HOSTS`, one entry a person."""


QUIET = LaneMoment()
"""Nothing is remembered."""
Moments = Mapping[LaneId, LaneMoment]


def window_ms(lane: LaneItem, card: CardItem | None) -> int:
    """Return how long a grant of this lane stays open, longer for those who need it (A43)."""
    if card is not None and card.extended:
        return max(lane.open_window_ms, lane.extended_window_ms)
    return lane.open_window_ms


def after_tap(
    moment: LaneMoment, lane: LaneItem, card: CardItem | None, reason: Reason | str, at: datetime
) -> LaneMoment:
    """Return the lane's moment after a tap at it was decided.

    A refusal ends the wait for a second person: one refused, both refused (A31).
    """
    if reason == Reason.SECOND_PERSON_NEEDED and card is not None:
        return moment._replace(waiting=card.person, waiting_since=at)
    open_until, partner = moment.open_until, moment.partner
    if isinstance(reason, Reason) and reason.grants:
        open_until = at + timedelta(milliseconds=window_ms(lane, card))
        partner = moment.waiting if card is not None and moment.waiting != card.person else None
    return moment._replace(open_until=open_until, partner=partner, waiting=None, waiting_since=None)


def after_passage(
    moment: LaneMoment, lane: LaneItem, card: CardItem | None, snapshot: Snapshot, at: datetime
) -> LaneMoment:
    """Return the lane's moment after somebody went through; a late report takes nothing back."""
    closed = moment._replace(open_until=None, partner=None)
    if card is None:
        return closed
    held = [level for one in card.levels if (level := snapshot.level(one)) is not None and lane.to_zone in level.zones]
    if any(level.escorts for level in held) and (moment.escort_at is None or moment.escort_at <= at):
        closed = closed._replace(escort=card.person, escort_at=at)
    if any(level.supervises for level in held) and (moment.supervised_at is None or moment.supervised_at <= at):
        closed = closed._replace(supervised_at=at)
    if card.person in snapshot.hosts:
        closed = closed._replace(hosts=_with_host(moment.hosts, HostPassage(card.person, at)))
    return closed


def after_end(moment: LaneMoment) -> LaneMoment:
    """Return the lane's moment after a grant ended without a passage."""
    return moment._replace(open_until=None, partner=None)


def lane_mode(lane: LaneItem, snapshot: Snapshot, moment: LaneMoment, at: datetime) -> LaneMode:
    """Return what the lane does with taps now: held by hand, by its hours, or as it is set (A33, A58)."""
    if lane.held is not None and to_millis(at) < lane.held_until_ms:
        return lane.held
    if not (lane.locked_hours or lane.free_hours):
        return lane.mode
    now = site_time(at, snapshot.zone, snapshot.day_starts_at)
    if _holds(lane.locked_hours, snapshot, now):
        return LaneMode.LOCKED
    if _holds(lane.free_hours, snapshot, now) and _is_supervised(lane, snapshot, moment, now):
        return LaneMode.FREE
    return lane.mode


def is_interlocked(lane: LaneItem, snapshot: Snapshot, moments: Moments, at: datetime) -> bool:
    """Tell whether another lane of the same interlock is open now (A30)."""
    if not lane.interlock:
        return False
    for other in snapshot.interlock(lane.interlock):
        moment = moments.get(other)
        if other != lane.id and moment is not None and moment.open_until is not None and moment.open_until > at:
            return True
    return False


def has_escort(lane: LaneItem, moment: LaneMoment, card: CardItem | None, at: datetime) -> bool:
    """Tell whether one who may bring this holder went through this lane just now (A35).

    That is anybody whose level escorts, or the holder's own host.
    """
    long_ago = at - timedelta(seconds=lane.escort_seconds)
    if moment.escort_at is not None and moment.escort_at >= long_ago:
        return True
    return card is not None and any(host.person in card.hosts and host.at >= long_ago for host in moment.hosts)


def is_second(zone: ZoneItem, moment: LaneMoment, person: PersonId, at: datetime) -> bool:
    """Tell whether another person who may enter tapped here just before (A31)."""
    return (
        moment.waiting is not None
        and moment.waiting != person
        and moment.waiting_since is not None
        and at - moment.waiting_since <= timedelta(seconds=zone.pair_seconds)
    )


def _with_host(known: tuple[HostPassage, ...], new: HostPassage) -> tuple[HostPassage, ...]:
    """Return the hosts with one more; a late report takes nothing back, and the order is that of their passages."""
    before = next((host for host in known if host.person == new.person), None)
    if before is not None and before.at > new.at:
        return known
    others = [host for host in known if host.person != new.person]
    return tuple(sorted([*others, new], key=lambda host: (host.at, host.person)))[-MAX_HOSTS:]


def _holds(schedule_id: str, snapshot: Snapshot, moment: SiteTime) -> bool:
    schedule = snapshot.schedule(schedule_id) if schedule_id else None
    return schedule is not None and is_open(schedule.intervals, snapshot.days, moment)


def _is_supervised(lane: LaneItem, snapshot: Snapshot, moment: LaneMoment, now: SiteTime) -> bool:
    """Tell whether the hours of free passage have begun: by the clock, or by a supervisor's passage within them."""
    if not lane.first_person:
        return True
    if moment.supervised_at is None:
        return False
    then = site_time(moment.supervised_at, snapshot.zone, snapshot.day_starts_at)
    return then.business_day == now.business_day and _holds(lane.free_hours, snapshot, then)
