"""A site of fakes and a browser-like client for it; signed in by default."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest
from fastapi import FastAPI

from admin_web.app import create_pages
from admin_web.visits import LOOPBACK_COOKIE
from tests.admin_web.fakes import FakeSite, settings
from tests.admin_web.sample_site import lunch_site

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
