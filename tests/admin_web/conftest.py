"""What page tests share: a site of fakes with a browser-like client, and the real site, served and shown in Chromium.

Chromium's driver holds the thread's event loop: browser tests and asynchronous tests stand in separate files.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest
from fastapi import FastAPI
from playwright.sync_api import Browser

from admin_web.app import create_pages
from admin_web.visits import LOOPBACK_COOKIE
from tests.admin_web.chromium import chromium
from tests.admin_web.fakes import FakeSite, settings
from tests.admin_web.real_site import RealSite
from tests.admin_web.sample_site import lunch_site
from tests.private_postgres import PrivatePostgres

ADDRESS = "http://localhost"


@pytest.fixture
def site() -> FakeSite:
    return lunch_site()


@pytest.fixture
def pages(site: FakeSite) -> FastAPI:
    return create_pages(site.services(), site.clock, settings())


@pytest.fixture
async def visitor(pages: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """Return a client without a session, whose forms come from our own pages."""
    transport = httpx2.ASGITransport(pages, raise_app_exceptions=False)
    headers = {"Sec-Fetch-Site": "same-origin", "Accept-Language": "en"}
    async with httpx2.AsyncClient(transport=transport, base_url=ADDRESS, headers=headers) as client:
        yield client


@pytest.fixture
async def staff(visitor: httpx2.AsyncClient, site: FakeSite) -> httpx2.AsyncClient:
    """Return a client with a session that may do everything."""
    visitor.cookies.set(LOOPBACK_COOKIE, site.sign_in.open_session(site.sign_in.staff.id))
    return visitor


@pytest.fixture(scope="module")
def real_site(embedded_postgres: PrivatePostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealSite]:
    with embedded_postgres.fresh_database(migrated=True) as url:
        site = RealSite(url, tmp_path_factory.mktemp("server"))
        yield site
        site.close()


@pytest.fixture(scope="module")
def served(real_site: RealSite) -> Iterator[str]:
    with real_site.serve() as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started
