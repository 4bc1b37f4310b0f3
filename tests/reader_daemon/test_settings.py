"""Settings: what a good file gives, and that every error names file, line and what is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest

from reader_daemon.encoder.desk import Encoders
from reader_daemon.key_sources import KeyRelay
from reader_daemon.ports import build_ports, read_key
from reader_daemon.reader_keys import ReaderKeys
from reader_daemon.settings import Settings, SettingsError, load_settings, parse_settings
from reader_daemon.store.reader_keys import ReaderKeyFile
from reader_daemon.surroundings import Deadlines, Wiring
from reader_daemon.system import System
from tests.reader_daemon.virtual_time import CountingIds, HandClock

GOOD = """
[server]
url = "wss://onecard.example:8443"

[data]
dir = "/var/lib/onecard-reader"

[deadlines]
gate_ms = 250

[[osdp_bus]]
name = "gate1"
path = "/dev/serial/by-id/usb-x"
baud = 115200

[[osdp_bus.reader]]
name = "g01"
address = 0
key_file = "g01.key"

[[osdp_bus.reader]]
name = "g02"
address = 1
ready_input = 5

[[osdp_bus]]
name = "till1"
path = "/dev/ttyS1"
[[osdp_bus.reader]]
name = "t01"
address = 0

[[pcsc_reader]]
name = "desk"
match = "ACR1252 0"
allow_uid = true
signals = "acs"

[[scanner]]
name = "r01-qr"
path = "/dev/ttyS2"
beside = "g01"
"""


def good(environment: dict[str, str] | None = None) -> Settings:
    return parse_settings(GOOD, "reader.toml", environment or {})


def test_a_good_file() -> None:
    settings = good()
    assert settings.server_url == "wss://onecard.example:8443"
    assert settings.deadlines == Deadlines(gate_ms=250, till_ms=800)
    assert [bus.name for bus in settings.buses] == ["gate1", "till1"]
    assert [reader.name for reader in settings.buses[0].readers] == ["g01", "g02"]
    assert settings.wirings["g02"] == Wiring(ready_input=5)
    assert settings.buses[1].baud == 38_400
    assert settings.scanners[0].beside == "g01"


def test_the_environment_overrides_the_file() -> None:
    settings = good({"ONECARD_READER_SERVER_URL": "ws://127.0.0.1:9", "ONECARD_READER_TILL_MS": "500", "HOME": "/x"})
    assert settings.server_url == "ws://127.0.0.1:9"
    assert settings.deadlines.till_ms == 500


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ('url = "wss://onecard.example:8443"', 'url = "ws://onecard.example"', 3, "wss://"),
        ('url = "wss://onecard.example:8443"', 'url = "https://onecard.example"', 3, "wss://host"),
        ('url = "wss://onecard.example:8443"', "", 2, "missing"),
        ("gate_ms = 250", "gate_ms = 0", 9, "1 to 5000"),
        ("gate_ms = 250", "gate_msec = 250", 9, "gate_ms, till_ms"),
        ("baud = 115200", "baud = 12345", 14, "9600, 19200"),
        ("address = 1", "address = 127", 23, "0 to 126"),
        ("address = 1", "address = 0", 23, "used twice"),
        ("address = 1", "address = true", 23, "whole number"),
        ("ready_input = 5", "ready_input = 3", 21, "three different inputs"),
        ('name = "t01"', 'name = "g01"', 30, "another reader"),
        ('name = "t01"', 'name = "T 01"', 30, "a-z, 0-9"),
        ('signals = "acs"', 'signals = "xyz"', 37, "none, acs"),
        ('beside = "g01"', 'beside = "g09"', 42, "desk, g01, g02, r01-qr, t01"),
        ("[data]", "[dat]", 5, "server, data, deadlines"),
    ],
)
def test_an_error_names_the_line_and_what_is_allowed(old: str, new: str, line: int, says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_settings(GOOD.replace(old, new), "reader.toml", {})
    assert str(caught.value).startswith(f"reader.toml:{line}: ")
    assert says in str(caught.value)


def test_broken_syntax_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "reader.toml"
    path.write_text("[server]\nurl = \n")
    with pytest.raises(SettingsError, match=r"reader\.toml: .*line 2"):
        load_settings(path, {})


def test_an_error_in_the_environment_names_the_variable() -> None:
    with pytest.raises(SettingsError, match=r"^ONECARD_READER_GATE_MS: deadlines\.gate_ms: .*1 to 5000"):
        good({"ONECARD_READER_GATE_MS": "soon"})


@pytest.mark.parametrize(
    ("content", "mode", "says"), [("00" * 16, 0o644, "chmod 600"), ("xyz", 0o600, "32 hex digits")]
)
def test_a_key_file_is_private_and_hex(tmp_path: Path, content: str, mode: int, says: str) -> None:
    path = tmp_path / "g01.key"
    path.write_text(content)
    path.chmod(mode)
    with pytest.raises(SettingsError, match=says):
        read_key(path)


def test_ports_are_made_of_settings_and_a_weak_key_stops_the_start(tmp_path: Path) -> None:
    key = tmp_path / "g01.key"
    key.touch(0o600)
    key.write_text("8f3a51c07be2946d1f08a7c35e9b2d64")
    text = GOOD.replace('"g01.key"', f'"{key}"')
    text = text[: text.index("[[pcsc_reader]]")] + text[text.index("[[scanner]]") :]
    settings = parse_settings(text, "reader.toml", {})
    system = System(HandClock(), CountingIds())

    def keys() -> ReaderKeys:
        return ReaderKeys(ReaderKeyFile(tmp_path), system.ids)

    ports = build_ports(settings, system, lambda _event: None, KeyRelay().source, Encoders(), keys())
    assert [port.readers for port in ports] == [("g01", "g02"), ("t01",), ("r01-qr",)]
    for port in ports:
        port.stop()
    key.write_text("00" * 16)
    with pytest.raises(SettingsError, match="g01"):
        build_ports(settings, system, lambda _event: None, KeyRelay().source, Encoders(), keys())


def test_a_reader_that_makes_cards_serves_jobs_and_no_taps() -> None:
    text = GOOD.replace("match = ", "encoder = true\nmatch = ", 1)
    (reader, *_) = parse_settings(text, "reader.toml", {}).pcsc_readers
    assert reader.encoder
    with pytest.raises(SettingsError, match=r"encoder: 'yes' is none of"):
        parse_settings(text.replace("encoder = true", 'encoder = "yes"'), "reader.toml", {})
