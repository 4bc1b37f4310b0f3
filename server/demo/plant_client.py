"""Talks to the mock devices' control socket: orders as JSON lines, happenings as they come."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

CONNECT_TRIES = 150
CONNECT_PAUSE_SECONDS = 0.1
ANSWER_SECONDS = 5.0
MAX_LINE_BYTES = 1_048_576

Happened = Callable[[dict[str, Any]], None]


class PlantError(RuntimeError):
    """The plant refused an order or is gone."""


class PlantClient:
    """One connection to the plant."""

    def __init__(self, socket: Path, happened: Happened) -> None:
        """Take the socket's path and who hears of what happens."""
        self._socket = socket
        self._happened = happened
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._listening: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        """Connect, waiting for a plant that is still starting, and subscribe to everything."""
        for _ in range(CONNECT_TRIES):
            try:
                reader, self._writer = await asyncio.open_unix_connection(str(self._socket), limit=MAX_LINE_BYTES)
                break
            except OSError:
                await asyncio.sleep(CONNECT_PAUSE_SECONDS)
        else:
            msg = f"no plant answers at {self._socket}"
            raise PlantError(msg)
        self._listening = asyncio.create_task(self._listen(reader), name="plant-events")
        await self.order("subscribe")

    async def order(self, what: str, **fields: object) -> dict[str, Any]:
        """Give an order and return its answer. Raises PlantError with the plant's own words."""
        if self._writer is None:
            msg = "not connected to the plant"
            raise PlantError(msg)
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        self._writer.write(json.dumps({"id": number, "do": what, **fields}).encode() + b"\n")
        try:
            document: dict[str, Any] = await asyncio.wait_for(answer, ANSWER_SECONDS)
        except TimeoutError:
            msg = f"the plant did not answer {what} within {ANSWER_SECONDS} s"
            raise PlantError(msg) from None
        finally:
            self._answers.pop(number, None)
        if not document.get("ok"):
            msg = f"the plant refused {what}: {document.get('error')}"
            raise PlantError(msg)
        return document

    async def close(self) -> None:
        """Close the connection."""
        if self._listening is not None:
            self._listening.cancel()
        if self._writer is not None:
            self._writer.close()

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            document = json.loads(line)
            if "event" in document:
                self._happened(document)
                continue
            answer = self._answers.get(document.get("id"))
            if answer is not None and not answer.done():
                answer.set_result(document)
