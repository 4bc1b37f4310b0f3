"""Charges over the link against the usual service, alternating round by round; then the backlog."""

from __future__ import annotations

from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from server.bench import rig_repository
from server.bench.bench_site import PRICE_FEN, TILLS, BenchCards
from server.bench.figures import Report, Row, median
from server.bench.machine import memory_mib
from server.bench.orders import Charge, Close, Connect, Drain, Mix, Outcome
from server.bench.processes import HOST
from server.bench.rig import Rig

ISSUE_RATIO = 10
"""Issue A: charges over the link >= 10x the usual service."""
FINAL_RATIO = 25
BACKLOG_RATIO = 100
PGBENCH_RATIO = 3
P99_MS = 10.0
PRODUCT = "charges, {} tills"
PEER = "usual service, {} clients"


@dataclass(frozen=True, slots=True)
class Rounds:
    """How long the rounds are."""

    rounds: int
    seconds: float
    """Of the rounds with all tills; those with fewer take half."""
    tills: tuple[int, ...]
    backlog_frames: int
    """Frames of a hundred records a daemon uploads in a backlog round."""
    warm_seconds: float = 1.0


def run(rig: Rig, cards: BenchCards, peer: Path | None, rounds: Rounds, report: Report, servers: int = 1) -> None:
    """Measure; adds rows to the report. Wrong answers anywhere are a note that spoils the run.

    With several servers, as many processes serve one database, each its share of the daemons.
    """
    daemons = rig.till_daemons()
    mix = Mix(cards.tills_good, cards.tills_refused)
    found: dict[tuple[bool, int], list[Outcome]] = defaultdict(list)
    backlog: list[Outcome] = []
    with ExitStack() as stack:
        serving = [stack.enter_context(rig.product()) for _ in range(servers)]
        ports = tuple(server.port for server in serving)
        if peer is not None:
            with rig.peer(peer, cards) as usual:
                rig.load.give(Connect(HOST, ports, daemons, usual.port, TILLS))
                _alternate(rig, mix, rounds, found, with_peer=True)
        else:
            report.notes.append("the peer was not found (give --peer FILE): no ratio to the usual service")
            rig.load.give(Connect(HOST, ports, daemons))
            _alternate(rig, mix, rounds, found, with_peer=False)
        for number in range(rounds.rounds):
            rig_repository.checkpoint(rig.url)
            backlog.append(rig.load.give(Drain(rounds.backlog_frames, mix, PRICE_FEN, 900 + number)))
        memory = memory_mib(serving[0].process)
        rig.load.give(Close())
    _rows(found, backlog, rounds, report)
    report.rows.append(Row("server memory after the charges", memory[0], "MiB", f"highest {memory[1]:.0f} MiB"))
    _check_books(rig, report)


def _alternate(
    rig: Rig, mix: Mix, rounds: Rounds, found: dict[tuple[bool, int], list[Outcome]], *, with_peer: bool
) -> None:
    """Warm both up, then take turns: product and peer see the same machine within seconds."""
    sides = (False, True) if with_peer else (False,)
    for to_peer in sides:
        rig.load.give(Charge(TILLS, rounds.warm_seconds, mix, 1, to_peer, "warm"))
    for number in range(rounds.rounds):
        for tills in rounds.tills:
            for to_peer in sides:
                rig_repository.checkpoint(rig.url)
                seconds = rounds.seconds if tills == max(rounds.tills) else rounds.seconds / 2
                order = Charge(tills, seconds, mix, 100 * number + tills, to_peer, f"r{number}-{tills}")
                found[to_peer, tills].append(rig.load.give(order))


