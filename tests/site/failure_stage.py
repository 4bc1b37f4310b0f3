"""A stage for one failure: the simulator's site over a real PostgreSQL, and a script instead of a drawn story.

Real daemons, link, tap path and database in virtual time; what is drawn (latency, skew) comes from one seed. When the
script is over, everything must drain and every invariant of the simulator must hold.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psycopg

from reader_daemon.messages import LedColour
from server.database import psycopg_url
from server.taps.arrivals import Arrival
from tests.simulation import readers, world
from tests.simulation.backend import Holder
from tests.simulation.box import Box
from tests.simulation.chance import Chance
from tests.simulation.hosts import Trap
from tests.simulation.invariants import AT_THE_END
from tests.simulation.loop import VirtualLoop
from tests.simulation.silence import silence, unexpected_errors
from tests.simulation.story import Story
from tests.simulation.world import MakeBackend, World

SEED = 11
ANSWER_SECONDS = 20.0
"""Within this a till says yes or no, whatever is wrong."""
POWER_SECONDS = 6.0
"""After a power cut: the service manager starts the daemon, which opens its store and its line."""


class Stage(World):
    """See the module. A till is named as its reader; its box is `till-1` for `t01`."""

    url = ""

    def box(self, till: str) -> Box:
        return self.boxes[f"till-{till[-1]}"]

    def holder(self, name: str) -> Holder:
        return self._holders[name]

    async def eat(self, till: str, name: str) -> LedColour | None:
        """Hold a card to a till; returns the lamp, or None when none came."""
        answer = self.box(till).tap(till, self.holder(name).credential)
        try:
            return await asyncio.wait_for(asyncio.shield(answer), ANSWER_SECONDS)
        except TimeoutError:
            return None

    def cut_off(self, till: str) -> None:
        """Take the line away, both ways; nothing under way arrives."""
        box = self.box(till).plan.name
        self.network.block(box, up=True, down=True)
        self.lose(till, "up", "down")

    def lose(self, till: str, *ways: str) -> None:
        """Break the connection; of the named ways nothing that is under way arrives."""
        path = self.network.path(self.box(till).plan.name)
        for connection in list(path.connections):
            for way in ("up", "down"):
                pipe = getattr(connection, way)
                pipe.cut(arrives=way not in ways, noticed=True)
                pipe.hang_up()
            path.connections.remove(connection)

    def mend(self, till: str) -> None:
        """Give the line back."""
        self.network.block(self.box(till).plan.name, up=False, down=False)

    async def power_cut(self, till: str, point: str, passes: int = 1) -> None:
        """Let the box's power go at the n-th passing of a point of its work, and come back."""
        self.box(till).host.traps.append(Trap(point, passes))

    async def time_passes(self, seconds: float) -> None:
        """Let virtual time pass."""
        await asyncio.sleep(seconds)

    async def calm(self) -> None:
        """Wait until every box runs and has handed everything in."""
        waiting = await self._drained()
        assert not waiting, waiting

    def rows(self, query: str, *args: object) -> list[tuple[Any, ...]]:
        """Ask the database; `%(site)s` is this site."""
        named = {"site": self.backend.site} | {f"a{number}": value for number, value in enumerate(args)}
        with psycopg.connect(psycopg_url(self.url)) as connection:
            return connection.execute(query, named).fetchall()

    def charged(self, name: str) -> int:
        """Return how many charges of a holder are in force."""
        return int(self.rows(
            "select coalesce(sum(case when revision %% 2 = 0 then 1 else -1 end), 0) from charge"
            " where site_id = %(site)s and account_id = %(a0)s",
            self.holder(name).account,
        )[0][0])  # fmt: skip

    def balance(self, name: str) -> int:
        """Return what all purses of a holder hold."""
        query = "select sum(balance_fen) from purse where account_id = %(a0)s"
        return int(self.rows(query, self.holder(name).account)[0][0])

    def flags(self) -> list[str]:
        """Return the flags of charges, in order of posting."""
        query = "select flag from charge where site_id = %(site)s and flag <> '' order by posted_at, seq"
        return [row[0] for row in self.rows(query)]

    def findings(self) -> list[str]:
        """Return the kinds of findings, sorted."""
        query = "select kind from finding where site_id = %(site)s order by kind"
        return [row[0] for row in self.rows(query)]

    def uploads(self, till: str) -> Sequence[Arrival]:
        """Return what came from a till's box in commits, in their order."""
        device = self.box(till).identity.device
        return [
            arrival
            for batch in self.backend.log
            for arrival in getattr(batch, "arrivals", ())
            if str(arrival.device.id) == device
        ]

    async def perform(self, script: Script) -> None:
        """Start everything, play the script, let everything drain, and look at all that is left."""
        self._note_policy()
        self.server.start()
        for box in self.boxes.values():
            box.start()
        await self.calm()
        await script(self)
        self._saboteur.mend()
        await self.calm()
        for error in unexpected_errors():
            self.history.violate("unexpected", error)
        self._check(AT_THE_END, self._remains())
        assert self.history.violations == []


Script = Callable[[Stage], Awaitable[None]]


def on_stage(script: Script, make_backend: MakeBackend, url: str = "") -> Stage:
    """Play one script in a loop of its own."""
    silence()
    unexpected_errors()
    loop = VirtualLoop(Chance(SEED).stream("turns"))
    folder = Path(tempfile.mkdtemp(prefix="onecard-stage-"))
    stage: Stage | None = None
    try:
        asyncio.set_event_loop(loop)
        with patch.object(readers, "STALE_CHANCE", 0.0), patch.object(world, "HOURS", (12,)):
            stage = Stage(Story(SEED, ()), loop, make_backend, folder)
            stage.url = url
            loop.run_until_complete(stage.perform(script))
        return stage
    finally:
        loop.bury()
        asyncio.set_event_loop(None)
        loop.close()
        if stage is not None:
            stage.backend.close()
        shutil.rmtree(folder, ignore_errors=True)
