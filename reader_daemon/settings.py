"""The daemon's settings: one TOML file, some overridden by `ONECARD_READER_*`; nothing is opened or connected here.

Every error names the file, the line and what is allowed. What a reader is for (lane or till) is not here: the server
says so in the snapshot.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cardcore.card_keys.roles import DEFAULT_LAYOUT, CardLayout
from cardcore.issuer import MAX_ISSUERS, IssuerKey
from reader_daemon.protocols.card.pkoc_certificate import REFERENCE_BYTES, Anchors
from reader_daemon.surroundings import GATE_DEADLINE_MS, TILL_DEADLINE_MS, Deadlines, Wiring
from reader_daemon.toml_lines import line_of

BAUD_RATES = (9_600, 19_200, 38_400, 57_600, 115_200, 230_400)
MAX_DEADLINE_MS = 5_000
MAX_ADDRESS = 126
MAX_CONTACT = 31
ENVIRONMENT = {
    "ONECARD_READER_SERVER_URL": ("server", "url"),
    "ONECARD_READER_CA_FILE": ("server", "ca_file"),
    "ONECARD_READER_DATA_DIR": ("data", "dir"),
    "ONECARD_READER_GATE_MS": ("deadlines", "gate_ms"),
    "ONECARD_READER_TILL_MS": ("deadlines", "till_ms"),
}
_OFFICER_KEY = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_TABLES = ("server", "data", "deadlines", "osdp_bus", "pcsc_reader", "scanner", "officer", "cards")
_CARD_KEYS = ("system_id", "gate_aid", "canteen_aid", "issuers", "accept_ev1", "edge_key_file", "pkoc_anchors")
_WIRING = ("unlock_output", "pass_input", "ready_input", "fire_input")


class SettingsError(Exception):
    """The settings cannot be used; the message says where and what is allowed."""


@dataclass(frozen=True, slots=True)
class OsdpReader:
    """One reader on a bus. `key_file` holds its 16-byte key as 32 hex digits; None = it has no key yet."""

    name: str
    address: int
    key_file: Path | None
    wiring: Wiring


@dataclass(frozen=True, slots=True)
class OsdpBusPort:
    """One RS-485 bus."""

    name: str
    path: str
    baud: int
    readers: tuple[OsdpReader, ...]


@dataclass(frozen=True, slots=True)
class PcscReaderPort:
    """One contactless reader; `match` is a part of its PC/SC name that only it has."""

    name: str
    match: str
    allow_uid: bool
    signals: str
    application: str
    """Which application of DESFire and CPU cards it reads: gate, canteen or none."""
    encoder: bool = False
    """It makes cards; between two jobs it reads whose card it is shown."""


@dataclass(frozen=True, slots=True)
class ScannerPort:
    """One line scanner; what it reads counts as shown at the reader `beside`."""

    name: str
    path: str
    baud: int
    beside: str


@dataclass(frozen=True, slots=True)
class CardSettings:
    """What the site's cards look like and whose signatures are believed. `edge_key_file` None = keys by relay."""

    layout: CardLayout = DEFAULT_LAYOUT
    issuers: tuple[IssuerKey, ...] = ()
    accept_ev1: bool = True
    edge_key_file: Path | None = None
    pkoc_anchors: Anchors = ()
    """Issuers of PKOC certificates by reference; with any, PKOC cards without a certificate are refused."""


NO_CARD_SETTINGS = CardSettings()


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a daemon needs but its identity."""

    server_url: str
    ca_file: Path | None
    data_dir: Path
    deadlines: Deadlines
    buses: tuple[OsdpBusPort, ...]
    pcsc_readers: tuple[PcscReaderPort, ...]
    scanners: tuple[ScannerPort, ...]
    officers: dict[str, bytes]
    """Public keys by name: two of these may sign that the server's audit log became shorter by a restore."""
    cards: CardSettings = NO_CARD_SETTINGS

    @property
    def wirings(self) -> dict[str, Wiring]:
        """The wiring of every reader that has a lane's contacts."""
        return {reader.name: reader.wiring for bus in self.buses for reader in bus.readers}


