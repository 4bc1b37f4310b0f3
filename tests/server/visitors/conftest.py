"""The lobby of the visitors' tests."""

from __future__ import annotations

import pytest

from cardcore.ids import SiteId
from server.database import Database
from server.system import System
from tests.server.visitors.lobby import Lobby, open_lobby


@pytest.fixture
def lobby(database: Database, system: System, site: SiteId) -> Lobby:
    """Return a site that takes visitors."""
    opened = open_lobby(database, system, site)
    assert opened.rules() is None
    return opened
