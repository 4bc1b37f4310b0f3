"""Standing warnings of a site: what is allowed to be entered and yet cannot be meant, or only shows with time.

Each names the object and the field to look at, so that a page can lead there. Nothing is changed here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

import msgspec
from sqlalchemy import RowMapping

from cardcore.access.items import ThreatEffect
from cardcore.calendar import Interval
from cardcore.clock import site_time
from cardcore.ids import SiteId
from server.access import repository, threat_repository
from server.access.fields import overlap
from server.database import ReadSession
from server.policy import service as policy
from server.system import System

YEAR_AHEAD = timedelta(days=60)
"""A calendar year without holidays is missed so long before it begins."""
PEOPLE_OF_A_PAIR = 2


class SiteWarning(StrEnum):
    """What is odd."""

    LEVEL_WITHOUT_ZONE = "level_without_zone"
    ZONE_WITHOUT_WAY_OUT = "zone_without_way_out"
    ZONE_WITHOUT_WAY_IN = "zone_without_way_in"
    SCHEDULE_OVERLAPS = "schedule_overlaps"
    SCHEDULE_NEVER_OPENS = "schedule_never_opens"
    YEAR_WITHOUT_HOLIDAYS = "year_without_holidays"
    PLAN_LOCKS_EVERYBODY_OUT = "plan_locks_everybody_out"
    """Nobody in service holds a level that overrides the plan in one of its zones."""
    INTERLOCK_OVER_BOXES = "interlock_over_boxes"
    """A box alone knows only its own lanes: the interlock does not hold while the server is away."""
    INTERLOCK_OF_ONE = "interlock_of_one"
    LANE_WITHOUT_BOX = "lane_without_box"
    NOBODY_SUPERVISES = "nobody_supervises"
    NOBODY_ESCORTS = "nobody_escorts"
    TOO_FEW_FOR_A_PAIR = "too_few_for_a_pair"


@dataclass(frozen=True, slots=True)
class Warned:
    """A warning, the object (`zone:yard`) and field it is about, and a detail such as the other object."""

    warning: SiteWarning
    object: str
    field: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class _Site:
    zones: repository.Rows
    lanes: repository.Rows
    levels: repository.Rows
    schedules: repository.Rows
    holders: Mapping[str, int]
    """People in service who hold a level."""


def warnings(session: ReadSession, system: System, site_id: SiteId) -> list[Warned]:
    """Return what is odd about a site's rules now."""
    site = _Site(
        repository.zone_rows(session, site_id),
        repository.lane_rows(session, site_id),
        repository.level_rows(session, site_id),
        repository.schedule_rows(session, site_id),
        repository.holders_of_levels(session, site_id),
    )
    plans = threat_repository.plans(session, site_id)
    return [
        *_zones(site), *_levels(site), *_schedules(site), *_lanes(site), *_plans(site, plans),
        *_years(session, system, site_id),
    ]  # fmt: skip


def _zones(site: _Site) -> Iterator[Warned]:
    entered = {lane["to_zone"] for lane in site.lanes}
    left = {lane["from_zone"] for lane in site.lanes}
    for zone in site.zones:
        name = f"zone:{zone['id']}"
        if zone["id"] in entered and zone["id"] not in left:
            yield Warned(SiteWarning.ZONE_WITHOUT_WAY_OUT, name, "lanes")
        if zone["id"] not in entered and zone["id"] not in left:
            yield Warned(SiteWarning.ZONE_WITHOUT_WAY_IN, name, "lanes")
        if zone["pairs"] and _holders(site, zone["id"], "") < PEOPLE_OF_A_PAIR:
            yield Warned(SiteWarning.TOO_FEW_FOR_A_PAIR, name, "pairs")


def _levels(site: _Site) -> Iterator[Warned]:
    for level in site.levels:
        name = f"level:{level['id']}"
        if not level["zones"]:
            yield Warned(SiteWarning.LEVEL_WITHOUT_ZONE, name, "zones")
        elif level["needs_escort"] and not any(_holders(site, zone, "escorts") for zone in level["zones"]):
            yield Warned(SiteWarning.NOBODY_ESCORTS, name, "needs_escort")


def _schedules(site: _Site) -> Iterator[Warned]:
    for row in site.schedules:
        name, intervals = f"schedule:{row['id']}", msgspec.convert(row["intervals"], tuple[Interval, ...])
        if not intervals:
            yield Warned(SiteWarning.SCHEDULE_NEVER_OPENS, name, "intervals")
        for number, interval in enumerate(intervals):
            if any(overlap(interval, other) for other in intervals[:number]):
                yield Warned(SiteWarning.SCHEDULE_OVERLAPS, name, f"intervals.{number}")


def _lanes(site: _Site) -> Iterator[Warned]:
    interlocks: dict[str, list[RowMapping]] = defaultdict(list)
    for lane in site.lanes:
        name = f"lane:{lane['id']}"
        if lane["device_id"] is None:
            yield Warned(SiteWarning.LANE_WITHOUT_BOX, name, "device")
        if lane["first_person"] and not _holders(site, lane["to_zone"], "supervises"):
            yield Warned(SiteWarning.NOBODY_SUPERVISES, name, "first_person")
        if lane["interlock"]:
            interlocks[lane["interlock"]].append(lane)
    for interlock, lanes in sorted(interlocks.items()):
        name = f"lane:{lanes[0]['id']}"
        if len(lanes) == 1:
            yield Warned(SiteWarning.INTERLOCK_OF_ONE, name, "interlock", interlock)
        elif len({lane["device_id"] for lane in lanes}) > 1:
            yield Warned(SiteWarning.INTERLOCK_OVER_BOXES, name, "interlock", interlock)


def _plans(site: _Site, plans: repository.Rows) -> Iterator[Warned]:
    for plan in plans:
        if plan["effect"] != ThreatEffect.LOCK:
            continue
        for zone in sorted(plan["zones"]):
            if not _holders(site, zone, "overrides_lockdown"):
                yield Warned(SiteWarning.PLAN_LOCKS_EVERYBODY_OUT, f"threat:{plan['id']}", "zones", zone)


def _years(session: ReadSession, system: System, site_id: SiteId) -> Iterator[Warned]:
    """Miss the holidays of this year, and of the next one when it is near."""
    snapshot, now = policy.rules_snapshot(session, site_id, ()), system.clock.now()
    years = {site_time(at, snapshot.zone, snapshot.day_starts_at).day.year for at in (now, now + YEAR_AHEAD)}
    for year in sorted(years - {day.year for day in snapshot.days}):
        yield Warned(SiteWarning.YEAR_WITHOUT_HOLIDAYS, f"calendar:{year}", "days")


def _holders(site: _Site, zone: str, flag: str) -> int:
    """Count who holds a level into a zone, of those with a flag (empty = any)."""
    return sum(
        site.holders.get(level["id"], 0)
        for level in site.levels
        if zone in level["zones"] and (not flag or level[flag])
    )
