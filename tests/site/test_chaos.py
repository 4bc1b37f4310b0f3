"""Real processes under fire: one harm after the other on one site, and the same books after each.

Nothing is lost, nothing doubled, and what the devices saw is what the ledger says.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from server.demo.report import report
from server.demo.story import TILLS
from tests.private_redis import PrivateRedis
from tests.site import faults
from tests.site.faults import Ground, Harm, answers_to
from tests.site.link_proxy import LinkProxy
from tests.site.running_site import running_site, story_of, unused_port
from tests.site.turns import tails, until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240), pytest.mark.chaos]

MEALS = 10
KILLING = (faults.daemon_killed, faults.clock_stepped, faults.disk_full)
"""These end the daemon: a meal may be recorded whose lamp nobody saw, at most one a till and death."""
BLINDING = (faults.readers_unplugged, faults.line_noise)
"""These keep the display from being seen, not the meal from being booked."""
IN_EVERY_BUILD: tuple[Harm, ...] = (
    faults.postgres_stopped,
    faults.backends_terminated,
    faults.redis_emptied_stopped_and_killed,
    faults.link_flaps,
    faults.link_dead_downwards,
    faults.server_accepts_and_says_nothing,
    faults.servers_restarted_in_turn,
    faults.identity_doubled,
    faults.readers_unplugged,
    faults.disk_full,
    faults.clock_stepped,
)
"""Beside `test_kill` (K1-K3) and `test_outages`."""
MORE: tuple[Harm, ...] = (
    faults.link_dead_upwards,
    faults.link_slow,
    faults.no_descriptors,
    faults.line_noise,
    faults.server_killed,
    faults.daemon_killed,
    faults.postgres_killed,
)
"""By `make chaos` only."""
HARMS = IN_EVERY_BUILD + MORE if os.environ.get("ONECARD_CHAOS") else IN_EVERY_BUILD


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ground(short_tmp: Path, private_redis: PrivateRedis) -> AsyncIterator[Ground]:
    ports = unused_port(), unused_port()
    proxy = LinkProxy(ports[1], ports[0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ONECARD_REDIS_URL", private_redis.url)
        async with proxy.listening(), running_site(short_tmp / "chaos", 1, ports) as site:
            await until(lambda: site.seconds_until_lunch() < 0, "lunch to begin")
            yield Ground(site, proxy, private_redis)


async def difference(ground: Ground) -> int:
    """Drain, check every invariant of the books, and return how many meals are charged beyond those that were seen."""
    await until(lambda: answers_to(ground.site.embedded.url), "PostgreSQL to answer")
    await ground.site.drained()
    result: dict[str, Any] = await asyncio.to_thread(report, ground.site)
    broken = {name for name in result["violations"] if not name.startswith("i06")}
    assert not broken, result["violations"]
    assert result["aside"]["quarantined"] == 0, tails(ground.site)
    presented, stored = result["seen_by_devices"]["cards_delivered"], result["taps"]["taps"]
    assert stored <= presented
    charged: int = result["charges"]["in_force"]
    return charged - sum(ground.site.tally.meals[till] for till in TILLS)


@pytest.mark.parametrize("harm", HARMS, ids=lambda harm: str(harm.__name__))
async def test_lunch_goes_on_and_the_books_hold(ground: Ground, harm: Harm) -> None:
    before = ground.difference
    seen = sum(ground.site.tally.meals[till] for till in TILLS)
    number, presented = HARMS.index(harm), ground.site.tally.presented.total()
    lunch = asyncio.create_task(story_of(ground.site, seed=100 + number).lunch(MEALS))
    await until(lambda: ground.site.tally.presented.total() > presented, "the first card")
    await harm(ground)
    await lunch
    ground.difference = await difference(ground)
    more = ground.difference - before
    if harm in KILLING or harm in BLINDING:
        assert 0 <= more <= 3 * len(TILLS)
    else:
        assert more == 0, tails(ground.site)
    assert sum(ground.site.tally.meals[till] for till in TILLS) > seen


async def test_a_box_restored_from_an_old_copy_begins_a_new_journal(ground: Ground) -> None:
    """K16: the copy does not know what was uploaded since; its numbers must not be used again (P2)."""
    canteen, data = ground.site.children["canteen"], ground.site.folder / "canteen" / "data"
    copy = ground.site.folder / "old-copy"
    await faults.held(canteen)
    await asyncio.to_thread(shutil.copytree, data, copy)
    canteen.release()
    await story_of(ground.site, seed=7).lunch(MEALS)
    before = await difference(ground)
    await faults.held(canteen)
    await asyncio.to_thread(shutil.rmtree, data)
    await asyncio.to_thread(copy.rename, data)
    canteen.release()
    seen = sum(ground.site.tally.meals[till] for till in TILLS)
    await story_of(ground.site, seed=8).lunch(MEALS)
    assert await difference(ground) == before
    assert sum(ground.site.tally.meals[till] for till in TILLS) > seen
    found = await asyncio.to_thread(report, ground.site)
    assert found["aside"].get("finding_journal_replaced", 0) > 0
