"""The benchmark measures what it says: it runs with tiny sizes, finds no wrong answer, and peer and product agree."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from server.bench import rig_repository
from server.bench.figures import Report, Row, percentile, table
from server.bench.orders import Charge, Connect, Mix
from server.bench.processes import HOST
from server.bench.rig import PEER_DATABASE, Rig, rig
from server.bench.serving import load_peer
from server.database import ReadSession

CHECKOUT = Path(__file__).parents[2]
PEER = CHECKOUT / "tests" / "bench" / "usual_service.py"
ENOUGH_FOR_ALL = 20
"""Taps of one till in the comparison."""


@pytest.fixture
def stand(short_tmp: Path, embedded_postgres_url: str) -> Iterator[Rig]:
    with rig(short_tmp, embedded_postgres_url) as built:
        yield built


@pytest.fixture
def embedded_postgres_url(empty_postgres_url: str) -> str:
    return empty_postgres_url


def test_percentiles_are_nearest_rank() -> None:
    values = list(range(1, 101))
    assert [percentile(values, percent) for percent in (50, 95, 99, 100)] == [50, 95, 99, 100]
    assert percentile([7], 99) == 7
    assert percentile([], 50) == 0


def test_the_table_tells_an_unmet_bar_and_every_note() -> None:
    report = Report("onecard bench", {"machine": "one core"})
    report.rows.append(Row("charges", 1234.5, "/s", ratio=3.0, ratio_to="the usual service", bar=">= 10x", met=False))
    report.notes.append("something is missing")
    text = table(report)
    assert "1,234 /s" in text
    assert "3.00x the usual service" in text
    assert "NOT MET" in text
    assert "note: something is missing" in text


def test_peer_and_product_agree_on_balances(stand: Rig) -> None:
    """The same taps in the same order, refused ones among them, leave the same money on both sides."""
    cards = stand.reference_cards()
    daemons = stand.till_daemons()
    # Without repeats the two loads draw the same cards from the same seeds; one till keeps the order.
    mix = Mix(cards.tills_good[:5], cards.tills_refused, refusals_percent=30, repeats_percent=0)
    with stand.product() as server, stand.peer(PEER, cards) as usual:
        stand.load.give(Connect(HOST, (server.port,), daemons, usual.port, 1))
        ours = stand.load.give(Charge(1, 60.0, mix, 5, taps=ENOUGH_FOR_ALL))
        theirs = stand.load.give(Charge(1, 60.0, mix, 5, to_peer=True, taps=ENOUGH_FOR_ALL))
    assert ours.wrong == theirs.wrong == 0
    assert (ours.granted, ours.refused) == (theirs.granted, theirs.refused)
    assert ours.granted > 0 < ours.refused
    peer = load_peer(PEER)
    url = stand.beside(PEER_DATABASE)
    assert peer.books_balance(url)
    expected = peer.balances(url)
    held = stand.database.read(lambda session: _balances(session, stand))
    assert {credential: expected[credential] for credential in held} == held
    assert sum(held.values()) < sum(fen for _, _, fen in cards.peer)


def test_repeats_get_the_stored_answer_and_books_stay_whole(stand: Rig) -> None:
    cards = stand.reference_cards()
    mix = Mix(cards.tills_good, cards.tills_refused, refusals_percent=20, repeats_percent=40)
    with stand.product() as server:
        stand.connect(server, *stand.till_daemons())
        outcome = stand.load.give(Charge(16, 60.0, mix, 3, taps=ENOUGH_FOR_ALL))
    assert outcome.repeated > 0
    assert outcome.wrong == 0
    site = stand.sites["reference"]
    assert stand.database.read(lambda session: rig_repository.unequal_purses(session, site)) == 0
    assert stand.database.read(lambda session: rig_repository.doubly_charged(session, site)) == 0


@pytest.mark.timeout(240)
def test_every_case_runs_once_with_tiny_sizes(short_tmp: Path) -> None:
    figures = short_tmp / "figures.json"
    command = [sys.executable, "-m", "server.bench", "--tiny", "--dir", str(short_tmp), "--json", str(figures)]
    done = subprocess.run(
        command, cwd=CHECKOUT, capture_output=True, text=True, timeout=200, check=False, env=dict(os.environ)
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(figures.read_text())
    rows = {row["what"]: row["value"] for row in report["rows"]}
    assert report["machine"]["fsync"] == report["machine"]["synchronous_commit"] == "on"
    for what in ("charges, 64 tills", "usual service, 64 clients", "pgbench TPC-B, 8 clients", "backlog, meals stored"):
        assert rows[what] > 0, done.stdout
    assert rows["tap to relay, 12 readers, p95"] > 0
    assert not [note for note in report["notes"] if "wrong" in note or "not found" in note]


def test_an_unknown_case_is_refused_with_the_known_ones() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "server.bench", "--only", "nonsense"],
        cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "charges" in done.stderr


def _balances(session: ReadSession, stand: Rig) -> dict[str, int]:
    by_account: dict[UUID, int] = rig_repository.purse_balances(session, stand.sites["reference"])
    return {
        str(holder.credential): by_account[holder.account] for holder in stand.holders if holder.account is not None
    }