def _rows(found: dict[tuple[bool, int], list[Outcome]], backlog: list[Outcome], rounds: Rounds, report: Report) -> None:
    wrong = sum(outcome.wrong for outcomes in (*found.values(), backlog) for outcome in outcomes)
    if wrong:
        report.notes.append(f"{wrong} answers were wrong: these figures are worth nothing")
    most = max(rounds.tills)
    for tills in rounds.tills:
        usual = found.get((True, tills))
        if usual:
            report.rows.append(_row(PEER.format(tills), usual))
    for tills in rounds.tills:
        ours = _row(PRODUCT.format(tills), found[False, tills])
        usual_rate = report.value(PEER.format(tills))
        if usual_rate:
            ratio = ours.value / usual_rate
            bar = f">= {ISSUE_RATIO}x now, {FINAL_RATIO}x at last" if tills == most else ""
            ours = _with_ratio(ours, ratio, "the usual service", bar, ratio >= ISSUE_RATIO if bar else None)
        report.rows.append(ours)
    p99_ms = median(outcome.p99_us for outcome in found[False, most]) / 1000
    report.rows.append(
        Row(f"p99 at {most} tills", p99_ms, "ms", bar=f"<= {P99_MS:.0f} ms at last", met=p99_ms <= P99_MS)
    )
    rate = median(outcome.records / 2 / outcome.seconds for outcome in backlog)
    detail = (
        f"{2 * rate:,.0f} records/s in frames of 100 (a tap and its outcome each), a frame p50 "
        f"{median(o.p50_us for o in backlog) / 1000:.1f} ms, p99 {median(o.p99_us for o in backlog) / 1000:.1f} ms"
    )
    row = Row("backlog, meals stored", rate, "/s", detail, tuple(o.records / 2 / o.seconds for o in backlog))
    usual_rate = report.value(PEER.format(most))
    if usual_rate:
        ratio = rate / usual_rate
        row = _with_ratio(row, ratio, "the usual service", f">= {BACKLOG_RATIO}x at last", ratio >= BACKLOG_RATIO)
    report.rows.append(row)


def _row(what: str, outcomes: list[Outcome]) -> Row:
    answered, refused = sum(o.answered for o in outcomes), sum(o.refused for o in outcomes)
    repeated = sum(o.repeated for o in outcomes)
    detail = (
        f"tap to decision p50 {median(o.p50_us for o in outcomes) / 1000:.2f} ms, "
        f"p99 {median(o.p99_us for o in outcomes) / 1000:.2f} ms; "
        f"{100 * refused / max(1, answered):.1f} % refused, {100 * repeated / max(1, answered):.1f} % repeated"
    )
    rates = tuple(outcome.granted_per_s for outcome in outcomes)
    return Row(what, median(rates), "/s", detail, rates)


def _with_ratio(row: Row, ratio: float, ratio_to: str, bar: str, met: bool | None) -> Row:  # noqa: FBT001 - a field
    return Row(row.what, row.value, row.unit, row.detail, row.rounds, ratio, ratio_to, bar, met)


def _check_books(rig: Rig, report: Report) -> None:
    """Check the books after the run: a fast wrong ledger is no result."""
    site = rig.sites["reference"]
    unequal = rig.database.read(lambda session: rig_repository.unequal_purses(session, site))
    doubly = rig.database.read(lambda session: rig_repository.doubly_charged(session, site))
    if unequal or doubly:
        report.notes.append(f"the books are wrong: {unequal} purses off their postings, {doubly} taps charged twice")
    else:
        report.notes.append("books checked after the run: every purse equals its postings, no tap is charged twice")


def compare_pgbench(report: Report, best: float) -> None:
    """Set the charges beside pgbench at its best, when both were measured."""
    ours = next((row for row in report.rows if row.what == PRODUCT.format(TILLS)), None)
    if ours is not None and best:
        ratio = ours.value / best
        report.rows.append(
            Row(
                f"charges, {TILLS} tills, to pgbench", ratio, "x", "of pgbench TPC-B at its best concurrency",
                bar=f">= {PGBENCH_RATIO}x at last", met=ratio >= PGBENCH_RATIO,
            )
        )  # fmt: skip
