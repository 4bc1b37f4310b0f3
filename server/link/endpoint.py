"""The WebSocket at `/device/link`: accepts, shakes hands, joins the directory, converses, and notes the end."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from cardcore.ids import DeviceId
from server.audit.origin import coming_from, of_device
from server.link.directory import Directory
from server.link.handshake import introduce
from server.link.ports import OUTAGES, Audit, CardDesk, Channel, Devices, LinkClosedError, NoCardDesk, Policy, Run
from server.link.quotas import Meter
from server.link.session import Session
from server.link.witness_feed import WitnessFeed
from server.system import System
from server.taps.batcher import Batcher

log = structlog.get_logger()

PATH = "/device/link"
SUBPROTOCOL = "onecard.v1"
POLICY_VIOLATION = 1008
"""RFC 6455 section 7.4.1."""


class WebSocketChannel:
    """A Starlette WebSocket as a `server.link.ports.Channel`."""

    def __init__(self, socket: WebSocket) -> None:
        """Take an accepted socket."""
        self._socket = socket

    async def send(self, frame: bytes) -> None:
        """Send one frame."""
        try:
            await self._socket.send_bytes(frame)
        except (RuntimeError, WebSocketDisconnect, OSError) as error:
            raise LinkClosedError from error

    async def receive(self) -> bytes:
        """Return the next binary frame; a text frame counts as an empty one."""
        try:
            message = await self._socket.receive()
        except (RuntimeError, OSError) as error:
            raise LinkClosedError from error
        if message["type"] == "websocket.disconnect":
            raise LinkClosedError
        return message.get("bytes") or b""

    async def close(self, reason: str) -> None:
        """Close the socket once."""
        if self._socket.application_state is WebSocketState.CONNECTED:
            try:
                await self._socket.close(reason=reason)
            except (RuntimeError, WebSocketDisconnect, OSError) as error:
                raise LinkClosedError from error


class Endpoint:
    """The link's ASGI endpoint with what it needs of the server."""

    def __init__(
        self,
        directory: Directory,
        batcher: Batcher,
        devices: Devices,
        policy: Policy,
        run: Run,
        system: System,
        key: Ed25519PrivateKey,
    ) -> None:
        """Take the parts; `key` is the server's identity that daemons pinned at enrolment."""
        self._directory = directory
        self._batcher = batcher
        self._devices = devices
        self._policy = policy
        self._run = run
        self._system = system
        self._key = key
        self.audit: Audit | None = None
        """The log whose checkpoints are offered to every daemon."""
        self._meters: dict[DeviceId, Meter] = {}
        """Of every device that connected since this process began."""
        self.desk: CardDesk = NoCardDesk()
        """Who answers for the cards of every device that connects from now on."""

    async def __call__(self, socket: WebSocket) -> None:
        """Serve one connection."""
        if "origin" in socket.headers or SUBPROTOCOL not in socket.scope.get("subprotocols", ()):
            await socket.close(POLICY_VIOLATION, "devices only: no browser speaks this protocol")
            return
        await socket.accept(subprotocol=SUBPROTOCOL)
        await self.serve(WebSocketChannel(socket))

    async def serve(self, channel: Channel) -> None:
        """Serve one connection over any channel until it ends."""
        try:
            who = await introduce(channel, self._devices, self._run, self._system, self._key)
        except LinkClosedError:
            return
        if who is None:
            return
        session = Session(channel, who, self._batcher, self._devices, self._policy, self._run, self._system, self._key)
        if self.audit is not None:
            session.witness = WitnessFeed(self.audit, self._devices, self._run, who.device, session.send)
        session.desk = self.desk
        session.meter = self._meters.setdefault(session.device, Meter(self._system.clock))
        with coming_from(of_device(session.device)):
            await self._converse(session, who.device.name, who.hello.software)

    async def _converse(self, session: Session, name: str, software: str) -> None:
        try:
            await self._directory.join(session)
            await self._noted(self._devices.connected, session.device, software)
            log.info("link_up", device=str(session.device), name=name)
            await session.serve()
        finally:
            if self._directory.leave(session):
                await self._noted(self._devices.disconnected, session.device)

    async def _noted(self, call: Callable[..., None], *args: object) -> None:
        try:
            await self._run(call, *args)
        except OUTAGES as error:
            log.warning("link_state_not_kept", error=repr(error)[:200])
