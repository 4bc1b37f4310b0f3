"""Where a reader's questions about keys go: over the relay into the loop, or to a sealed edge key of this device."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from cardcore.card_keys.asks import Ended, EndSession, KeyAnswer, KeyRefusal, KeyRefused, KeyRequest
from cardcore.card_keys.edge_file import seal_edge_keys
from cardcore.card_keys.roles import DEFAULT_LAYOUT, CardApplication, KeyRole
from cardcore.reasons import Reason
from reader_daemon.identity import Identity
from reader_daemon.key_sources import KeyRelay, edge_sources, key_sources
from reader_daemon.protocols.card.desfire import desfire_dialogue
from reader_daemon.protocols.card.outcome import Assertion, CardFailure
from reader_daemon.settings import SettingsError
from reader_daemon.system import System
from tests.reader_daemon.protocols.card.site_cards import CardField, issued, masters, reader
from tests.reader_daemon.transports.port_events import SeededIds, StandingClock

IDENTITY = Identity("01900000-0000-7000-8000-0000000000d1", "site", "gate-north", b"P" * 32, b"R" * 32, b"S" * 32)
SYSTEM = System(StandingClock(), SeededIds())
ASK = EndSession(bytes(16))


async def test_a_question_crosses_into_the_loop_and_back() -> None:
    relay = KeyRelay()
    asked: list[tuple[str, KeyRequest, bool]] = []

    async def server(name: str, request: KeyRequest) -> KeyAnswer:
        await asyncio.sleep(0)
        asked.append((name, request, threading.current_thread() is threading.main_thread()))
        return Ended()

    source = relay.source("g01")
    before = await asyncio.to_thread(source.ask, ASK)
    assert isinstance(before, KeyRefused)
    relay.bind(asyncio.get_running_loop(), server)
    assert await asyncio.to_thread(source.ask, ASK) == Ended()
    assert asked == [("g01", ASK, True)]


def test_a_loop_that_has_ended_is_unavailable() -> None:
    relay = KeyRelay()
    loop = asyncio.new_event_loop()

    async def server(_name: str, _request: KeyRequest) -> KeyAnswer:
        return Ended()

    relay.bind(loop, server)
    loop.close()
    answer = relay.source("g01").ask(ASK)
    assert isinstance(answer, KeyRefused)
    assert answer.refusal is KeyRefusal.UNAVAILABLE


def edge_file(folder: Path, device: str = IDENTITY.device, mode: int = 0o600) -> Path:
    path = folder / "edge.keys"
    held = {place: master for place, master in masters().items() if place[0] is KeyRole.GATE_READ}
    path.write_bytes(seal_edge_keys(held, device, IDENTITY.record_key, b"n" * 12))
    path.chmod(mode)
    return path


def test_an_edge_key_reads_its_own_application_and_no_other(tmp_path: Path) -> None:
    sources = key_sources(KeyRelay(), edge_file(tmp_path), DEFAULT_LAYOUT, IDENTITY, SYSTEM)
    field = CardField(issued())
    field.keys = sources("g01")
    assert isinstance(field.run(desfire_dialogue(reader())), Assertion)
    canteen = field.run(desfire_dialogue(reader(CardApplication.CANTEEN)))
    assert isinstance(canteen, CardFailure)
    assert canteen.reason is Reason.KEYS_UNAVAILABLE
    assert sources("g01") is sources("g01")
    assert sources("g01") is not sources("g02")


def test_an_edge_key_file_of_another_device_or_open_to_others_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="another device"):
        edge_sources(edge_file(tmp_path, "another"), DEFAULT_LAYOUT, IDENTITY, SYSTEM)
    with pytest.raises(SettingsError, match="chmod 600"):
        edge_sources(edge_file(tmp_path, mode=0o640), DEFAULT_LAYOUT, IDENTITY, SYSTEM)
    with pytest.raises(SettingsError, match="cannot be used"):
        edge_sources(tmp_path / "missing", DEFAULT_LAYOUT, IDENTITY, SYSTEM)
