"""The daemon's own bus thread on the plant's pseudo terminals: tap, pulse, passage, a cut and a pulled adapter."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TypeVar

import pytest_asyncio

from firmware_mocks.plant.cards import credential
from reader_daemon.messages import (
    Beep,
    CardRead,
    CommandFinished,
    CommandResult,
    InputChanged,
    PortEvent,
    PortLost,
    PortReopened,
    Pulse,
    ReaderStatus,
    Show,
)
from reader_daemon.protocols.osdp.settings import ReaderSettings
from reader_daemon.system import SystemClock, SystemIds
from reader_daemon.transports.osdp_bus import BusSettings, OsdpBus
from tests.firmware_mocks.plant.running_plant import KEYS, Client, connected, running, small_plant

Wanted = TypeVar("Wanted")
CLOCK = SystemClock()


class Daemon:
    """The bus with its events in a queue."""

    def __init__(self, path: Path) -> None:
        self._events: queue.Queue[PortEvent] = queue.Queue()
        readers = (ReaderSettings("g01", 0, KEYS["g01"]), ReaderSettings("g02", 1, KEYS["g02"]))
        self.bus = OsdpBus(BusSettings("gate1", str(path), readers), self._events.put, CLOCK, SystemIds(CLOCK))

    async def event(self, kind: type[Wanted]) -> Wanted:
        """Wait for the next event of a kind."""
        while True:
            event = await asyncio.to_thread(self._events.get, timeout=20)
            if isinstance(event, kind):
                return event

    async def secure(self, *names: str) -> None:
        """Wait until these readers are secure."""
        left = set(names)
        while left:
            status = await self.event(ReaderStatus)
            if status.secure:
                left.discard(status.reader)


@pytest_asyncio.fixture
async def site(short_tmp: Path) -> AsyncIterator[tuple[Daemon, Client]]:
    """Return a running daemon bus whose readers are secure, and a client at the plant's control socket."""
    async with running(small_plant(short_tmp / "bus")) as (plant, _), connected(plant.file.control) as client:
        await client.do("subscribe")
        daemon = Daemon(plant.file.port_path("gate1"))
        daemon.bus.start()
        try:
            await daemon.secure("g01", "g02")
            yield daemon, client
        finally:
            await asyncio.to_thread(daemon.bus.stop)


async def test_a_tap_opens_the_lane_and_the_passage_comes_back(site: tuple[Daemon, Client]) -> None:
    daemon, client = site
    await client.do("tap", reader="g02", index=42, walk_ms=50)
    read = await daemon.event(CardRead)
    assert (read.reader, read.credential) == ("g02", credential(42))
    deadline_ms = CLOCK.monotonic_ms() + 1_000
    for action in (Pulse(0, 300), Show("WELCOME"), Beep(100)):
        daemon.bus.submit("g02", action, deadline_ms)
    results = [(await daemon.event(CommandFinished)).result for _ in range(3)]
    assert results == [CommandResult.DONE] * 3
    assert (await client.event("text", device="g02"))["text"] == "WELCOME"
    assert (await client.event("passage", device="g02"))["forced"] is False
    edge = await daemon.event(InputChanged)
    while (edge.input_number, edge.active) != (0, False):
        edge = await daemon.event(InputChanged)
    assert edge.reader == "g02"


async def test_a_short_cut_keeps_the_tap(site: tuple[Daemon, Client]) -> None:
    daemon, client = site
    await client.do("cut", bus="gate1", seconds=60)
    await client.do("tap", reader="g01", index=7)
    await client.do("cut", bus="gate1", seconds=0)
    assert (await daemon.event(CardRead)).credential == credential(7)


async def test_a_pulled_adapter_is_lost_and_found_under_its_path(site: tuple[Daemon, Client]) -> None:
    daemon, client = site
    await client.do("unplug", bus="gate1", seconds=0.2)
    await daemon.event(PortLost)
    await daemon.event(PortReopened)
    await daemon.secure("g01", "g02")
    await client.do("tap", reader="g01", index=9)
    assert (await daemon.event(CardRead)).credential == credential(9)
