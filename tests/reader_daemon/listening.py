"""The fake server behind a real WebSocket on a free port of localhost."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from reader_daemon.uplink.connection import LinkClosedError
from reader_daemon.uplink.websocket import SUBPROTOCOL
from tests.reader_daemon.fake_server import FakeServer


class SocketWire:
    """The server's end of a WebSocket as the fake server wants it."""

    def __init__(self, socket: ServerConnection) -> None:
        self._socket = socket

    async def send(self, frame: bytes) -> None:
        try:
            await self._socket.send(frame)
        except ConnectionClosed as error:
            raise LinkClosedError(str(error)) from error

    async def receive(self) -> bytes:
        try:
            frame = await self._socket.recv()
        except ConnectionClosed as error:
            raise LinkClosedError(str(error)) from error
        assert isinstance(frame, bytes)
        return frame

    async def close(self) -> None:
        await self._socket.close()


@contextlib.asynccontextmanager
async def listening(server: FakeServer) -> AsyncIterator[str]:
    async def handler(socket: ServerConnection) -> None:
        assert socket.request is not None
        assert socket.request.path == "/device/link"
        await server.session(SocketWire(socket))

    async with serve(handler, "127.0.0.1", 0, subprotocols=[SUBPROTOCOL]) as listener:
        port = next(iter(listener.sockets)).getsockname()[1]
        yield f"ws://127.0.0.1:{port}"
