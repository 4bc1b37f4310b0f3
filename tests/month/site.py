"""The reference site in virtual time: real daemons at its four tills, the real link, tap path and PostgreSQL.

Everything is switched off between meals, so that hours without guests cost nothing; the journals on the boxes' disks
and the database outlive that. `tests.simulation` gives hosts, disks, network and readers.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from cardcore.access.items import Product
from cardcore.ids import CredentialKey, TillId
from reader_daemon.messages import KeysPressed, LedColour
from server.canteen.charging import TillCharging, set_till_charging
from server.database import Database, psycopg_url
from server.secrets_file import secrets_from
from server.seed.card_list import SeedCard
from server.seed.service import SeededHolder, seed_reference_site
from server.system import System
from server.taps.arrivals import Arrival, Receipt
from tests.simulation.backend import Trouble
from tests.simulation.box import Box, BoxPlan
from tests.simulation.chance import Chance, DrawnIds
from tests.simulation.history import History
from tests.simulation.hosts import Host
from tests.simulation.loop import VirtualLoop
from tests.simulation.network import Network
from tests.simulation.postgres_backend import PostgresBackend, TroubledDatabase
from tests.simulation.server_site import ServerSite

BOXES = (BoxPlan("tills-1", tills=("t01", "t02")), BoxPlan("tills-2", tills=("t03", "t04")))
TILLS = tuple(till for box in BOXES for till in box.tills)
KEYED_TILL = "t04"
ANSWER_SECONDS = 20.0
BETWEEN_TAPS_SECONDS = 4.0
"""Longer than the guard against a repeated tap."""
DRAIN_SECONDS = 300.0
TO_YESTERDAY = timedelta(hours=8 - 4 - 24)
"""From UTC to the business day before the running one: site time, begun at four."""
PRODUCTS = (Product.COMBINED, Product.COMBINED, Product.CANTEEN_ONLY, Product.GATE_ONLY)


class MonthBackend(PostgresBackend):
    """The seeded reference site instead of the simulator's small one."""

    def __init__(self, url: str, system: System, stream: random.Random, cards: int) -> None:
        self._url = url
        self._system = system
        self._slug = "reference"
        self.trouble = Trouble(stream)
        self._database, self._admin = TroubledDatabase(url, self.trouble), Database(url)
        self._secrets = secrets_from(system.ids.random_bytes(32), system.ids)
        self._open = []
        self.key = self._secrets.identity
        self.log = []
        listed = [SeedCard(n, PRODUCTS[n % len(PRODUCTS)], CredentialKey(f"uid:{n:08x}")) for n in range(cards)]
        seeded = seed_reference_site(self._admin, system, listed, seed=3)
        self.site = seeded.site_id
        self.people: tuple[SeededHolder, ...] = tuple(one for one in seeded.holders if one.account is not None)
        self.identities = {box.name: self._enrol(box) for box in BOXES}
        keyed = TillCharging(mode="keyed")
        problem = self._admin.write(
            lambda session: set_till_charging(session, system, self.site, TillId(KEYED_TILL), keyed, "test")
        )
        assert problem is None, problem

    def log_batch(self, at: datetime, arrivals: Sequence[Arrival], receipts: Sequence[Receipt | None]) -> None:
        """Keep nothing: nobody replays a month."""

    @property
    def database(self) -> Database:
        """The site's database, for services that people call."""
        return self._admin

    def close(self) -> None:
        self.process_died()
        self._database.close()
        self._admin.close()


class MonthBox(Box):
    """A box that looks for its green lamps on the wire only: looking through a month's journal each time is slow."""

    def charged(self, reader: str) -> None:
        """Count a meal that is given away."""
        self.history.reach("meal")


@dataclass(slots=True)
class Counted:
    """What stood at the tills: what people saw there, not what the books say."""

    served: int = 0
    refused: int = 0
    undone: int = 0
    unanswered: int = 0


