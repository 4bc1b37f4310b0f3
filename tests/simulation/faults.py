"""Carries out the faults of a story, and ends them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from tests.simulation.box import Box
from tests.simulation.hosts import Trap
from tests.simulation.network import Direction, Network, Path
from tests.simulation.rogue import Rogue
from tests.simulation.server_site import ServerSite
from tests.simulation.story import BOX_POINTS, SERVER_POINTS, Event, Fault

FLAP_SECONDS = 3.0
DAYS_OFF = timedelta(days=4)
SLOW_NET_MS = (200.0, 1_800.0)
SLOW_DISK_MS = (40.0, 400.0)
SLOW_DATABASE_MS = (100.0, 900.0)
USUAL_WORK_MS = (0.1, 2.0)
STEPS = (timedelta(minutes=-10), timedelta(minutes=10), timedelta(hours=-1), timedelta(days=365), timedelta(seconds=-2))
LOSS = 0.3
RESTORE_SECONDS = 1.0


class Saboteur:
    """Breaks things, and mends them."""

    def __init__(self, boxes: dict[str, Box], server: ServerSite, network: Network, rogue: Rogue) -> None:
        """`boxes` by name."""
        self._rogue = rogue
        self._boxes = boxes
        self._server = server
        self._network = network

    async def carry_out(self, event: Event) -> None:
        """Do one fault to its end."""
        assert isinstance(event.what, Fault)
        stream = random.Random(event.draw)
        kind = event.what
        if kind is Fault.ROGUE_BOX:
            await self._rogue.attack(stream)
        elif event.where == "server":
            await self._server_fault(kind, event.length, stream)
        elif kind in _NETWORK:
            await self._network_fault(kind, event.where, event.length)
        else:
            await self._box_fault(kind, self._boxes[event.where], event.length, stream)

    def mend(self) -> None:
        """End every fault at once; whatever is off is switched on."""
        self._network.heal()
        trouble = self._server.backend.trouble
        trouble.down, trouble.retry, trouble.unknown = False, 0.0, 0.0
        self._server.host.traps.clear()
        self._server.host.work_ms = USUAL_WORK_MS
        self._server.start()
        for box in self._boxes.values():
            box.disk.full = box.disk.failing = 0.0
            box.host.work_ms = USUAL_WORK_MS
            box.host.traps.clear()
            box.held_back = False
            if box.port is not None:
                box.port.slow_ms = 0.0
            box.start()

    # --- boxes --------------------------------------------------------------------------------------------------

    async def _box_fault(self, kind: Fault, box: Box, length: float, stream: random.Random) -> None:
        match kind:
            case Fault.KILL_BOX:
                await self._off(box, length, power=False)
            case Fault.POWER_CUT_BOX:
                await self._off(box, length, power=True)
            case Fault.TRAP_BOX:
                box.host.traps.append(Trap(stream.choice(BOX_POINTS), stream.randint(1, 12)))
            case Fault.BOX_OFF_FOR_DAYS:
                self._network.block(box.plan.name, up=True, down=True)
                await self._off(box, 1.0, power=True, meanwhile=lambda: self._days_later(box))
                await asyncio.sleep(length)
                self._network.block(box.plan.name, up=False, down=False)
            case Fault.WIPE_BOX:
                await self._off(box, length, power=True, meanwhile=box.wipe)
            case Fault.COPY_BOX:
                await self._off(box, length, power=False, meanwhile=box.move)
            case Fault.IMAGE_BOX:
                image = box.disk.image()
                await asyncio.sleep(length)
                await self._off(box, 1.0, power=True, meanwhile=lambda: box.put_back(image))
            case Fault.CLOCK_STEP:
                box.host.skew += stream.choice(STEPS)
                self._network.disturb(box.plan.name)
            case Fault.CLOCK_DEAD:
                box.host.skew += datetime(1970, 1, 1, tzinfo=UTC) - box.host.now()
                self._network.disturb(box.plan.name)
            case Fault.SLOW_READER if box.port is not None:
                box.port.slow_ms = stream.uniform(200, 3_000)
                port = box.port
                await asyncio.sleep(length)
                port.slow_ms = 0.0
            case _:
                await self._disk_fault(kind, box, length)

    async def _disk_fault(self, kind: Fault, box: Box, length: float) -> None:
        match kind:
            case Fault.DISK_FULL:
                box.disk.full = 0.5
            case Fault.DISK_FAILS:
                box.disk.failing = 0.3
            case Fault.DISK_SLOW:
                box.host.work_ms = SLOW_DISK_MS
            case _:
                return
        for _ in range(max(1, int(length))):
            box.disturbed_seconds = box.host.loop.time() + 1.0
            await asyncio.sleep(1.0)
        box.disk.full = box.disk.failing = 0.0
        box.host.work_ms = USUAL_WORK_MS

    @staticmethod
    async def _off(box: Box, length: float, *, power: bool, meanwhile: Callable[[], None] = lambda: None) -> None:
        box.held_back = True
        box.kill(power=power)
        meanwhile()
        await asyncio.sleep(length)
        box.held_back = False
        box.start()

    @staticmethod
    def _days_later(box: Box) -> None:
        box.host.skew += DAYS_OFF
        box.off_for_days_seconds = box.host.loop.time()

    # --- server and database ------------------------------------------------------------------------------------

    async def _server_fault(self, kind: Fault, length: float, stream: random.Random) -> None:
        server, trouble = self._server, self._server.backend.trouble
        match kind:
            case Fault.KILL_SERVER | Fault.POWER_CUT_SERVER:
                server.kill(power=kind is Fault.POWER_CUT_SERVER)
                await asyncio.sleep(length)
                server.start()
            case Fault.TRAP_SERVER:
                server.host.traps.append(Trap(stream.choice(SERVER_POINTS), stream.randint(1, 20)))
            case Fault.RESTORE_SERVER:
                server.backend.back_up()
                changes = len(server.history.card_changes)
                await asyncio.sleep(length)
                server.kill(power=False)
                if server.backend.restore():
                    server.restored()
                    del server.history.card_changes[changes:]
                await asyncio.sleep(RESTORE_SECONDS)
                server.start()
            case Fault.DATABASE_DOWN:
                trouble.down = True
                await self._disturbing(length)
                trouble.down = False
            case Fault.DATABASE_SLOW:
                server.host.work_ms = SLOW_DATABASE_MS
                await self._disturbing(length)
                server.host.work_ms = USUAL_WORK_MS
            case Fault.DATABASE_RACES:
                trouble.retry = 0.3
                await asyncio.sleep(length)
                trouble.retry = 0.0
            case Fault.COMMIT_UNKNOWN:
                trouble.unknown = 0.3
                await asyncio.sleep(length)
                trouble.unknown = 0.0
            case _:
                raise AssertionError(kind)

    async def _disturbing(self, length: float) -> None:
        """Wait, while no link can be called sound."""
        end = self._network.loop.time() + length
        while self._network.loop.time() < end:
            for name in self._network.paths:
                self._network.disturb(name)
            await asyncio.sleep(0.5)
        for name in self._network.paths:
            self._network.disturb(name)

    # --- network ------------------------------------------------------------------------------------------------

    async def _network_fault(self, kind: Fault, name: str, length: float) -> None:
        network, path = self._network, self._network.path(name)
        match kind:
            case Fault.CUT:
                network.cut(name)
            case Fault.HALF_OPEN:
                network.cut(name, unaware="server")
            case Fault.FLAPPING:
                end = network.loop.time() + length
                while network.loop.time() < end:
                    network.block(name, up=True, down=True)
                    await asyncio.sleep(FLAP_SECONDS / 2)
                    network.block(name, up=False, down=False)
                    await asyncio.sleep(FLAP_SECONDS / 2)
            case Fault.LOSSY | Fault.SLOW_NET:
                await self._poor(kind, path, length)
            case _:
                up, down = kind is not Fault.ONE_WAY_DOWN, kind is not Fault.ONE_WAY_UP
                network.block(name, up=up, down=down)
                await asyncio.sleep(length)
                network.block(name, up=False, down=False)

    async def _poor(self, kind: Fault, path: Path, length: float) -> None:
        self._network.disturb(path.name)
        for way in (path.up, path.down):
            if kind is Fault.LOSSY:
                way.loss = LOSS
            else:
                way.latency_ms = SLOW_NET_MS
        await asyncio.sleep(length)
        for way in (path.up, path.down):
            way.loss, way.latency_ms = 0.0, Direction().latency_ms
        self._network.disturb(path.name)


_NETWORK = frozenset(
    {
        Fault.CUT,
        Fault.HALF_OPEN,
        Fault.PARTITION,
        Fault.ONE_WAY_UP,
        Fault.ONE_WAY_DOWN,
        Fault.FLAPPING,
        Fault.LOSSY,
        Fault.SLOW_NET,
    }
)
