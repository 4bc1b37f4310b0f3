"""The lookout finds by itself what passages and time brought about."""

from __future__ import annotations

import pytest

from cardcore.ids import SiteId
from cardcore.reasons import Reason
from server.database import Database
from server.lookout.task import Lookout
from server.system import System
from server.visitors.models import VisitState
from tests.server.conftest import StillClock
from tests.server.visitors.lobby import HALL, OUTSIDE, Lobby, open_lobby


async def never(*_: object) -> None:
    raise AssertionError


@pytest.fixture
def lookout(database: Database, system: System) -> Lookout:
    return Lookout(database, never, system)  # type: ignore[arg-type]


@pytest.fixture
def lobby(database: Database, system: System, site: SiteId) -> Lobby:
    opened = open_lobby(database, system, site)
    assert opened.rules(keep_days=1) is None
    return opened


def test_a45_a_visitor_who_went_out_is_checked_out(lobby: Lobby, lookout: Lookout, clock: StillClock) -> None:
    visit = lobby.approved()
    credential = lobby.qr_pass(visit).credential
    lobby.walk(visit, HALL)
    lookout.once()
    assert lobby.tap(credential) is Reason.GRANTED
    clock.forward(minutes=1)
    lobby.walk(visit, OUTSIDE)
    lookout.once()
    assert lobby.row(visit)["state"] == VisitState.ENDED
    assert lobby.tap(credential) is Reason.CARD_REVOKED


def test_old_visits_are_forgotten_once_an_hour(lobby: Lobby, lookout: Lookout, clock: StillClock) -> None:
    visit = lobby.registered(lobby.visit())
    lookout.once()
    clock.forward(days=2)
    lookout.once()  # closes the visit that nobody came for, and forgets it
    with pytest.raises(AssertionError):
        lobby.row(visit)
