"""A receiver of webhooks on loopback, with sockets of its own: it notes what came and answers as it is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Heard:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def number(self) -> int | None:
        number: int | None = json.loads(self.body)["number"]
        return number

    @property
    def data(self) -> Any:  # noqa: ANN401 - whatever JSON holds
        return json.loads(self.body)["data"]


@dataclass(slots=True)
class Receiver:
    """`answers` are taken one by one, the last one stays: a status with headers, `silent` or `lost`."""

    port: int = 0
    answers: list[bytes] = field(default_factory=lambda: [b"204 No Content\r\n"])
    heard: list[Heard] = field(default_factory=list)
    released: asyncio.Event = field(default_factory=asyncio.Event)
    """Ends the silence of `silent` answers."""
    came: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def numbers(self) -> list[int | None]:
        return [one.number for one in self.heard]

    async def attend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                headers = {
                    name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)
                }
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                self.heard.append(Heard(head[0].split(" ")[1], headers, body))
                self.came.set()
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                if answer == b"lost":
                    return
                if answer == b"silent":
                    await self.released.wait()
                    return
                writer.write(b"HTTP/1.1 " + answer + b"content-length: 0\r\n\r\n")
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """Yield a receiver that listens on a free port of loopback."""
    receiver = Receiver()
    server = await asyncio.start_server(receiver.attend, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        receiver.released.set()
        server.close()
        await server.wait_closed()
