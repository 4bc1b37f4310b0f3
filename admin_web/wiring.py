"""Fits the server's services to what the pages ask for. Values are turned here; nothing is decided or looked up.

The server's page services already answer field by field as `admin_web.ports` asks (a test holds them to it); the
device list and the live feed speak of their own subjects and are translated.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import time
from typing import Any, cast
from zoneinfo import ZoneInfo

import structlog
from fastapi import FastAPI

from admin_web.app import create_pages
from admin_web.ports import Cards, Charges, Overview, PageServices, People, Run, SignIn
from admin_web.rows import DeviceRow, Direction, LiveEvent, PlaceName, ReaderHealth
from admin_web.settings import PageSettings
from cardcore.clock import from_millis
from cardcore.ids import SiteId
from server.access.repository import SiteName, site_names
from server.database import Database
from server.devices import repository as device_rows
from server.live.feed import LiveTap, SiteFeed
from server.parts import Parts
from server.policy import service as policy
from server.reports.pages import CardPages, ChargePages, OverviewPages, PeoplePages, SitePages
from server.staff.passwords import Passwords
from server.staff.sign_in import SignIn as StaffSignIn
from server.system import System

log = structlog.get_logger(__name__)


def mount_pages(app: FastAPI, parts: Parts) -> FastAPI | None:
    """Mount the pages of the first site at the root; None when the database holds no site yet."""
    names = parts.database.read(site_names)
    if not names:
        log.warning("no_site_yet", advice="onecard seed writes the reference site; pages appear after a restart")
        return None
    site = names[0]
    starts = site.day_starts_seconds
    settings = PageSettings(
        site.name_zh, ZoneInfo(site.time_zone), time(starts // 3600, starts // 60 % 60, starts % 60)
    )
    pages = create_pages(page_services(parts, site), parts.system.clock, settings)
    app.mount("/", pages)
    return pages


def page_services(parts: Parts, site: SiteName) -> PageServices:
    """Return the services of one site."""
    shown = SitePages(parts.database, parts.system, site.id)
    sign_in = StaffSignIn(parts.database, parts.system, site.id, Passwords(parts.system.ids))
    return PageServices(
        run=cast("Run", parts.run),
        ids=parts.system.ids,
        sign_in=cast("SignIn", sign_in),
        overview=cast("Overview", OverviewPages(shown)),
        live=LivePages(SiteFeed(parts.database, parts.run, parts.feed, site.id)),
        people=cast("People", PeoplePages(shown)),
        cards=cast("Cards", CardPages(shown)),
        charges=cast("Charges", ChargePages(shown)),
        devices=DevicePages(parts.database, parts.system, site.id),
    )


class LivePages:
    """The live feed; implements `admin_web.ports.LiveFeed`."""

    def __init__(self, feed: SiteFeed) -> None:
        """Take the site's feed."""
        self._feed = feed

    def recent(self, count: int) -> tuple[LiveEvent, ...]:
        """Return the newest events, oldest first."""
        return tuple(_event(tap) for tap in self._feed.recent(count))

    async def subscribe(self, after_id: int) -> AsyncIterator[LiveEvent]:
        """Yield every event after `after_id`, then new ones as they come."""
        async for tap in self._feed.subscribe(after_id):
            yield _event(tap)


class DevicePages:
    """The reader daemons; implements `admin_web.ports.Devices`."""

    def __init__(self, database: Database, system: System, site: SiteId) -> None:
        """Take where they are registered."""
        self._database = database
        self._system = system
        self._site = site

    def list(self) -> tuple[DeviceRow, ...]:
        """Return all enrolled devices by name."""
        now = self._system.clock.now()
        newest = self._database.read(lambda session: policy.current_version(session, self._site))
        rows = self._database.read(lambda session: device_rows.statuses(session, self._site, now))
        return tuple(
            DeviceRow(
                id=row.id,
                name=row.name,
                is_online=row.is_connected,
                last_seen=row.last_seen_at,
                snapshot_version=row.policy_version or None,
                newest_snapshot_version=newest,
                queue_length=int(row.health.get("pending", 0)),
                readers=tuple(_reader(reader, row.health) for reader in row.health.get("readers", ())),
            )
            for row in rows
        )


def _reader(reader: dict[str, Any], health: dict[str, Any]) -> ReaderHealth:
    is_online = bool(reader["online"])
    seen = from_millis(int(health["at_ms"])) if is_online else None
    return ReaderHealth(reader["name"], reader.get("place") or "", is_online, bool(reader["secure"]), seen)


def _event(tap: LiveTap) -> LiveEvent:
    inward = tap.place.is_inward
    return LiveEvent(
        id=tap.id,
        tap_id=tap.tap_id,
        at=tap.at,
        reason=tap.reason,
        place=PlaceName(tap.place.name_en, tap.place.name_zh),
        direction=None if inward is None else Direction.IN if inward else Direction.OUT,
        person_name=tap.holder.name if tap.holder else None,
        department=tap.holder.department if tap.holder else None,
        card_masked=tap.card_masked,
        amount=tap.amount,
        is_offline=tap.is_offline,
        outcome=tap.outcome,
    )
