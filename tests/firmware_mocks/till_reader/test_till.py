"""A till reader takes cards and keys, and keeps what it showed."""

from __future__ import annotations

from firmware_mocks.till_reader import TillReader
from reader_daemon.protocols.osdp import commands, replies
from tests.firmware_mocks.osdp_reader.asking import Asker, a_reader


def test_a_guest_taps_presses_and_reads() -> None:
    till = TillReader(a_reader(scbk=None))
    asker = Asker(till.reader)
    asker.ask(commands.RequestIdentity())
    assert till.tap(26, bytes.fromhex("00012345"), 0)
    assert till.press("1#", 0)
    assert asker.ask(commands.Poll()) == replies.RawCard(0, 0, 26, bytes.fromhex("00012345"))
    assert asker.ask(commands.Poll()) == replies.Keypad(0, b"1\x0d")
    asker.now_ms = 50
    asker.ask(commands.ShowText(0, 3, 2, 1, 1, "LUNCH 5.00"))
    asker.ask(commands.ShowText(0, 3, 2, 2, 1, "LEFT 45.00"))
    assert till.shown(100) == ["LUNCH 5.00", "LEFT 45.00"]
    assert [(text.at_ms, text.text, text.for_ms) for text in till.texts()] == [
        (50, "LUNCH 5.00", 2_000),
        (50, "LEFT 45.00", 2_000),
    ]
