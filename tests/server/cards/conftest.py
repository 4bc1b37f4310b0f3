"""The desk of the cards' tests."""

from __future__ import annotations

import pytest

from cardcore.ids import SiteId
from server.database import Database
from server.system import System
from tests.server.cards.card_desk import Desk


@pytest.fixture
def desk(database: Database, system: System, site: SiteId) -> Desk:
    """Return a desk at the test's site."""
    return Desk(database, system, site)
