"""Gate decisions at the server, a steady 200 taps/s with few and with many cards loaded; the pure function alone."""

from __future__ import annotations

import random
import time

from cardcore.access.decide import GateTap, SiteState, decide
from cardcore.ids import CredentialKey, LaneId, SiteId
from server.bench.bench_site import BenchCards
from server.bench.daemon import DevicePlan
from server.bench.figures import Report, Row, median, percentile
from server.bench.machine import memory_mib
from server.bench.orders import Close, Gate, Mix, Outcome, Pings
from server.bench.processes import Serving
from server.bench.rig import Rig
from server.policy import service as policy
from server.seed.reference_site import LANES

TAPS_PER_S = 200
WARM_SECONDS = 0.5
P99_MS = 5.0
DECIDE_US = 20.0
ROUND_TRIP_RATIO = 1.2
DECISIONS = 20_000
BLOCK = 100
_MICROSECONDS = 1_000_000


def run(rig: Rig, cards: BenchCards, large_cards: int, rounds: int, seconds: float, report: Report) -> None:
    """Measure both sites on one server, its memory with them loaded, and `decide` over the large one."""
    reference = rig.gate_daemon("reference")
    large = rig.large_site(large_cards)
    district = rig.gate_daemon("district")
    with rig.product() as server:
        bare = memory_mib(server.process)[0]
        for count, daemon, shown in ((len(rig.cards), reference, cards), (large_cards, district, large)):
            _site(rig, server, daemon, shown, f"gate decision, {count:,} cards", (rounds, seconds), report)
        memory = memory_mib(server.process)
    detail = f"{bare:.0f} MiB before, highest {memory[1]:.0f} MiB"
    report.rows.append(Row(f"server memory, {large_cards:,} cards loaded", memory[0], "MiB", detail))
    _pure(rig, rig.sites["district"], large, report)


def _site(
    rig: Rig,
    server: Serving,
    daemon: DevicePlan,
    cards: BenchCards,
    what: str,
    plan: tuple[int, float],
    report: Report,
) -> None:
    """Add the rows of one site; `plan` is rounds and seconds."""
    rounds, seconds = plan
    mix = Mix(cards.gates_good, cards.gates_refused, repeats_percent=0)
    rig.connect(server, daemon)
    rig.load.give(Gate(TAPS_PER_S, WARM_SECONDS, mix, 1))  # the first tap of a site loads its policy
    found: list[Outcome] = []
    floors: list[Outcome] = []
    for number in range(rounds):
        floors.append(rig.load.give(Pings(1, WARM_SECONDS)))
        found.append(rig.load.give(Gate(TAPS_PER_S, seconds, mix, 10 + number)))
    rig.load.give(Close())
    if wrong := sum(outcome.wrong for outcome in found):
        report.notes.append(f"{wrong} gate answers were wrong: these figures are worth nothing")
    p50, p99 = median(o.p50_us for o in found), median(o.p99_us for o in found)
    detail = (
        f"at {TAPS_PER_S} taps/s, stored and committed; p50 {p50 / 1000:.2f} ms; "
        f"{sum(o.refused for o in found)} of {sum(o.answered for o in found)} refused"
    )
    ratio = p50 / max(1.0, median(o.p50_us for o in floors))
    report.rows.append(
        Row(
            f"{what}, p99", p99 / 1000, "ms", detail, tuple(o.p99_us / 1000 for o in found), ratio,
            f"a no-op frame's round trip (p50 to p50; <= {ROUND_TRIP_RATIO}x at last)",
            f"<= {P99_MS:.0f} ms at last", p99 / 1000 <= P99_MS,
        )
    )  # fmt: skip


def _pure(rig: Rig, site: SiteId, cards: BenchCards, report: Report) -> None:
    """Time `decide` alone, in blocks so that the watch costs nothing; random cards, so that caches do not flatter."""
    snapshot = rig.database.read(lambda session: policy.load_snapshot(session, site))
    chance, at = random.Random(7), rig.system.clock.now()
    shown = (*cards.gates_good, *cards.gates_refused)
    taps = [
        GateTap(CredentialKey(shown[chance.randrange(len(shown))]), LaneId(LANES[chance.randrange(len(LANES))].id))
        for _ in range(DECISIONS)
    ]
    state, taken = SiteState(), []
    for start in range(0, DECISIONS, BLOCK):
        block = taps[start : start + BLOCK]
        began = time.perf_counter()
        for tap in block:
            decide(tap, snapshot, state, at)
        taken.append(int((time.perf_counter() - began) * _MICROSECONDS * 1000 / BLOCK))
    taken.sort()
    p50, p99 = percentile(taken, 50) / 1000, percentile(taken, 99) / 1000
    report.rows.append(
        Row(
            "the policy function alone", p50, "us", f"p99 of blocks of {BLOCK}: {p99:.1f} us",
            bar=f"<= {DECIDE_US:.0f} us", met=p50 <= DECIDE_US,
        )
    )  # fmt: skip
