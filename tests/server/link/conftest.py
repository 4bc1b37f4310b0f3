"""A seeded site with one enrolled box, and a running link over it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from server.database import Database
from server.system import System
from tests.server.link.link_site import LinkServer, LinkSite, make_link_site


@pytest.fixture
def link_site(database: Database, system: System) -> LinkSite:
    return make_link_site(database, system)


@pytest.fixture
async def link(link_site: LinkSite) -> AsyncIterator[LinkServer]:
    async with LinkServer(link_site) as running:
        yield running
