"""Puts the server's services into the pages' ports. Nothing is decided, looked up or translated here."""

from __future__ import annotations

from datetime import time
from zoneinfo import ZoneInfo

import structlog
from fastapi import FastAPI

from admin_web.app import create_pages
from admin_web.ports import PageServices
from admin_web.settings import PageSettings
from server.access.repository import SiteName, site_names
from server.live.feed import SiteFeed
from server.parts import Parts
from server.reports.pages import CardPages, ChargePages, DevicePages, OverviewPages, PeoplePages, SitePages
from server.staff.passwords import Passwords
from server.staff.sign_in import SignIn

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
    passwords = Passwords(parts.system.ids)
    shown = SitePages(parts.database, parts.system, site.id)
    return PageServices(
        run=parts.run,
        ids=parts.system.ids,
        database=parts.database,
        system=parts.system,
        site_id=site.id,
        secrets=parts.secrets,
        passwords=passwords,
        sign_in=SignIn(parts.database, parts.system, site.id, passwords),
        overview=OverviewPages(shown),
        live=SiteFeed(parts.database, parts.run, parts.feed, site.id),
        people=PeoplePages(shown),
        cards=CardPages(shown),
        charges=ChargePages(shown),
        devices=DevicePages(shown),
        keys=parts.keys,
        document_secret=parts.secrets.document_secret,
        webhook_targets=parts.webhook_targets,
    )
