"""From settings to ports: the only place that makes transports. A library or key that is missing stops the start."""

from __future__ import annotations

import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from cardcore.card_keys.roles import CardLayout, KeyRole
from cardcore.clock import Clock
from reader_daemon.encoder.desk import ENCODER_BUDGET_MS, Encoders
from reader_daemon.key_sources import KeySourceOf
from reader_daemon.messages import EventSink, ReaderPort
from reader_daemon.protocols.card.desfire import DesfireReader
from reader_daemon.protocols.card.dialogue import CardPolicy
from reader_daemon.protocols.card.pkoc import PkocReader
from reader_daemon.protocols.osdp.keys import WeakKeyError
from reader_daemon.reader_keys import ReaderKeys
from reader_daemon.settings import CardSettings, OsdpBusPort, PcscReaderPort, Settings, SettingsError
from reader_daemon.system import System
from reader_daemon.transports.line_scanner import LineScanner, LineScannerSettings
from reader_daemon.transports.osdp_bus import BusSettings, OsdpBus
from reader_daemon.transports.pcsc import PcscPort
from reader_daemon.transports.pcsc_reader import PcscReaderSettings
from reader_daemon.transports.pcsc_signals import SignalKind

MakePorts = Callable[[EventSink], tuple[ReaderPort, ...]]
"""Makes all ports of a daemon; a simulator gives its own."""


def build_ports(
    settings: Settings,
    system: System,
    sink: EventSink,
    keys: KeySourceOf,
    encoders: Encoders,
    reader_keys: ReaderKeys,
) -> tuple[ReaderPort, ...]:
    """Make every port of the settings; raises SettingsError naming the reader whose key cannot be used.

    `keys` gives each PC/SC reader the key source its cards are proved with; `encoders` serves those that make cards.
    `reader_keys` knows the keys of OSDP readers and gives them new ones.
    """
    clock, ids = system.clock, system.ids
    ports: list[ReaderPort] = [_bus(bus, sink, system, reader_keys) for bus in settings.buses]
    if settings.pcsc_readers:
        readers = [_pcsc(reader, settings.cards, keys, clock) for reader in settings.pcsc_readers]
        readers = [
            _encoder(made, encoders, settings.cards.layout, system) if reader.encoder else made
            for reader, made in zip(settings.pcsc_readers, readers, strict=True)
        ]
        pcsc = PcscPort("pcsc", readers, clock=clock, ids=ids, sink=sink)
        encoders.look_again = pcsc.look_again
        ports.append(pcsc)
    for scanner in settings.scanners:
        line = LineScannerSettings(scanner.name, scanner.path, scanner.baud)
        ports.append(LineScanner(line, clock=clock, sink=sink))
    return tuple(ports)


def _bus(bus: OsdpBusPort, sink: EventSink, system: System, keys: ReaderKeys) -> OsdpBus:
    configured = {one.name: None if one.key_file is None else read_key(one.key_file) for one in bus.readers}
    readers = []
    for one in bus.readers:
        try:
            readers.append(keys.settings(one.name, one.address, configured[one.name]))
        except WeakKeyError as error:
            msg = f"{one.key_file}: the key of reader {one.name} must not be used: {error}"
            raise SettingsError(msg) from error
    try:
        settings = BusSettings(bus.name, bus.path, tuple(readers), bus.baud)
    except ValueError as error:
        msg = f"bus {bus.name}: {error}"
        raise SettingsError(msg) from error
    port = OsdpBus(settings, sink, system.clock, system.ids, keys.sink)
    keys.serve(settings.readers, configured, port)
    return port


def read_key(path: Path) -> bytes:
    """Read a key file of 32 hex digits that its owner alone may read; raises SettingsError."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path}: the reader's key cannot be read: {error}"
        raise SettingsError(msg) from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        msg = f"{path}: others may read this key (mode {mode:o}); run: chmod 600 {path}"
        raise SettingsError(msg)
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        msg = f"{path}: a key is 32 hex digits and nothing else"
        raise SettingsError(msg) from error


def _encoder(made: PcscReaderSettings, encoders: Encoders, layout: CardLayout, system: System) -> PcscReaderSettings:
    """Return a reader's settings so that it makes cards."""
    serve = encoders.serving(made.name, made.policy, made.keys, layout, system)
    return replace(made, serve=serve, policy=replace(made.policy, budget_ms=ENCODER_BUDGET_MS))


def _pcsc(reader: PcscReaderPort, cards: CardSettings, keys: KeySourceOf, clock: Clock) -> PcscReaderSettings:
    desfire = None
    if reader.application != "none":
        role = KeyRole.GATE_READ if reader.application == "gate" else KeyRole.CANTEEN_READ
        desfire = DesfireReader(role, cards.issuers, cards.layout, cards.accept_ev1)
    pkoc = PkocReader(anchors=cards.pkoc_anchors, today=lambda: clock.now().date())
    policy = CardPolicy(pkoc, desfire, reader.allow_uid)
    return PcscReaderSettings(reader.name, reader.match, policy, SignalKind(reader.signals), keys(reader.name))
