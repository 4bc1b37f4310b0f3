"""The real daemon: `Daemon` with this host's clock, threads, WebSocket and ports."""

from __future__ import annotations

import asyncio

from reader_daemon.blocking import StoreThread
from reader_daemon.daemon import Daemon, Parts, Site
from reader_daemon.encoder.desk import Encoders
from reader_daemon.identity import Identity
from reader_daemon.key_sources import KeyRelay, key_sources
from reader_daemon.notify import Notifier
from reader_daemon.ports import build_ports
from reader_daemon.reader_keys import ReaderKeys
from reader_daemon.settings import Settings
from reader_daemon.store.reader_keys import ReaderKeyFile
from reader_daemon.system import System, real_system
from reader_daemon.uplink.websocket import WebSocketConnector


async def serve(
    settings: Settings, identity: Identity, stop: asyncio.Event, software: str, system: System | None = None
) -> None:
    """Serve until `stop`; `system` is the host's own by default."""
    system = system or real_system()
    run_journal, run_policy = StoreThread(), StoreThread()
    relay = KeyRelay()
    keys = key_sources(relay, settings.cards.edge_key_file, settings.cards.layout, identity, system)
    encoders = Encoders()
    reader_keys = ReaderKeys(ReaderKeyFile(settings.data_dir), system.ids)
    parts = Parts(
        system=system,
        connector=WebSocketConnector(settings.server_url, settings.ca_file),
        make_ports=lambda sink: build_ports(settings, system, sink, keys, encoders, reader_keys),
        run_journal=run_journal,
        run_policy=run_policy,
        notifier=Notifier(),
        software=software,
        key_relay=relay,
        encoders=encoders,
        reader_keys=reader_keys,
    )
    site = Site(
        settings.data_dir,
        settings.deadlines,
        settings.wirings,
        {scanner.name: scanner.beside for scanner in settings.scanners},
        settings.officers,
        settings.cards.issuers,
    )
    try:
        await Daemon(site, identity, parts).run(stop)
    finally:
        run_journal.stop()
        run_policy.stop()
