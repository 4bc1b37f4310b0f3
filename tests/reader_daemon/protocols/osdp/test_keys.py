"""Keys that must not be used, at every door they could come in by."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reader_daemon.protocols.osdp.crypto import DEFAULT_KEY
from reader_daemon.protocols.osdp.keys import WeakKeyError
from reader_daemon.protocols.osdp.settings import ReaderSettings
from tests.reader_daemon.protocols.osdp.virtual_bus import KEYS, VirtualBus, one_reader


@pytest.mark.parametrize(
    "key",
    [DEFAULT_KEY, b"\7" * 16, bytes(range(16)), bytes(range(255, 239, -1)), bytes.fromhex("A0A1A2A3A4A5A6A7" * 2), b""],
)
def test_weak_keys_are_refused(key: bytes) -> None:
    with pytest.raises(WeakKeyError):
        ReaderSettings("r0", 1, key)
    bus, _ = one_reader()
    with pytest.raises(WeakKeyError):
        bus.panel.roll_key("r0", key)
    with pytest.raises(WeakKeyError):
        bus.panel.open_install_mode("r0", key, 1_000, bus.now)


def test_the_768_patterns_are_refused() -> None:
    for start in range(256):
        for step in (0, 1, -1):
            with pytest.raises(WeakKeyError):
                ReaderSettings("r0", 1, bytes((start + step * index) % 256 for index in range(16)))


def test_two_readers_may_not_share_name_address_or_key() -> None:
    one = ReaderSettings("a", 1, KEYS[0])
    for other in (
        replace(one, address=2, scbk=KEYS[1]),
        replace(one, name="b", scbk=KEYS[1]),
        replace(one, name="b", address=2),
    ):
        with pytest.raises(ValueError, match="same"):
            VirtualBus([], [one, other])


def test_a_key_appears_in_no_repr() -> None:
    settings = ReaderSettings("a", 1, KEYS[0], KEYS[1])
    assert KEYS[0].hex() not in repr(settings)
    assert repr(KEYS[0]) not in repr(settings)
