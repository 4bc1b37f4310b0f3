"""The card doctor at the readers: each card on its own, a held or leaving card by its reason, no reader at all."""

from __future__ import annotations

import pytest

from cardcore.card_keys.roles import DEFAULT_LAYOUT
from cardcore.reasons import Reason
from firmware_mocks.virtual_card.misbehaving import TornCard
from firmware_mocks.virtual_card.pkoc_card import PkocCard
from reader_daemon.card_doctor import examine_cards
from reader_daemon.cli import TROUBLE, main
from reader_daemon.protocols.card.diagnosis import Found
from reader_daemon.protocols.card.outcome import CardFailure
from tests.reader_daemon.protocols.card.site_cards import issued
from tests.reader_daemon.transports.pcsc_in_memory import MemoryService
from tests.reader_daemon.transports.port_events import StandingClock

Told = dict[str, tuple[Found, ...] | CardFailure]


def examined(service: MemoryService, wanted: str = "") -> Told:
    return dict(examine_cards(service.establish, wanted, DEFAULT_LAYOUT, StandingClock()))


def service() -> MemoryService:
    made = MemoryService("A 00", "B 00", "C 00")
    made.insert("A 00", issued())
    made.insert("B 00", PkocCard(1))
    return made


def test_every_card_is_looked_at_and_empty_readers_are_left_out() -> None:
    told = examined(service())
    assert list(told) == ["A 00", "B 00"]
    assert any(isinstance(found, Found) and found.subject == "DESFire" for found in told["A 00"])  # type: ignore[union-attr]
    assert list(examined(service(), "B")) == ["B 00"]


def test_a_card_that_leaves_or_is_held_by_another_program_has_its_reason() -> None:
    made = service()
    held = made.establish().connect("A 00")
    made.insert("B 00", TornCard(PkocCard(1), 20))
    told = examined(made)
    held.close()
    first, second = told["A 00"], told["B 00"]
    assert isinstance(first, CardFailure)
    assert (first.reason, "daemon" in first.detail) == (Reason.CARD_UNREADABLE, True)
    assert isinstance(second, CardFailure)
    assert second.reason is Reason.CARD_MOVED


def test_the_command_says_when_there_is_no_card(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = service()
    # logs stay as they are: a stream that this test captures is closed when it ends
    monkeypatch.setattr("reader_daemon.logs.set_up_logs", lambda _level: None)
    monkeypatch.setattr("reader_daemon.transports.pcsc_scard.pcsc_establish", lambda: made.establish)
    assert main(["card", "doctor", "--reader", "A"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("A 00\n")
    assert "DESFire: DESFire EV2" in said
    assert main(["card", "doctor", "--reader", "C"]) == TROUBLE
    assert "no card on a reader" in capsys.readouterr().err
