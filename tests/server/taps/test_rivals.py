"""Two writers at one account or one name: what the second one sees is what the first one left."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import psycopg
import pytest

from server.database import connect_app
from server.taps.arrivals import Receipt
from server.taps.repository import PostgresTaps
from server.taps.service import TapService
from tests.server.taps.small_site import Journal, SmallSite, make_site, open_epoch


@pytest.fixture
def small(postgres_url: str) -> SmallSite:
    return make_site(postgres_url)


@pytest.fixture
def service(small: SmallSite) -> Iterator[TapService]:
    service = TapService(PostgresTaps(lambda: connect_app(small.url)), small.system)
    yield service
    service.close()


def test_an_account_closed_while_a_tap_waits_for_its_purse_is_closed(small: SmallSite, service: TapService) -> None:
    holder, journal = small.holders[0], Journal(small)
    made: list[Receipt] = []
    with psycopg.connect(small.url) as closer:
        closer.execute("select from purse where account_id = %s order by id for update", (holder.account,))
        closer.execute("update purse set balance_fen = balance_fen where account_id = %s", (holder.account,))
        closer.execute("update account set state = 'closed' where id = %s", (holder.account,))
        tap = journal.live(journal.meal(holder))
        waiter = threading.Thread(target=lambda: made.extend(service.process([tap])))
        waiter.start()
        blocked = "select count(*) from pg_locks where not granted"
        with psycopg.connect(small.url, autocommit=True) as looking:
            while looking.execute(blocked).fetchone() == (0,):
                pass
        closer.commit()
        waiter.join(20)
    assert made[0].decision is not None
    assert made[0].decision.reason == "account_closed"


def test_a_books_account_that_another_process_made_meanwhile_is_used(
    small: SmallSite, service: TapService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first charge of a stall adds its account; who comes second must neither fail nor go tap by tap."""
    mine, theirs = Journal(small), Journal(small, epoch=8)
    with psycopg.connect(small.url) as connection:
        open_epoch(connection, small, 8)
    service.process([mine.live(mine.gate(small.holders[0]))])  # now it believes that the stall has no account
    rival = TapService(PostgresTaps(lambda: connect_app(small.url)), small.system)
    rival.process([theirs.live(theirs.meal(small.holders[1]))])
    rival.close()
    monkeypatch.setattr(service, "_one_by_one", lambda *_: pytest.fail("the batch was refused"))
    (receipt,) = service.process([mine.live(mine.meal(small.holders[0]))])
    assert receipt.decision is not None
    assert receipt.decision.granted
    assert small.rows("select count(*) from ledger_account where role = 'stall'") == [(1,)]
    assert small.rows("select count(distinct to_account), count(*) from transfer where kind = 'charge'") == [(1, 2)]
