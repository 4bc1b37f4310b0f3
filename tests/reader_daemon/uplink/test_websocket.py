"""The whole daemon over a real WebSocket on localhost, with real threads for its store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from cardcore.journal import Outcome, OutcomeKind
from reader_daemon.blocking import StoreThread
from reader_daemon.daemon import Daemon, Parts, Site
from reader_daemon.messages import EventSink
from reader_daemon.notify import Notifier
from reader_daemon.surroundings import Deadlines
from reader_daemon.system import real_system
from reader_daemon.uplink.connection import LinkClosedError
from reader_daemon.uplink.websocket import WebSocketConnector
from tests.reader_daemon.fake_server import FakeServer
from tests.reader_daemon.listening import listening
from tests.reader_daemon.site import ANNA, NotingPort, site_items

PATIENCE_SECONDS = 20


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not true():  # noqa: ASYNC110 - what is waited for happens in another thread
            await asyncio.sleep(0.01)


async def test_taps_cross_a_real_socket_and_a_dropped_one_is_made_anew(tmp_path: Path) -> None:
    system = real_system()
    server = FakeServer(system.clock)
    server.set_items(*site_items(has_ready_input=False))
    ports: list[NotingPort] = []

    def make_ports(sink: EventSink) -> tuple[NotingPort, ...]:
        ports.append(NotingPort(sink, system.clock))  # type: ignore[arg-type]
        return tuple(ports)

    async with listening(server) as url:
        threads = StoreThread(), StoreThread()
        parts = Parts(system, WebSocketConnector(url), make_ports, *threads, Notifier({}), "test")
        daemon = Daemon(Site(tmp_path, Deadlines(gate_ms=5_000), {}, {}), server.identity, parts)
        stop = asyncio.Event()
        task = asyncio.create_task(daemon.run(stop))
        await until(lambda: bool(ports) and daemon.policy.snapshot.version == 1)
        ports[0].tap(ANNA)
        await until(lambda: len(ports[0].pulses()) == 1)
        await server.drop()
        await until(lambda: server.sessions == 2 and daemon.uplink.open)
        ports[0].tap(ANNA, "t01")
        await until(lambda: daemon.journal.pending == 0 and len(ports[0].shown()) >= 2)
        stop.set()
        await task
        for thread in threads:
            thread.stop()
    served = [body for body in server.bodies(daemon.journal.epoch) if isinstance(body, Outcome)]
    assert [body.outcome for body in served] == [OutcomeKind.SERVED]
    assert server.chain_is_whole(daemon.journal.epoch)


async def test_what_is_no_server_of_ours_is_a_closed_link(tmp_path: Path) -> None:
    with pytest.raises(LinkClosedError):
        await WebSocketConnector("ws://127.0.0.1:1").connect()

    async def deaf(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nlogin")
        await writer.drain()
        writer.close()

    portal = await asyncio.start_server(deaf, "127.0.0.1", 0)
    port = portal.sockets[0].getsockname()[1]
    with pytest.raises(LinkClosedError):
        await WebSocketConnector(f"ws://127.0.0.1:{port}").connect()
    portal.close()
    await portal.wait_closed()
