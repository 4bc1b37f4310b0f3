"""A TCP proxy between daemons and server that a test can make fail: cut, one-way, slow, silent, or a portal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import Enum, auto

PORTAL = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 30\r\nConnection: close\r\n\r\n"
    b"<html>Please sign in</html>\r\n\r"
)
PIECE_BYTES = 65_536


class Mode(Enum):
    """What happens to connections."""

    PASS = auto()
    CUT = auto()
    """Open ones are reset, new ones refused at once."""
    SILENT = auto()
    """New ones are accepted and never answered."""
    PORTAL = auto()
    """New ones get a page with status 200, whatever they asked."""


class LinkProxy:
    """One listening port before one server; `target` may be changed while it runs."""

    def __init__(self, port: int, target: int) -> None:
        self.port, self.target = port, target
        self.mode = Mode.PASS
        self.delay_seconds = 0.0
        self.up, self.down = asyncio.Event(), asyncio.Event()
        """Set while bytes flow to the server, and to the daemons: a cleared one is a line that is dead one way."""
        self.up.set()
        self.down.set()
        self.accepted = 0
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def become(self, mode: Mode) -> None:
        """Change what happens; whatever is open ends."""
        self.mode = mode
        for writer in tuple(self._open):
            writer.transport.abort()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Serve for the body."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        try:
            yield
        finally:
            server.close()
            self.become(Mode.CUT)
            for task in tuple(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._open.add(writer)
        try:
            with suppress(OSError):  # a line that breaks is what this is for
                await self._serve(reader, writer)
        finally:
            self._open.discard(writer)
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        match self.mode:
            case Mode.CUT:
                return
            case Mode.SILENT:
                await reader.read()
            case Mode.PORTAL:
                await reader.read(PIECE_BYTES)
                writer.write(PORTAL)
                await writer.drain()
            case Mode.PASS:
                await self._join(reader, writer)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        self._open.add(far_writer)
        pumps = [
            asyncio.ensure_future(self._pump(reader, far_writer, self.up)),
            asyncio.ensure_future(self._pump(far_reader, writer, self.down)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            self._open.discard(far_writer)
            far_writer.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, flows: asyncio.Event) -> None:
        with suppress(OSError):
            while piece := await source.read(PIECE_BYTES):
                await flows.wait()
                if self.delay_seconds:
                    await asyncio.sleep(self.delay_seconds)
                sink.write(piece)
                await sink.drain()
