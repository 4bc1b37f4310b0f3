"""Measures policy at the edge: a snapshot of 100,000 cards and a one-card delta put in force, memory, and `decide`.

`python -m tests.bench.edge_speed [--cards 100000]`, from the repository's root. Installs into a SQLite file of a
temporary folder as the daemon does (fsync on), with 200 access levels and rules of every kind, and prints the figures.
"""

from __future__ import annotations

import argparse
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from msgspec.structs import replace

from cardcore.access.decide import GateTap, SiteState, decide
from cardcore.access.item_key import item_key
from cardcore.access.items import (
    CardItem,
    CardState,
    Item,
    LaneItem,
    LevelItem,
    Passback,
    Product,
    Proof,
    ScheduleItem,
    SiteItem,
    ZoneItem,
)
from cardcore.access.snapshot import Snapshot, StateItem, encode_item
from cardcore.calendar import WORKDAYS, Interval
from cardcore.ids import CardId, CategoryId, CredentialKey, LaneId, LevelId, PersonId, ScheduleId, ZoneId
from reader_daemon.store.snapshot_db import SnapshotStore

LEVELS, ZONES, LANES = 200, 50, 100
DECISIONS, BLOCK = 20_000, 100
KIB = 1024
NOON = datetime(2026, 3, 4, 4, 0, tzinfo=UTC)


def main() -> None:
    """Measure and print; the daemon loads a snapshot again after a restart, so that is timed too."""
    parser = argparse.ArgumentParser(description="measure policy at the edge")
    parser.add_argument("--cards", type=int, default=100_000)
    parser.add_argument("--load", type=Path, help="only load this file and print the memory it takes")
    arguments = parser.parse_args()
    if arguments.load is not None:
        bare = resident_mib()
        held = SnapshotStore(arguments.load).open(0)
        items = len(held.snapshot)
        print(f"{bare:.0f} MiB before, {resident_mib():.0f} MiB with {items} items, {memory_mib():.0f} at the highest")
        return
    measure(arguments.cards)


def measure(cards: int) -> None:
    """Put policy in force as a daemon does, and print how long that takes, of which the processor's share."""
    chance = random.Random(7)
    states = [StateItem(item_key(item), encode_item(item)) for item in (*rules(), *people(cards, chance))]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "snapshot.db"
        store = SnapshotStore(path)
        store.open(0)
        whole, took, busy = timed(lambda: installed(store, Snapshot.empty(), 1, states, whole=True))
        print(f"snapshot of {cards:,} cards in force   {took:8.2f} s  ({busy:.2f} s of processor)   bar <= 5 s")
        lost = replace(card_of(7, chance), state=CardState.LOST)
        delta = [StateItem(item_key(lost), encode_item(lost))]
        _, took, busy = timed(lambda: installed(store, whole, 2, delta, whole=False))
        print(
            f"one-card delta in force          {took * 1000:8.1f} ms ({busy * 1000:.1f} ms of processor)  bar <= 50 ms"
        )
        store.close()
        said = subprocess.run(
            [sys.executable, "-m", "tests.bench.edge_speed", "--load", str(path)], capture_output=True, check=True
        )
        print(f"a process that loaded it again   {said.stdout.decode().strip()}   bar for the daemon <= 150 MB")
    p50, p99 = decided(whole, cards, chance)
    print(f"decide, all rules                p50 {p50:.1f} us, p99 of blocks {p99:.1f} us   bar <= 20 us")


def installed(store: SnapshotStore, old: Snapshot, version: int, states: list[StateItem], *, whole: bool) -> Snapshot:
    """Put a version in force as the daemon does: read, then on the disk."""
    snapshot = old.with_changes(version, states)
    fault = store.install(snapshot, states, whole=whole, confirmed_ms=0)
    assert fault is None, fault
    return snapshot


def decided(snapshot: Snapshot, cards: int, chance: random.Random) -> tuple[float, float]:
    """Time `decide` in blocks over random cards and lanes."""
    state, taken = SiteState(), []
    taps = [
        GateTap(CredentialKey(f"desfire:{chance.randrange(cards):032x}"), LaneId(f"g{chance.randrange(LANES)}"))
        for _ in range(DECISIONS)
    ]
    for start in range(0, DECISIONS, BLOCK):
        block = taps[start : start + BLOCK]
        began = time.perf_counter()
        for tap in block:
            decide(tap, snapshot, state, NOON)
        taken.append((time.perf_counter() - began) * 1_000_000 / BLOCK)
    taken.sort()
    return taken[len(taken) // 2], taken[len(taken) * 99 // 100]


def rules() -> Iterator[Item]:
    """Yield a site with rules of every kind."""
    yield SiteItem()
    yield ScheduleItem(ScheduleId("office"), tuple(Interval(h * 3600, (h + 1) * 3600, WORKDAYS) for h in range(8, 20)))
    for number in range(ZONES):
        yield ZoneItem(
            ZoneId(f"z{number}"), passback=Passback.SOFT, pairs=number % 25 == 0,
            requires=("health",) if number % 5 == 0 else (),
        )  # fmt: skip
    for number in range(LEVELS):
        zones = tuple(ZoneId(f"z{(number + step) % ZONES}") for step in range(4))
        yield LevelItem(LevelId(f"l{number}"), zones, ScheduleId("office"), needs_escort=number % 20 == 0)
    for number in range(LANES):
        into = ZoneId(f"z{number % ZONES}")
        yield LaneItem(
            LaneId(f"g{number}"), f"r{number}", ZoneId("outside"), into, interlock=f"i{number // 2}",
            locked_hours="night" if number % 10 == 0 else "",
        )  # fmt: skip


def people(count: int, chance: random.Random) -> Iterator[Item]:
    """Yield cards with four levels each."""
    return (card_of(number, chance) for number in range(count))


def card_of(number: int, chance: random.Random) -> CardItem:
    """Return one card."""
    levels = tuple(LevelId(f"l{chance.randrange(LEVELS)}") for _ in range(4))
    return CardItem(
        CredentialKey(f"desfire:{number:032x}"), CardId(UUID(int=number)), PersonId(UUID(int=number)), Product.COMBINED,
        CardState.ACTIVE, CategoryId("staff"), levels, proofs=(Proof("health", 0, 2**53),) if number % 3 else (),
    )  # fmt: skip


def timed(call: Callable[[], Snapshot]) -> tuple[Snapshot, float, float]:
    """Return what a call gives, the seconds it took, and the processor's seconds of them."""
    began, busy = time.perf_counter(), time.process_time()
    found = call()
    return found, time.perf_counter() - began, time.process_time() - busy


def resident_mib() -> float:
    """Return the resident size now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / KIB / KIB


def memory_mib() -> float:
    """Return the highest resident size so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB


if __name__ == "__main__":
    main()
