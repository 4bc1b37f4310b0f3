"""The load's own thin clients: a WebSocket and a keep-alive HTTP connection on bare asyncio protocols.

Client, server and database share the machine, so a heavy client would be measured instead of the server. Both clients
cost about the same. No retry and no TLS: a fault ends the run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

SUBPROTOCOL = "onecard.v1"
LINK_PATH = "/device/link"
_BINARY_FINAL = 0x82
_OPCODE_BINARY = 0x2
_OPCODE_CLOSE = 0x8
_MASKED = 0x80
_TWO_BYTE_LENGTH = 126
_EIGHT_BYTE_LENGTH = 127
_HEADER_BYTES = 2
_NO_MASK = bytes(4)
"""RFC 6455 section 5.3 wants an unpredictable mask against hostile pages; here a zero mask spares the client's time."""
_END_OF_HEAD = b"\r\n\r\n"


class ConnectionLostError(Exception):
    """The server closed a connection in the middle of a run."""


class LinkSocket(asyncio.Protocol):
    """A WebSocket to the device link; whole binary frames go to `on_frame`."""

    def __init__(self, host: str, on_frame: Callable[[bytes], None]) -> None:
        self._host = host
        self._on_frame = on_frame
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's has the methods, not the ancestry
        self._transport.write(
            (
                f"GET {LINK_PATH} HTTP/1.1\r\nHost: {self._host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
                f"Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n"
            ).encode()
        )

    def data_received(self, data: bytes) -> None:
        """Take what came in."""
        self._buffer += data
        if not self.opened.done() and not self._read_head():
            return
        while self._read_frame():
            pass

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail whoever waits."""
        fault = ConnectionLostError(repr(exc) if exc else "closed by the server")
        if not self.opened.done():
            self.opened.set_exception(fault)
        if not self.lost.done():
            self.lost.set_exception(fault)
            self.lost.exception()  # whoever waits for an answer looks at it; nobody must

    def send(self, payload: bytes) -> None:
        """Send one binary frame."""
        assert self._transport is not None
        size = len(payload)
        if size < _TWO_BYTE_LENGTH:
            head = bytes((_BINARY_FINAL, _MASKED | size))
        elif size < 1 << 16:
            head = bytes((_BINARY_FINAL, _MASKED | _TWO_BYTE_LENGTH)) + size.to_bytes(2, "big")
        else:
            head = bytes((_BINARY_FINAL, _MASKED | _EIGHT_BYTE_LENGTH)) + size.to_bytes(8, "big")
        self._transport.write(head + _NO_MASK + payload)

    def close(self) -> None:
        """Drop the connection."""
        if self._transport is not None:
            self._transport.abort()

    def _read_head(self) -> bool:
        end = self._buffer.find(_END_OF_HEAD)
        if end < 0:
            return False
        status = bytes(self._buffer[:end]).split(b"\r\n", 1)[0]
        del self._buffer[: end + len(_END_OF_HEAD)]
        if b" 101 " not in status + b" ":
            self.opened.set_exception(ConnectionLostError(status.decode(errors="replace")))
            return False
        self.opened.set_result(None)
        return True

    def _read_frame(self) -> bool:
        buffer = self._buffer
        if len(buffer) < _HEADER_BYTES:
            return False
        size, start = buffer[1] & 0x7F, _HEADER_BYTES
        if size == _TWO_BYTE_LENGTH:
            start = 4
            size = int.from_bytes(buffer[2:4], "big")
        elif size == _EIGHT_BYTE_LENGTH:
            start = 10
            size = int.from_bytes(buffer[2:10], "big")
        if len(buffer) < start + size:
            return False
        opcode, payload = buffer[0] & 0x0F, bytes(buffer[start : start + size])
        del buffer[: start + size]
        if opcode == _OPCODE_BINARY:
            self._on_frame(payload)
        elif opcode == _OPCODE_CLOSE:
            self.close()
        return True


class HttpConnection(asyncio.Protocol):
    """One keep-alive connection that posts JSON, one request at a time."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's has the methods, not the ancestry

    def data_received(self, data: bytes) -> None:
        """Take what came in."""
        self._buffer += data
        end = self._buffer.find(_END_OF_HEAD)
        if end < 0:
            return
        head = bytes(self._buffer[:end]).lower()
        _, _, rest = head.partition(b"content-length:")
        size = int(rest.split(b"\r\n", 1)[0])
        start = end + len(_END_OF_HEAD)
        if len(self._buffer) < start + size or self._answer is None:
            return
        body = bytes(self._buffer[start : start + size])
        del self._buffer[: start + size]
        answer, self._answer = self._answer, None
        if head.startswith(b"http/1.1 200"):
            answer.set_result(body)
        else:
            answer.set_exception(ConnectionLostError(f"{head[:40]!r} {body[:200]!r}"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail whoever waits."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionLostError(repr(exc) if exc else "closed by the server"))

    def post(self, path: str, body: bytes) -> asyncio.Future[bytes]:
        """Post a JSON document; the future gives the body of a 200, anything else is a fault."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        self._transport.write(head.encode() + body)
        return self._answer

    def close(self) -> None:
        """Drop the connection."""
        if self._transport is not None:
            self._transport.abort()
