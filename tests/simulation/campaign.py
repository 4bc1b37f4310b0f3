"""Many seeds, one after the other or in several processes, and what they met together."""

from __future__ import annotations

import itertools
import multiprocessing
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from server.system import System
from tests.private_postgres import PrivatePostgres
from tests.simulation.memory_backend import MemoryBackend
from tests.simulation.postgres_backend import PostgresBackend
from tests.simulation.silence import silence
from tests.simulation.site_plan import variant_of
from tests.simulation.story import Story, draw_story
from tests.simulation.world import MakeBackend, RunResult, run_story

ONLY_IN_TIER_ONE = "server restored"
MUST_BE_REACHED = (
    "ack lost after commit",
    "charge undone at the till",
    "commit unknown",
    "day closed",
    "forged record set aside",
    "keyed amount charged",
    "lost race",
    "disk failed",
    "epoch change",
    "late-list loss",
    "offline approval",
    "quarantine conflict",
    "revoked card used behind a cut",
    "reversal",
    "server restored",
    "turned back inside",
)
"""States that a campaign must have met: one that never did proves nothing ("sometimes" assertions)."""
SHARE = 25
"""Seeds that a process takes at a time."""
_sites = itertools.count(1)


@dataclass(slots=True)
class Campaign:
    """What a run of many seeds gave. `reached` counts the seeds that met a state."""

    seeds: int = 0
    taps: int = 0
    simulated_seconds: float = 0.0
    failed: list[RunResult] = field(default_factory=list)
    reached: Counter[str] = field(default_factory=Counter)

    def add(self, result: RunResult) -> None:
        """Count one run."""
        self.seeds += 1
        self.taps += result.taps
        self.simulated_seconds += result.simulated_seconds
        self.reached.update(result.reached.keys())
        if result.violations:
            self.failed.append(result)

    def join(self, other: Campaign) -> None:
        """Count another campaign's runs in."""
        self.seeds += other.seeds
        self.taps += other.taps
        self.simulated_seconds += other.simulated_seconds
        self.reached += other.reached
        self.failed += other.failed

    def never_reached(self, tier: int) -> list[str]:
        """Return the states that must be met and were not."""
        met = {state for state, count in self.reached.items() if count}
        return [state for state in MUST_BE_REACHED if state not in met and (tier == 1 or state != ONLY_IN_TIER_ONE)]


def on_postgres(url: str) -> MakeBackend:
    """Return how tier 2 makes its database: each run a site of its own in this one."""
    return lambda system, stream, seed: PostgresBackend(
        url, system, stream, f"seed-{seed}-{next(_sites)}", variant_of(seed)
    )


def in_memory(system: System, stream: random.Random, seed: int) -> MemoryBackend:
    """Make tier 1's database."""
    return MemoryBackend(system, stream, variant_of(seed))


def run_seeds(seeds: Iterable[int], make_backend: MakeBackend) -> Campaign:
    """Run seeds one after the other in this process."""
    silence()
    campaign = Campaign()
    for seed in seeds:
        campaign.add(run_story(draw_story(seed), make_backend))
    return campaign


def run_everywhere(seeds: Sequence[int], urls: Sequence[str], told: Callable[[Campaign], None]) -> Campaign:
    """Run seeds in as many processes as there are databases; `told` hears of every share that is done.

    An empty address stands for a database in memory.
    """
    shares = [seeds[start : start + SHARE] for start in range(0, len(seeds), SHARE)]
    campaign = Campaign()
    context = multiprocessing.get_context("spawn")
    queue = context.SimpleQueue()
    for url in urls:
        queue.put(url)
    with context.Pool(len(urls), initializer=_take_database, initargs=(queue,)) as pool:
        for part in pool.imap_unordered(_run_share, shares):
            campaign.join(part)
            told(campaign)
    return campaign


_database: list[str] = []


def _take_database(queue: multiprocessing.SimpleQueue[str]) -> None:
    _database.append(queue.get())


def _run_share(seeds: Sequence[int]) -> Campaign:
    url = _database[0]
    return run_seeds(seeds, on_postgres(url) if url else in_memory)


def replay(seed: int, url: str) -> tuple[RunResult, Callable[[Story], RunResult]]:
    """Run one seed; also return how to run a story like it."""
    silence()
    play = partial(run_story, make_backend=on_postgres(url) if url else in_memory)
    return play(draw_story(seed)), play


@contextmanager
def databases(tier: int, count: int) -> Iterator[list[str]]:
    """Yield the addresses of that many fresh databases, in a PostgreSQL of our own; empty ones for tier 1."""
    if tier == 1:
        yield [""] * count
        return
    folder = Path(tempfile.mkdtemp(prefix="onecard-"))
    folder.chmod(0o755)
    cluster = PrivatePostgres(folder / "postgres")
    cluster.start()
    try:
        with ExitStack() as stack:
            yield [stack.enter_context(cluster.fresh_database(migrated=True)) for _ in range(count)]
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)
