"""The plant's control socket: JSON lines over a Unix socket, orders in, answers and happenings out.

Bounded in every direction: line length, clients, and what a slow subscriber may leave unread. Bad input is answered,
never fatal. The socket is open to its owner only.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from firmware_mocks.happenings import Happening, Kind
from firmware_mocks.plant.fields import FieldError, Fields
from firmware_mocks.plant.orders import ORDERS
from firmware_mocks.plant.plant import Plant

MAX_LINE_BYTES = 65_536
MAX_CLIENTS = 16
MAX_UNREAD_BYTES = 4_194_304
"""A client that leaves more than 4 MiB unread is dropped."""
OWNER_ONLY = 0o600
_CONNECT_ATTEMPT_SECONDS = 1.0
_GOODBYE_SECONDS = 1.0
_ALL_KINDS = frozenset(kind.value for kind in Kind)


class SocketTakenError(RuntimeError):
    """Another plant answers at this control socket."""


class PlantControl:
    """The server of one plant's control socket."""

    def __init__(self, plant: Plant, path: Path) -> None:
        """Prepare; `start` opens the socket."""
        self._plant = plant
        self._path = path
        self._server: asyncio.Server | None = None
        self._clients: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}
        self.stop_asked = asyncio.Event()

    async def start(self) -> None:
        """Open the socket. Raises SocketTakenError if a plant already answers there; replaces a dead one."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if self._path.is_socket():
            if _answers(self._path):
                msg = f"a plant is already running at {self._path}: stop it or choose another control path"
                raise SocketTakenError(msg)
            self._path.unlink()
        self._server = await asyncio.start_unix_server(self._serve, str(self._path), limit=MAX_LINE_BYTES)
        self._path.chmod(OWNER_ONLY)

    async def stop(self) -> None:
        """Close the socket and all clients."""
        if self._server is not None:
            self._server.close()
        conversations = [task for task in self._clients.values() if task is not None]
        for writer in tuple(self._clients):
            writer.close()
        if conversations:
            await asyncio.wait(conversations, timeout=_GOODBYE_SECONDS)
        self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._clients) >= MAX_CLIENTS:
            _write(writer, _refusal(None, "too_many_clients", f"at most {MAX_CLIENTS} clients at a time"))
            writer.close()
            return
        self._clients[writer] = asyncio.current_task()
        ends: list[Callable[[], None]] = []
        try:
            with contextlib.suppress(ConnectionError):  # a client that is gone is owed nothing
                await self._converse(reader, writer, ends)
        finally:
            for end in ends:
                end()
            del self._clients[writer]
            writer.close()

    async def _converse(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ends: list[Callable[[], None]]
    ) -> None:
        while True:
            try:
                line = await reader.readline()
            except ValueError:
                _write(writer, _refusal(None, "line_too_long", f"a line holds at most {MAX_LINE_BYTES} bytes"))
                return
            if not line.endswith(b"\n"):
                return
            _write(writer, self._answer(line, writer, ends))
            await writer.drain()

    def _answer(self, line: bytes, writer: asyncio.StreamWriter, ends: list[Callable[[], None]]) -> dict[str, Any]:
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):
            return _refusal(None, "bad_json", "a line must be one JSON object")
        if not isinstance(request, dict):
            return _refusal(None, "bad_json", "a line must be one JSON object")
        request_id = request.get("id")
        if not isinstance(request_id, int | str | None):
            return _refusal(None, "bad_field", "id must be a number or a text")
        try:
            return {"id": request_id, "ok": True, **self._perform(request, writer, ends)}
        except FieldError as error:
            return _refusal(request_id, "bad_field", str(error))
        except ValueError as error:
            return _refusal(request_id, "refused", str(error))

    def _perform(
        self, request: dict[str, Any], writer: asyncio.StreamWriter, ends: list[Callable[[], None]]
    ) -> dict[str, Any]:
        order, fields = request.get("do"), Fields(request)
        match order:
            case "subscribe":
                kinds = fields.names("kinds", _ALL_KINDS)
                fields.finish()
                for end in ends:
                    end()
                ends[:] = [self._plant.subscribe(lambda happening: _forward(writer, happening, kinds))]
                return {"kinds": sorted(kinds)}
            case "stop":
                fields.finish()
                self.stop_asked.set()
                return {}
            case str() if order in ORDERS:
                return ORDERS[order](self._plant, fields)
            case _:
                msg = f"do is {order!r:.60}; it must be one of {', '.join([*ORDERS, 'subscribe', 'stop'])}"
                raise FieldError(msg)


def _forward(writer: asyncio.StreamWriter, happening: Happening, kinds: frozenset[str]) -> None:
    if happening.kind not in kinds or writer.is_closing():
        return
    if writer.transport.get_write_buffer_size() > MAX_UNREAD_BYTES:
        writer.transport.abort()
        return
    head = {"event": happening.kind.value, "device": happening.device, "at_ms": happening.at_ms}
    _write(writer, head | dict(happening.detail))


def _write(writer: asyncio.StreamWriter, document: dict[str, Any]) -> None:
    writer.write(json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")


def _refusal(request_id: int | str | None, code: str, message: str) -> dict[str, Any]:
    return {"id": request_id, "ok": False, "code": code, "error": message}


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(OSError):
        probe.settimeout(_CONNECT_ATTEMPT_SECONDS)
        probe.connect(str(path))
        return True
    return False