class MonthSite:
    """Hosts, boxes and server; `day` and hours are those of the site."""

    def __init__(self, url: str, loop: VirtualLoop, begins: datetime, cards: int, folder: Path) -> None:
        chance = Chance(5)
        self.loop = loop
        self.url = url
        self.begins = begins
        self.history = History(loop)
        self.host = Host("server", loop, chance.stream("server"), begins)
        self.system = System(self.host, DrawnIds(self.host, chance.stream("admin"), b""))
        self.backend = MonthBackend(url, self.system, chance.stream("trouble"), cards)
        self.network = Network(loop, chance.stream("network"), self)
        self.server = ServerSite(self.host, self.network, self.backend, self.history, b"m")
        self.counted = Counted()
        self.dark: set[str] = set()
        """Boxes whose line is cut."""
        self.boxes: dict[str, MonthBox] = {}
        for plan in BOXES:
            host = Host(plan.name, loop, chance.stream(plan.name), begins)
            identity = self.backend.identities[plan.name]
            self.boxes[plan.name] = MonthBox(plan, identity, host, self.network, folder / plan.name, self.history)
        self.box_of = {till: self.boxes[box.name] for box in BOXES for till in box.tills}

    def arrived(self, daemon: str, direction: str, frame: bytes) -> None:
        """See `tests.simulation.network.FrameTap`."""
        self.server.arrived(daemon, direction, frame)

    # --- power --------------------------------------------------------------------------------------------------

    async def lights_on(self, at: datetime) -> None:
        """Sleep until an instant, switch everything on, and let the boxes hand in what they have."""
        await asyncio.sleep(max(0.0, (at - self.host.true_now()).total_seconds()))
        self.loop.steps = 0
        self.server.start()
        for box in self.boxes.values():
            box.start()
        await self.drained()

    async def until(self, at: datetime) -> None:
        """Let time pass until an instant."""
        await asyncio.sleep(max(0.0, (at - self.host.true_now()).total_seconds()))
        self.loop.steps = 0

    def lights_off(self) -> None:
        """Switch everything off."""
        for box in self.boxes.values():
            box.held_back = True
            box.kill(power=False)
            box.held_back = False
        self.server.kill(power=False)
        self.history.lines.clear()

    async def drained(self) -> None:
        """Wait until every box that has a line has handed everything in."""
        end = self.loop.time() + DRAIN_SECONDS
        while any(self._waits(box) for box in self.boxes.values()):
            assert self.loop.time() < end, "the boxes do not hand in their records"
            await asyncio.sleep(0.5)

    def _waits(self, box: MonthBox) -> bool:
        daemon = box.daemon
        if daemon is None or box.port is None or not box.port.started:
            return True
        if box.plan.name in self.dark:
            return False
        return not daemon.uplink.open or bool(daemon.journal.pending) or not self._stated(box)

    def _stated(self, box: MonthBox) -> bool:
        """Tell whether the box has stated its tills' totals of yesterday."""
        assert box.daemon is not None
        through = box.daemon.journal.stated_through
        return through is not None and through >= (self.host.now() + TO_YESTERDAY).date()

    def cut(self, *boxes: str) -> None:
        """Take lines away."""
        for name in boxes:
            self.dark.add(name)
            self.network.cut(name)
            self.network.block(name, up=True, down=True)

    def mend(self, *boxes: str) -> None:
        """Give lines back."""
        for name in boxes:
            self.dark.discard(name)
            self.network.block(name, up=False, down=False)

    # --- meals --------------------------------------------------------------------------------------------------

    async def serve(self, guests: Iterable[SeededHolder], keyed: str = "10#") -> None:
        """Let guests queue at the four tills and eat, one after the other at each."""
        queue = list(guests)
        lines = [queue[number :: len(TILLS)] for number in range(len(TILLS))]
        await asyncio.gather(*(self._line(till, line, keyed) for till, line in zip(TILLS, lines, strict=True)))

    async def _line(self, till: str, guests: Sequence[SeededHolder], keyed: str) -> None:
        for guest in guests:
            await self.eat(till, guest, keyed)
            await asyncio.sleep(BETWEEN_TAPS_SECONDS)

    async def eat(self, till: str, guest: SeededHolder, keyed: str = "10#") -> LedColour | None:
        """Let one guest hold the card to a till."""
        if till == KEYED_TILL:
            self.press(till, keyed)
        answer = self.box_of[till].tap(till, guest.credential)
        try:
            lamp = await asyncio.wait_for(asyncio.shield(answer), ANSWER_SECONDS)
        except TimeoutError:
            self.counted.unanswered += 1
            return None
        if lamp is LedColour.GREEN:
            self.counted.served += 1
        else:
            self.counted.refused += 1
        return lamp

    async def undo(self, till: str, guest: SeededHolder) -> None:
        """Let the cashier take the last charge back, with the card that was charged."""
        self.press(till, "*0#")
        await asyncio.sleep(BETWEEN_TAPS_SECONDS)
        answer = self.box_of[till].tap(till, guest.credential)
        await asyncio.wait_for(asyncio.shield(answer), ANSWER_SECONDS)
        self.counted.undone += 1

    def press(self, till: str, keys: str) -> None:
        """Press keys at a till's reader."""
        box = self.box_of[till]
        assert box.port is not None
        box.port._sink(KeysPressed(till, keys, box.host.now(), box.host.monotonic_ms()))

    def rows(self, query: str, **values: object) -> list[tuple[Any, ...]]:
        """Ask the database; `%(site)s` is the site."""
        with psycopg.connect(psycopg_url(self.url)) as connection:
            return connection.execute(query, {"site": self.backend.site, **values}).fetchall()
