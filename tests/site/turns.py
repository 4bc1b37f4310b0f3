"""People at the readers of a running site, one at a time, and what the devices and `onecard doctor` say afterwards."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from server.demo.site import DemoSite
from server.demo.story import STEP_UP_SECONDS
from server.seed.service import SeededHolder

PATIENCE_SECONDS = 30
LOOK_SECONDS = 0.05
MAX_TRIES = 5
"""People tap again where the display says TAP AGAIN or the arm is still closing."""
DOCTOR = "import sys; from server.cli import main; sys.exit(main(['doctor', '--json']))"


async def until(holds: Callable[[], bool], what: str | Callable[[], str]) -> None:
    """Wait for a condition of real processes; it is looked at, because processes send no events to tests."""
    ends_at = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    while not await asyncio.to_thread(holds):
        assert asyncio.get_running_loop().time() < ends_at, (
            f"waited {PATIENCE_SECONDS} s for {what if isinstance(what, str) else what()}"
        )
        await asyncio.sleep(LOOK_SECONDS)


@dataclass(frozen=True)
class Seen:
    """What a reader was seen to do, counted since the start."""

    green: int
    red: int
    passages: int
    meals: int


def seen(site: DemoSite, reader: str) -> Seen:
    tally = site.tally
    return Seen(tally.green[reader], tally.red[reader], tally.passages[reader], tally.meals[reader])


def tails(site: DemoSite) -> str:
    return "\n".join(child.tail() for child in site.children.values())


async def enters(site: DemoSite, lane: str, holder: SeededHolder) -> None:
    """Let somebody tap at a lane and walk through; the arm must turn. A busy arm lets people try again."""
    before = seen(site, lane).passages
    for _ in range(MAX_TRIES):
        red = seen(site, lane).red
        await site.plant.order("tap", reader=lane, index=holder.index, walk_ms=400)
        await until(
            lambda red=red: seen(site, lane).passages > before or seen(site, lane).red > red,  # type: ignore[misc]
            lambda: f"an answer at {lane}; {seen(site, lane)}\n{tails(site)}",
        )
        if seen(site, lane).passages > before:
            return
        await asyncio.sleep(STEP_UP_SECONDS)
    raise AssertionError(tails(site))


async def eats(site: DemoSite, till: str, holder: SeededHolder) -> None:
    """Let somebody tap at a till; the display must wish a good meal. A reader that just came online wants two."""
    before = seen(site, till).meals
    for _ in range(MAX_TRIES):
        red = seen(site, till).red
        await site.plant.order("tap", reader=till, index=holder.index)
        await until(
            lambda red=red: seen(site, till).meals > before or seen(site, till).red > red,  # type: ignore[misc]
            lambda: f"an answer at {till}; {seen(site, till)}\n{tails(site)}",
        )
        if seen(site, till).meals > before:
            return
        await asyncio.sleep(STEP_UP_SECONDS)
    raise AssertionError(tails(site))


async def is_refused(site: DemoSite, reader: str, holder: SeededHolder) -> None:
    """Let somebody tap who must be refused: red, and nobody passes."""
    before = seen(site, reader)
    await site.plant.order("tap", reader=reader, index=holder.index)
    await until(lambda: seen(site, reader).red > before.red, f"a red lamp at {reader}")
    after = seen(site, reader)
    assert (after.passages, after.meals) == (before.passages, before.meals)


async def doctor(site: DemoSite) -> dict[str, dict[str, Any]]:
    """Run the doctor as a process of its own; return its findings that are not fine, by check."""
    environment = os.environ | {"ONECARD_DATABASE_URL": site.embedded.url, "ONECARD_DATA_DIR": str(site.folder)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", DOCTOR, env=environment, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    findings = [json.loads(line) for line in said.splitlines()]
    assert findings
    troubles = {finding["check"]: finding for finding in findings if finding["level"] == "trouble"}
    assert process.returncode == (1 if troubles else 0)
    return troubles
