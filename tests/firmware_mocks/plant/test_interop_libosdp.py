"""An independent control panel (the libosdp wheel) works with our readers over the plant's pseudo terminals.

Its stock timing parks a reader for 300 s after a failure, so nothing here makes it fail.
"""

from __future__ import annotations

import asyncio
import os
import queue
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import osdp
import pytest_asyncio

from firmware_mocks.plant.cards import card_number
from firmware_mocks.plant.plant import Plant
from tests.firmware_mocks.plant.running_plant import KEYS, Client, connected, running, small_plant

FLAGS = [osdp.LibFlag.EnforceSecure, osdp.LibFlag.EnableNotification]


class PtyChannel(osdp.Channel):  # type: ignore[misc]  # the wheel carries no types
    """The wheel's view of a serial port."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.handle = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)

    def read(self, max_bytes: int) -> bytes:
        try:
            return os.read(self.handle, max_bytes)
        except BlockingIOError:
            return b""

    def write(self, buf: bytes) -> int:
        return os.write(self.handle, buf)

    def flush(self) -> None:
        """Leave what is on the line."""


class Panel:
    """The wheel's control panel with its events in a queue."""

    def __init__(self, path: Path, keys: dict[int, bytes]) -> None:
        self.channel = PtyChannel(path)
        self.events: queue.Queue[tuple[int, dict[str, Any]]] = queue.Queue()
        infos = [osdp.PDInfo(address, self.channel, scbk=key, flags=FLAGS) for address, key in keys.items()]
        self.panel = osdp.ControlPanel(infos, log_level=osdp.LogLevel.Emergency, event_handler=self._event)
        self.panel.start()

    def _event(self, index: int, event: dict[str, Any]) -> int:
        self.events.put((index, event))
        return 0

    def event(self, kind: int) -> tuple[int, dict[str, Any]]:
        """Wait for the next event of a kind."""
        while True:
            index, event = self.events.get(timeout=20)
            if event["event"] == kind:
                return index, event


@contextmanager
def a_panel(path: Path, keys: dict[int, bytes]) -> Iterator[Panel]:
    panel = Panel(path, keys)
    try:
        yield panel
    finally:
        panel.panel.teardown()
        os.close(panel.channel.handle)


@pytest_asyncio.fixture
async def plant(short_tmp: Path) -> AsyncIterator[Plant]:
    async with running(small_plant(short_tmp / "interop")) as (running_plant, _):
        yield running_plant


@pytest_asyncio.fixture
async def client(plant: Plant) -> AsyncIterator[Client]:
    async with connected(plant.file.control) as open_client:
        await open_client.do("subscribe")
        yield open_client


async def test_two_lanes_of_one_bus_from_tap_to_passage(plant: Plant, client: Client) -> None:
    with a_panel(plant.file.port_path("gate1"), {0: KEYS["g01"], 1: KEYS["g02"]}) as panel:
        for name in ("g01", "g02"):
            await client.event("online", device=name, secure=True)
        answer = await client.do("tap", reader="g02", index=7, walk_ms=100)
        assert answer["ok"]
        index, event = await asyncio.to_thread(panel.event, osdp.Event.CardRead)
        bits, digits = card_number(7)
        assert index == 1
        assert (event["length"], bytes(event["data"]).hex()) == (bits, digits)
        pulse = {"command": osdp.Command.Output, "output_no": 0, "control_code": 5, "timer_count": 3}
        assert await asyncio.to_thread(panel.panel.submit_command, 1, pulse)
        assert (await client.event("pulse", device="g02"))["after_tap_ms"] >= 0
        assert (await client.event("passage", device="g02"))["forced"] is False
        await client.event("output", device="g02", on=False)
        states: list[int] = []
        while states != [1, 1, 1, 0] or not await _has_passed(plant):
            _, event = await asyncio.to_thread(panel.event, osdp.Event.Status)
            states = list(event["report"])
    turnstile = plant.station("g02").turnstile
    assert turnstile is not None
    assert (turnstile.counters.pulses, turnstile.counters.passages) == (1, 1)


async def _has_passed(plant: Plant) -> bool:
    turnstile = plant.station("g02").turnstile
    return turnstile is not None and turnstile.counters.passages == 1


async def test_a_till_shows_beeps_and_takes_keys(plant: Plant, client: Client) -> None:
    with a_panel(plant.file.port_path("till1"), {0: KEYS["t01"]}) as panel:
        await client.event("online", device="t01", secure=True)
        await client.do("keys", reader="t01", keys="12#")
        _, event = await asyncio.to_thread(panel.event, osdp.Event.KeyPress)
        assert bytes(event["data"]) == b"12\x0d"
        text = {
            "command": osdp.Command.Text,
            "reader": 0,
            "control_code": 1,
            "temp_time": 0,
            "offset_row": 1,
            "offset_col": 1,
            "data": "LUNCH 5.00",
        }
        assert await asyncio.to_thread(panel.panel.submit_command, 0, text)
        assert (await client.event("text", device="t01"))["text"] == "LUNCH 5.00"
        beep = {
            "command": osdp.Command.Buzzer,
            "reader": 0,
            "control_code": 2,
            "on_count": 1,
            "off_count": 1,
            "rep_count": 2,
        }
        assert await asyncio.to_thread(panel.panel.submit_command, 0, beep)
        assert (await client.event("beep", device="t01"))["count"] == 2


async def test_a_panel_with_another_key_gets_no_session(plant: Plant, client: Client) -> None:
    await client.do("wrong_key", reader="t01")
    with a_panel(plant.file.port_path("till1"), {0: KEYS["t01"]}):
        await client.event("online", device="t01", online=True)
        reader = plant.station("t01").reader
        deadline = asyncio.get_running_loop().time() + 10
        while reader.counters.frames < 3:  # ID, CAP, CHLNG; the wheel says nothing to a wrong cryptogram
            assert asyncio.get_running_loop().time() < deadline, reader.counters
            await asyncio.sleep(0.02)
        assert not reader.is_secure
        assert reader.counters.sessions == 0
