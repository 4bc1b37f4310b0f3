"""The five attacks published in 2023 ("Badge of Shame"), each as its publication describes it, and what comes of it.

Everything said on the line is recorded: what matters is as much what the panel never says as what it accepts.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from reader_daemon.messages import CardRead
from reader_daemon.protocols.osdp import commands, replies
from reader_daemon.protocols.osdp.codes import Capability
from reader_daemon.protocols.osdp.keys import WeakKeyError
from reader_daemon.protocols.osdp.settings import ReaderSettings
from tests.reader_daemon.protocols.osdp.scripted_reader import CAPABILITIES, IDENTITY, ScriptedReader
from tests.reader_daemon.protocols.osdp.virtual_bus import KEYS, VirtualBus, assert_said_nothing_in_clear, one_reader

CARD = replies.RawCard(0, 1, 26, bytes.fromhex("01234580"))
NO_AES = replies.Capabilities(tuple(one for one in CAPABILITIES.records if one.function != Capability.SECURITY))


def keys_given(reader: ScriptedReader) -> list[commands.SetKey]:
    return [heard.command for heard in reader.heard if isinstance(heard.command, commands.SetKey)]


def test_a72_t7_attack_1_a_line_without_encryption_yields_no_card() -> None:
    reader = ScriptedReader(5, None)
    bus = VirtualBus([reader])
    reader.events += [CARD] * 5
    bus.run(30_000)
    assert bus.all(CardRead) == []
    assert not bus.is_usable()
    assert_said_nothing_in_clear(bus)


def test_a72_t7_attack_2_a_forged_capability_reply_downgrades_nothing() -> None:
    reader = ScriptedReader(5, KEYS[0], clear_capabilities=NO_AES)
    bus = VirtualBus([reader])
    reader.events.append(CARD)
    bus.run(3_000)
    assert "no_encryption_claimed" in bus.alarms()
    assert bus.is_usable()  # inside its session, as if nobody had claimed anything
    assert len(bus.all(CardRead)) == 1
    assert_said_nothing_in_clear(bus)


def test_a72_t7_attack_3_who_asks_for_the_key_gets_none() -> None:
    reader = ScriptedReader(5, None, accepts_default_key=True, answers_default_key=True)
    bus = VirtualBus([reader])
    bus.run(60_000)
    assert keys_given(reader) == []
    assert not any(heard.default_key for heard in reader.heard)
    assert "default_key_answer" in bus.alarms()


@pytest.mark.parametrize(
    "key",
    [
        bytes(16), b"\xff" * 16, bytes(range(16)), bytes(range(16, 0, -1)), bytes((250 + n) % 256 for n in range(16)),
        bytes.fromhex("303132333435363738393A3B3C3D3E3F"),
    ],
)  # fmt: skip
def test_a72_t7_attack_4_a_guessable_key_is_taken_nowhere(key: bytes) -> None:
    with pytest.raises(WeakKeyError):
        ReaderSettings("r0", 5, key)
    bus, _ = one_reader()
    with pytest.raises(WeakKeyError):
        bus.panel.roll_key("r0", key)
    with pytest.raises(WeakKeyError):
        bus.panel.open_install_mode("r0", key, 1_000, bus.now)


def test_a72_t7_attack_5_a_reader_put_in_place_of_a_broken_one_is_given_no_key_to_hear() -> None:
    bus, reader = one_reader()
    bus.line_up = False
    bus.run(10_000)  # the reader is broken, and somebody brings another
    reader.identity = replace(IDENTITY, serial=99)
    reader.scbk = None
    reader.accepts_default_key = True
    reader.power_cycle()
    bus.line_up = True
    bus.run(60_000)
    assert keys_given(reader) == []
    assert "identity_changed" in bus.alarms()
    assert not bus.is_usable()


def test_a72_t7_attack_5_a_key_is_rolled_only_under_the_old_unique_one() -> None:
    bus, reader = one_reader()
    bus.panel.roll_key("r0", KEYS[1])
    bus.run(2_000)
    rolled = [heard for heard in reader.heard if isinstance(heard.command, commands.SetKey)]
    assert [(heard.secured, heard.default_key) for heard in rolled] == [(True, False)]
