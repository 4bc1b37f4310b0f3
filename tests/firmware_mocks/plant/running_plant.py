"""A plant running inside a test's event loop, with a client at its control socket."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from firmware_mocks.plant.control import PlantControl
from firmware_mocks.plant.plant import Plant
from firmware_mocks.plant.plant_file import PlantFile, ReaderEntry, ReaderKind, ScannerEntry

KEYS = {name: bytes([number]) * 8 + bytes(range(8)) for number, name in enumerate(("g01", "g02", "t01"), start=1)}
DEADLINE_SECONDS = 20.0


def small_plant(folder: Path, readers: Sequence[ReaderEntry] | None = None) -> PlantFile:
    """Return two lanes on one bus, a till and a scanner."""
    if readers is None:
        readers = (
            ReaderEntry("g01", "gate1", 0, ReaderKind.TURNSTILE, KEYS["g01"]),
            ReaderEntry("g02", "gate1", 1, ReaderKind.TURNSTILE, KEYS["g02"]),
            ReaderEntry("t01", "till1", 0, ReaderKind.TILL, KEYS["t01"]),
        )
    return PlantFile(folder / "c", folder, tuple(readers), (ScannerEntry("r01-qr", "r01-qr"),), cards=3_837)


class Client:
    """One connection to the control socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.events: list[dict[str, Any]] = []
        self._next_id = 0

    async def line(self) -> dict[str, Any]:
        """Return the next line, answer or event."""
        raw = await asyncio.wait_for(self.reader.readline(), DEADLINE_SECONDS)
        assert raw, "the plant closed the connection"
        document = json.loads(raw)
        assert isinstance(document, dict)
        return document

    async def do(self, order: str, **fields: object) -> dict[str, Any]:
        """Send an order and return its answer; events met on the way are kept."""
        self._next_id += 1
        self.writer.write(json.dumps({"id": self._next_id, "do": order, **fields}).encode() + b"\n")
        while True:
            document = await self.line()
            if "event" not in document:
                assert document["id"] == self._next_id
                return document
            self.events.append(document)

    async def event(self, kind: str, **wanted: object) -> dict[str, Any]:
        """Return the next event of that kind with those fields, waiting for it."""
        while True:
            for number, document in enumerate(self.events):
                if document["event"] == kind and wanted.items() <= document.items():
                    return self.events.pop(number)
            self.events.append(await self.line())


@asynccontextmanager
async def running(plant_file: PlantFile) -> AsyncIterator[tuple[Plant, PlantControl]]:
    """Run a plant with seeded randomness until the block ends."""
    plant = Plant(plant_file, random.Random(1).randbytes)
    control = PlantControl(plant, plant_file.control)
    await control.start()
    plant.start()
    try:
        yield plant, control
    finally:
        plant.stop()
        await control.stop()


@asynccontextmanager
async def connected(path: Path) -> AsyncIterator[Client]:
    """Connect a client."""
    reader, writer = await asyncio.open_unix_connection(str(path))
    try:
        yield Client(reader, writer)
    finally:
        writer.close()
