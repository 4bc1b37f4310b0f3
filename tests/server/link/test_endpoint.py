"""The link on a real socket: the whole application under uvicorn, and a WebSocket client of another make."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from cardcore.wire import codec
from cardcore.wire.messages import (
    MAX_FRAME_BYTES,
    MAX_UPLOAD_RECORDS,
    Goodbye,
    GoodbyeCode,
    StateEnd,
    TapDecision,
    UploadAck,
)
from server.asgi import create_app
from server.cli.serve import LinkServer, server_config
from server.database import Database
from server.link.endpoint import PATH, SUBPROTOCOL
from server.parts import Parts
from server.secrets_file import load_secrets
from server.settings import Settings
from server.system import System
from tests.server.link.link_site import LinkSite, make_link_site, until
from tests.server.link.peer import Peer

HERE = "127.0.0.1"


class SocketWire:
    """The peer's end of a real WebSocket."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def send(self, frame: bytes) -> None:
        await self.connection.send(frame)

    async def receive(self) -> bytes | None:
        try:
            frame = await self.connection.recv()
        except ConnectionClosed:
            return None
        assert isinstance(frame, bytes)
        return frame


class Served:
    """A running server: where it is, its parts, and how to stop it as SIGTERM does."""

    def __init__(self, server: uvicorn.Server, parts: Parts, port: int) -> None:
        self.server = server
        self.parts = parts
        self.url = f"ws://{HERE}:{port}{PATH}"

    @asynccontextmanager
    async def link(self) -> AsyncIterator[SocketWire]:
        async with connect(self.url, subprotocols=[Subprotocol(SUBPROTOCOL)], compression=None) as opened:
            yield SocketWire(opened)


@pytest.fixture
def socket_site(database: Database, system: System, tmp_path: Path) -> LinkSite:
    return make_link_site(database, system, load_secrets(tmp_path, system.ids))


@pytest.fixture
async def served(socket_site: LinkSite, system: System, tmp_path: Path) -> AsyncIterator[Served]:
    settings = Settings(database_url=socket_site.database.url, data_dir=tmp_path)
    app = create_app(settings, system)
    parts: Parts = app.state.parts
    server = LinkServer(server_config(app, settings), parts.directory)
    listener = socket.create_server((HERE, 0))
    serving = asyncio.create_task(server.serve([listener]))
    await until(lambda: server.started or serving.done())
    yield Served(server, parts, listener.getsockname()[1])
    server.should_exit = True
    await serving


async def test_taps_and_uploads_go_through_a_real_socket(served: Served, socket_site: LinkSite) -> None:
    peer = Peer(socket_site)
    async with served.link() as wire:
        await peer.welcomed(wire)
        await peer.expect(StateEnd)
        await peer.say(peer.tap(peer.intent(0)))
        assert (await peer.expect(TapDecision)).granted
        await peer.say(peer.upload(peer.records))
        assert (await peer.expect(UploadAck)).acked_through == 1


async def test_the_largest_upload_fits_and_one_byte_over_the_frame_ends_the_link(
    served: Served, socket_site: LinkSite
) -> None:
    peer = Peer(socket_site)
    async with served.link() as wire:
        await peer.welcomed(wire)
        while len(codec.encode(peer.upload([*peer.records, peer.intent(len(peer.records) % 8)]))) < MAX_FRAME_BYTES:
            if len(peer.records) == MAX_UPLOAD_RECORDS:
                break
        records = peer.records[:-1]
        await peer.say(peer.upload(records))
        assert (await peer.expect(UploadAck)).acked_through == len(records)
        await wire.send(b"\xc1" * (MAX_FRAME_BYTES + 2))
        assert await wire.receive() is None
        assert wire.connection.close_code == 1009
    async with served.link() as wire:
        assert (await peer.welcomed(wire)).acked_through == len(records)


async def test_text_is_rubbish_and_no_fault(served: Served, socket_site: LinkSite) -> None:
    peer = Peer(socket_site)
    async with served.link() as wire:
        await peer.welcomed(wire)
        await wire.connection.send("hello")
        await peer.say(peer.tap(peer.intent(0)))
        assert (await peer.expect(TapDecision)).granted


@pytest.mark.parametrize("origin", ["http://evil.example", "null", f"http://{HERE}"])
async def test_a_browser_is_refused(served: Served, origin: str) -> None:
    with pytest.raises(InvalidStatus) as refusal:
        async with connect(served.url, subprotocols=[Subprotocol(SUBPROTOCOL)], additional_headers={"Origin": origin}):
            pass
    assert refusal.value.response.status_code == 403


@pytest.mark.parametrize("subprotocols", [None, [Subprotocol("chat")]])
async def test_a_client_without_our_subprotocol_is_refused(
    served: Served, subprotocols: list[Subprotocol] | None
) -> None:
    with pytest.raises(InvalidStatus) as refusal:
        async with connect(served.url, subprotocols=subprotocols):
            pass
    assert refusal.value.response.status_code == 403


async def test_a_second_link_replaces_the_first(served: Served, socket_site: LinkSite) -> None:
    first, second = Peer(socket_site), Peer(socket_site)
    async with served.link() as old, served.link() as new:
        await first.welcomed(old)
        await second.welcomed(new)
        assert (await first.farewell()).code is GoodbyeCode.DUPLICATE
        await second.say(second.tap(second.intent(0)))
        assert (await second.expect(TapDecision)).granted


async def test_a_server_that_is_told_to_stop_says_restarting(served: Served, socket_site: LinkSite) -> None:
    peer = Peer(socket_site)
    async with served.link() as wire:
        await peer.welcomed(wire)
        await peer.expect(StateEnd)
        served.server.should_exit = True
        goodbye: Goodbye = await peer.farewell()
    assert goodbye.code is GoodbyeCode.RESTARTING
    assert goodbye.retry_after_ms > 0
