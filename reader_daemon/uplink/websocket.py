"""The real transport: a WebSocket, binary frames, subprotocol `onecard.v1`. The only importer of `websockets`."""

from __future__ import annotations

import ssl
from pathlib import Path

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from cardcore.wire.messages import MAX_FRAME_BYTES
from reader_daemon.uplink.connection import LinkClosedError

SUBPROTOCOL = Subprotocol("onecard.v1")
LINK_PATH = "/device/link"
OPEN_SECONDS = 5.0
CLOSE_SECONDS = 2.0
LARGEST_READ_BYTES = 4 * MAX_FRAME_BYTES
"""A frame above the limit is counted as bad up to here; beyond, the connection is given up unread."""
FRAMES_AHEAD = 16


class WebSocketConnector:
    """Connects to `{base_url}/device/link`. `ca_file` is a PEM of the site's own authority."""

    def __init__(self, base_url: str, ca_file: Path | None = None) -> None:
        """Take `ws://` or `wss://`, host and port, without the path of the link."""
        self._url = base_url.rstrip("/") + LINK_PATH
        secure = base_url.startswith("wss:")
        self._tls = ssl.create_default_context(cafile=ca_file) if secure else None

    async def connect(self) -> WebSocketConnection:
        """See `Connector`."""
        try:
            socket = await connect(
                self._url,
                ssl=self._tls,
                subprotocols=[SUBPROTOCOL],
                max_size=LARGEST_READ_BYTES,
                max_queue=FRAMES_AHEAD,
                compression=None,
                ping_interval=None,  # the link has pings of its own, which also measure the clock
                open_timeout=OPEN_SECONDS,
                close_timeout=CLOSE_SECONDS,
                proxy=None,
            )
        except (OSError, WebSocketException, TimeoutError) as error:
            raise LinkClosedError(str(error) or type(error).__name__) from error
        if socket.subprotocol != SUBPROTOCOL:
            await socket.close()
            msg = f"what answers at {self._url} does not speak {SUBPROTOCOL}"
            raise LinkClosedError(msg)
        return WebSocketConnection(socket)


class WebSocketConnection:
    """One open WebSocket as a `Connection`."""

    def __init__(self, socket: ClientConnection) -> None:
        """Own an open socket."""
        self._socket = socket

    async def send(self, frame: bytes) -> None:
        """See `Connection`."""
        try:
            await self._socket.send(frame)
        except (OSError, WebSocketException) as error:
            raise LinkClosedError(str(error)) from error

    async def receive(self) -> bytes:
        """See `Connection`. A text frame is no message of ours: its bytes fail to decode and are counted."""
        try:
            frame = await self._socket.recv()
        except (OSError, WebSocketException) as error:
            raise LinkClosedError(str(error)) from error
        return frame.encode() if isinstance(frame, str) else frame

    async def close(self) -> None:
        """See `Connection`."""
        await self._socket.close()
