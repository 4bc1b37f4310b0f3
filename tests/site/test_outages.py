"""Redis down, database down, server down: gates and tills go on, nothing is lost, and the doctor names the trouble.

One site for all of it, in this order; the books are held against what the devices saw at the end of each.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from server.audit import tree_repository as tree
from server.demo import repository
from server.demo.report import report
from server.demo.site import DAEMONS, DemoSite
from server.demo.story import TILLS
from server.embedded import EmbeddedSupervisor
from server.seed.service import SeededHolder
from tests.private_redis import PrivateRedis
from tests.site.running_site import running_site
from tests.site.turns import doctor, eats, enters, until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(short_tmp: Path, private_redis: PrivateRedis) -> AsyncIterator[DemoSite]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ONECARD_REDIS_URL", private_redis.url)
        async with running_site(short_tmp / "outages") as running:
            await until(lambda: running.seconds_until_lunch() < 0, "lunch to begin")
            yield running


def guests(site: DemoSite, number: int) -> list[SeededHolder]:
    """Return three people who may enter and eat, others for every number."""
    assert site.site is not None
    may = [one for one in site.site.holders if one.product == "combined" and one.opening > 5_000]
    return may[number * 3 : number * 3 + 3]


async def people_go_on(site: DemoSite, number: int) -> None:
    first, second, third = guests(site, number)
    await asyncio.gather(enters(site, "g01", first), enters(site, "g02", second), eats(site, "t01", third))
    await asyncio.gather(eats(site, "t02", first), eats(site, "t01", second))


async def hold_the_books(site: DemoSite) -> int:
    """Check that everything the devices saw is stored once; return how many taps were decided at the edge."""
    await site.drained()
    result = await asyncio.to_thread(report, site)
    broken = {name for name in result["violations"] if not name.startswith("i06")}
    assert not broken, result["violations"]
    assert result["invariants"]["every_card_delivered_is_a_tap"], result["taps"]
    assert result["invariants"]["every_passage_is_recorded"]
    assert result["aside"]["quarantined"] == 0
    meals = sum(site.tally.meals[till] for till in TILLS)
    assert result["charges"]["in_force"] == meals
    charged_alone: int = result["charges"]["in_force_offline"]
    return charged_alone


async def test_all_is_well_before(site: DemoSite) -> None:
    await people_go_on(site, 0)
    assert await hold_the_books(site) == 0
    troubles = await doctor(site)
    assert not {"database", "redis"} & set(troubles), troubles


async def test_redis_down(site: DemoSite, private_redis: PrivateRedis) -> None:
    await asyncio.to_thread(private_redis.stop)
    try:
        await people_go_on(site, 1)
        assert await hold_the_books(site) == 0  # the server decided: Redis is no part of it
        trouble = (await doctor(site))["redis"]
        assert "ONECARD_REDIS_URL" in trouble["do"]
        assert trouble["do_zh"]
        assert trouble["detail"]
    finally:
        await asyncio.to_thread(private_redis.start)
    await people_go_on(site, 2)
    assert "redis" not in await doctor(site)


async def test_database_down(site: DemoSite) -> None:
    await asyncio.to_thread(site.embedded.stop)
    try:
        await people_go_on(site, 3)
        trouble = (await doctor(site))["database"]
        assert "ONECARD_DATABASE_URL" in trouble["do"]
        assert "lose nothing" in trouble["do"]
        assert trouble["do_zh"]
        assert "PostgreSQL cannot be reached" in trouble["detail"]
    finally:
        site.embedded = EmbeddedSupervisor(site.folder)
        await asyncio.to_thread(site.embedded.start)
    assert await hold_the_books(site) >= 3
    await people_go_on(site, 4)
    assert "database" not in await doctor(site)


async def test_server_down(site: DemoSite) -> None:
    alone_before = await hold_the_books(site)
    server = site.children["server"]
    server.hold()
    await until(lambda: server.pid is None, "the server to be gone")
    await people_go_on(site, 5)
    server.release()
    assert await hold_the_books(site) == alone_before + 3
    offline = await asyncio.to_thread(
        site.database.read, lambda session: repository.counts(session, site.site_id)["decided_offline"]
    )
    assert offline >= 5


async def test_the_boxes_witnessed_the_audit_log_through_all_of_it(site: DemoSite) -> None:
    def behind() -> list[str]:
        newest = site.database.read(tree.newest_checkpoint)
        rows = site.database.read(tree.witnesses)
        return [row["name"] for row in rows if newest is None or row["size"] < newest["size"]]

    await until(lambda: not behind(), lambda: f"{behind()} to cosign the newest checkpoint")
    for name in DAEMONS:
        words = [sys.executable, "-m", "reader_daemon", "--config", str(site.folder / name / "reader.toml"), "witness"]
        process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
        said, _ = await process.communicate()
        assert process.returncode == 0
        assert said.startswith(b"onecard/audit/")
    assert "audit" not in await doctor(site)