def load_settings(path: Path, environment: Mapping[str, str]) -> Settings:
    """Read a settings file and the environment; raises SettingsError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path}: cannot be read: {error}"
        raise SettingsError(msg) from error
    return parse_settings(text, str(path), environment)


def parse_settings(text: str, file: str, environment: Mapping[str, str]) -> Settings:
    """Read settings from TOML text; `file` names it in errors. Raises SettingsError."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        msg = f"{file}: {error}"
        raise SettingsError(msg) from error
    reading = _Reading(text, file)
    for variable, (table, key) in ENVIRONMENT.items():
        if variable in environment:
            reading.put(document, table, key, variable, environment[variable])
    return _settings(document, reading)


class _Reading:
    """Where a value came from, for errors."""

    def __init__(self, text: str, file: str) -> None:
        self._text = text
        self._file = file
        self._variables: dict[tuple[str | int, ...], str] = {}

    def put(self, document: dict[str, Any], table: str, key: str, variable: str, value: str) -> None:
        holder = document.setdefault(table, {})
        if isinstance(holder, dict):
            holder[key] = int(value) if re.fullmatch(r"\d{1,9}", value) else value
            self._variables[(table, key)] = variable

    def wrong(self, where: tuple[str | int, ...], problem: str) -> SettingsError:
        name = ".".join(f"[{part}]" if isinstance(part, int) else part for part in where).replace(".[", "[")
        variable = self._variables.get(where)
        place = variable or f"{self._file}:{line_of(self._text, where)}"
        return SettingsError(f"{place}: {name}: {problem}")

    def table(self, holder: dict[str, Any], where: tuple[str | int, ...], allowed: tuple[str, ...]) -> dict[str, Any]:
        """Check that a value is a table with none but the allowed keys."""
        if not isinstance(holder, dict):
            raise self.wrong(where, "must be a table")
        for key in holder:
            if key not in allowed:
                raise self.wrong((*where, key), f"is unknown here; allowed are {', '.join(allowed)}")
        return holder

    def tables(self, holder: dict[str, Any], where: tuple[str | int, ...], key: str) -> list[dict[str, Any]]:
        value = holder.get(key, [])
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise self.wrong((*where, key), f"must be written as [[{key}]]")
        return value

    def text(self, holder: dict[str, Any], where: tuple[str | int, ...], key: str, default: str | None = None) -> str:
        value = holder.get(key, default)
        if value is None:
            raise self.wrong((*where, key), "is missing")
        if not isinstance(value, str) or not value:
            raise self.wrong((*where, key), f"must be text, got {value!r}")
        return value

    def name(self, holder: dict[str, Any], where: tuple[str | int, ...], key: str) -> str:
        value = self.text(holder, where, key)
        if not _NAME.fullmatch(value):
            raise self.wrong((*where, key), f"{value!r} must be 1 to 32 of a-z, 0-9 and -")
        return value

    def whole(self, holder: dict[str, Any], where: tuple[str | int, ...], key: str, span: range, default: int) -> int:
        value = holder.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or value not in span:
            raise self.wrong((*where, key), f"{value!r} must be a whole number {span.start} to {span.stop - 1}")
        return value

    def one_of(
        self,
        holder: dict[str, Any],
        where: tuple[str | int, ...],
        key: str,
        allowed: tuple[Any, ...],
        default: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401 - the caller says which type the allowed values have
        value = holder.get(key, default)
        if value not in allowed:
            raise self.wrong((*where, key), f"{value!r} is none of {', '.join(str(each) for each in allowed)}")
        return value


def _settings(document: dict[str, Any], reading: _Reading) -> Settings:
    reading.table(
        document, (), ("server", "data", "deadlines", "osdp_bus", "pcsc_reader", "scanner", "officer", "cards")
    )
    server = reading.table(document.get("server", {}), ("server",), ("url", "ca_file"))
    data = reading.table(document.get("data", {}), ("data",), ("dir",))
    deadlines = reading.table(document.get("deadlines", {}), ("deadlines",), ("gate_ms", "till_ms"))
    span = range(1, MAX_DEADLINE_MS + 1)
    settings = Settings(
        server_url=_server_url(server, reading),
        ca_file=Path(reading.text(server, ("server",), "ca_file")) if "ca_file" in server else None,
        data_dir=Path(reading.text(data, ("data",), "dir")),
        deadlines=Deadlines(
            reading.whole(deadlines, ("deadlines",), "gate_ms", span, GATE_DEADLINE_MS),
            reading.whole(deadlines, ("deadlines",), "till_ms", span, TILL_DEADLINE_MS),
        ),
        buses=tuple(_bus(each, ("osdp_bus", i), reading) for i, each in _numbered(document, "osdp_bus", reading)),
        pcsc_readers=tuple(
            _pcsc(each, ("pcsc_reader", i), reading) for i, each in _numbered(document, "pcsc_reader", reading)
        ),
        scanners=tuple(_scanner(each, ("scanner", i), reading) for i, each in _numbered(document, "scanner", reading)),
        officers=dict(_officer(each, ("officer", i), reading) for i, each in _numbered(document, "officer", reading)),
        cards=_cards(document.get("cards", {}), reading),
    )
    _check_names(settings, reading)
    return settings


def _numbered(document: dict[str, Any], key: str, reading: _Reading) -> list[tuple[int, dict[str, Any]]]:
    return list(enumerate(reading.tables(document, (), key)))


def _server_url(server: dict[str, Any], reading: _Reading) -> str:
    url = reading.text(server, ("server",), "url").rstrip("/")
    parts = urlsplit(url)
    if parts.scheme not in {"ws", "wss"} or not parts.hostname:
        raise reading.wrong(("server", "url"), f"{url!r} must be wss://host or wss://host:port")
    if parts.scheme == "ws" and parts.hostname not in _LOOPBACK:
        raise reading.wrong(("server", "url"), "ws:// is allowed only on this very machine (localhost); use wss://")
    return url


def _bus(table: dict[str, Any], where: tuple[str | int, ...], reading: _Reading) -> OsdpBusPort:
    reading.table(table, where, ("name", "path", "baud", "reader"))
    readers = tuple(
        _osdp_reader(each, (*where, "reader", i), reading)
        for i, each in enumerate(reading.tables(table, where, "reader"))
    )
    if not readers:
        raise reading.wrong((*where, "reader"), "a bus needs at least one [[osdp_bus.reader]]")
    addresses = [each.address for each in readers]
    for i, address in enumerate(addresses):
        if address in addresses[:i]:
            raise reading.wrong((*where, "reader", i, "address"), f"{address} is used twice on this bus")
    baud = reading.one_of(table, where, "baud", BAUD_RATES, 38_400)
    return OsdpBusPort(reading.name(table, where, "name"), reading.text(table, where, "path"), baud, readers)


def _osdp_reader(table: dict[str, Any], where: tuple[str | int, ...], reading: _Reading) -> OsdpReader:
    reading.table(table, where, ("name", "address", "key_file", *_WIRING))
    usual = Wiring()
    contacts = {key: reading.whole(table, where, key, range(MAX_CONTACT + 1), getattr(usual, key)) for key in _WIRING}
    if len({contacts[key] for key in _WIRING[1:]}) != len(_WIRING) - 1:
        raise reading.wrong(where, "pass_input, ready_input and fire_input must be three different inputs")
    key_file = Path(reading.text(table, where, "key_file")) if "key_file" in table else None
    if "address" not in table:
        raise reading.wrong((*where, "address"), f"is missing; allowed are 0 to {MAX_ADDRESS}")
    address = reading.whole(table, where, "address", range(MAX_ADDRESS + 1), 0)
    return OsdpReader(reading.name(table, where, "name"), address, key_file, Wiring(**contacts))


def _pcsc(table: dict[str, Any], where: tuple[str | int, ...], reading: _Reading) -> PcscReaderPort:
    reading.table(table, where, ("name", "match", "allow_uid", "signals", "application", "encoder"))
    return PcscReaderPort(
        reading.name(table, where, "name"),
        reading.text(table, where, "match"),
        reading.one_of(table, where, "allow_uid", (True, False), default=False),
        reading.one_of(table, where, "signals", ("none", "acs"), "none"),
        reading.one_of(table, where, "application", ("none", "gate", "canteen"), "none"),
        reading.one_of(table, where, "encoder", (True, False), default=False),
    )


def _cards(table: dict[str, Any], reading: _Reading) -> CardSettings:
    where = ("cards",)
    reading.table(
        table, where, ("system_id", "gate_aid", "canteen_aid", "issuers", "accept_ev1", "edge_key_file", "pkoc_anchors")
    )
    usual = DEFAULT_LAYOUT
    try:
        layout = CardLayout(
            bytes.fromhex(reading.text(table, where, "system_id", usual.system_id.hex())),
            bytes.fromhex(reading.text(table, where, "gate_aid", usual.gate_aid.hex())),
            bytes.fromhex(reading.text(table, where, "canteen_aid", usual.canteen_aid.hex())),
        )
    except ValueError as error:
        raise reading.wrong(where, f"{error}: system_id is 24 hex digits, an AID 6") from error
    texts = table.get("issuers", [])
    if not isinstance(texts, list) or len(texts) > MAX_ISSUERS:
        raise reading.wrong((*where, "issuers"), f"must be a list of at most {MAX_ISSUERS} issuer keys")
    try:
        issuers = tuple(IssuerKey.parse(str(text)) for text in texts)
    except ValueError as error:
        raise reading.wrong((*where, "issuers"), str(error)) from error
    edge = Path(reading.text(table, where, "edge_key_file")) if "edge_key_file" in table else None
    accept_ev1 = reading.one_of(table, where, "accept_ev1", (True, False), default=True)
    return CardSettings(layout, issuers, accept_ev1, edge, _anchors(table.get("pkoc_anchors", []), reading))


def _anchors(texts: object, reading: _Reading) -> Anchors:
    form = f"must be a list of at most {MAX_ISSUERS} texts: issuer reference in 32 hex digits, :, P-256 point in 130"
    wrong = reading.wrong(("cards", "pkoc_anchors"), form)
    if not isinstance(texts, list) or len(texts) > MAX_ISSUERS:
        raise wrong
    anchors: list[tuple[bytes, bytes]] = []
    for text in texts:
        reference, _, point = str(text).partition(":")
        try:
            anchors.append((bytes.fromhex(reference), IssuerKey.parse(f"00000000:p256:{point}").public))
        except ValueError as error:
            raise wrong from error
    if any(len(reference) != REFERENCE_BYTES for reference, _ in anchors):
        raise wrong
    return tuple(anchors)


def _scanner(table: dict[str, Any], where: tuple[str | int, ...], reading: _Reading) -> ScannerPort:
    reading.table(table, where, ("name", "path", "baud", "beside"))
    return ScannerPort(
        reading.name(table, where, "name"),
        reading.text(table, where, "path"),
        reading.one_of(table, where, "baud", BAUD_RATES, 9_600),
        reading.name(table, where, "beside"),
    )


def _officer(table: dict[str, Any], where: tuple[str | int, ...], reading: _Reading) -> tuple[str, bytes]:
    reading.table(table, where, ("name", "key"))
    key = reading.text(table, where, "key")
    if not _OFFICER_KEY.fullmatch(key):
        raise reading.wrong((*where, "key"), "must be the 64 hex digits that `onecard audit officer-key` printed")
    return reading.text(table, where, "name"), bytes.fromhex(key)


def _check_names(settings: Settings, reading: _Reading) -> None:
    seen: set[str] = set()
    named: list[tuple[tuple[str | int, ...], str]] = [
        (("osdp_bus", i, "reader", j, "name"), reader.name)
        for i, bus in enumerate(settings.buses)
        for j, reader in enumerate(bus.readers)
    ]
    named += [(("pcsc_reader", i, "name"), each.name) for i, each in enumerate(settings.pcsc_readers)]
    shown_at = {name for _, name in named}
    named += [(("scanner", i, "name"), each.name) for i, each in enumerate(settings.scanners)]
    for where, name in named:
        if name in seen:
            raise reading.wrong(where, f"{name!r} is the name of another reader already")
        seen.add(name)
    for i, pcsc in enumerate(settings.pcsc_readers):
        if pcsc.application != "none" and not settings.cards.issuers:
            raise reading.wrong(("pcsc_reader", i, "application"), "needs issuers in [cards]: whose cards are believed")
    for i, scanner in enumerate(settings.scanners):
        if scanner.beside not in shown_at | {scanner.name}:
            allowed = ", ".join(sorted(shown_at | {scanner.name}))
            raise reading.wrong(("scanner", i, "beside"), f"{scanner.beside!r} is no reader; known are {allowed}")
