"""The sweep pages once when an invariant breaks and once when it holds again, whoever looks and however often."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from server.database import Database
from server.executor import Executor
from server.metrics import Metrics
from server.outbox import repository as outbox
from server.sweep.service import Swept, sweep
from server.sweep.task import sweep_all
from tests.server.reports.lunch import Lunch

I02 = "i02_balances_equal_postings"


@pytest.fixture
def lunch(database: Database) -> Iterator[Lunch]:
    played = Lunch(database)
    played.play()
    yield played
    played.taps.close()


def swept(lunch: Lunch) -> Swept:
    return sweep(lunch.database, lunch.system, lunch.site)


def shift(lunch: Lunch, fen: int) -> None:
    """Take money out of purses, as nobody may."""
    with psycopg.connect(lunch.database.url) as connection:
        connection.execute("update purse set balance_fen = balance_fen + %s where kind = 'cash'", [fen])


def events(lunch: Lunch) -> list[dict[str, Any]]:
    lunch.database.write(lambda session: outbox.number_waiting(session, lunch.site))
    return [event.payload for event in lunch.database.read(lambda s: outbox.since(s, lunch.site, 0, ["invariant"]))]


def test_a_healthy_site_is_silent(lunch: Lunch) -> None:
    assert swept(lunch) == Swept({}, (), ())
    assert events(lunch) == []


def test_a_broken_invariant_is_told_once_and_so_is_its_mending(lunch: Lunch) -> None:
    shift(lunch, -1)
    assert swept(lunch).newly_broken == (I02,)
    again = swept(lunch)
    assert again.newly_broken == ()
    assert set(again.broken) == {I02}
    shift(lunch, 1)
    lunch.clock.advance(hours=1)
    assert swept(lunch).newly_whole == (I02,)
    assert swept(lunch) == Swept({}, (), ())
    told = [(event["invariant"], event["state"]) for event in events(lunch)]
    assert told == [(I02, "broken"), (I02, "whole")]
    with psycopg.connect(lunch.database.url) as connection:
        rows = connection.execute("select subject, closed_by from finding where kind = 'invariant_broken'").fetchall()
    assert rows == [(I02, "sweep")]


def test_the_metric_says_what_is_broken_now(lunch: Lunch) -> None:
    metrics, run = Metrics(), Executor("sweep", 1)

    async def look() -> str:
        await sweep_all(lunch.database, run, lunch.system, metrics)
        return metrics.render().decode()

    shift(lunch, -1)
    assert f'onecard_invariants_broken{{invariant="{I02}"}}' in asyncio.run(look())
    shift(lunch, 1)
    mended = asyncio.run(look())
    assert "onecard_invariants_broken{" not in mended
    assert 'onecard_sweeps_total{result="done"} 2.0' in mended
    run.close()


def test_a_sweep_that_cannot_read_is_counted_and_told(lunch: Lunch) -> None:
    metrics, run = Metrics(), Executor("sweep", 1)
    with psycopg.connect(lunch.database.url) as connection:
        connection.execute("alter table charge rename to hidden")
    asyncio.run(sweep_all(lunch.database, run, lunch.system, metrics))
    assert 'onecard_sweeps_total{result="failed"} 1.0' in metrics.render().decode()
    run.close()
