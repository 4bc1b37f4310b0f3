"""The card doctor: what it says of each kind of card, and that it never writes and never finishes an authentication."""

from __future__ import annotations

import copy

import pytest

from cardcore.card_keys.roles import DEFAULT_LAYOUT
from firmware_mocks.virtual_card.card import VirtualCard
from firmware_mocks.virtual_card.desfire.card import DesfireCard
from firmware_mocks.virtual_card.misbehaving import RubbishCard
from firmware_mocks.virtual_card.pkoc_card import PkocCard
from firmware_mocks.virtual_card.uid_card import UidCard
from reader_daemon.protocols.card.diagnosis import Found, diagnose
from reader_daemon.protocols.card.outcome import CardFailure
from tests.reader_daemon.protocols.card.site_cards import UID, CardField, issued
from tests.reader_daemon.protocols.card.test_cpu_card import cpu_card

WRITES = {
    0x3D,
    0x8D,
    0x3B,
    0x8B,
    0x0C,
    0xDC,
    0x1C,
    0xC4,
    0xC6,
    0xC7,
    0xCA,
    0xCB,
    0xCC,
    0xCD,
    0xCE,
    0xDA,
    0xDF,
    0xFC,
    0x54,
    0x5C,
    0x5F,
}


def told(card: VirtualCard) -> dict[str, str]:
    field = CardField(card)
    outcome = field.run(diagnose(DEFAULT_LAYOUT))
    assert not isinstance(outcome, CardFailure), outcome
    assert not [command for command in field.commands if command[0] == 0x90 and command[1] in WRITES]
    assert not [command for command in field.commands if command[:2] == b"\x90\xaf" and command[4:5] != b"\0"]
    return {found.subject: found.detail for found in outcome}


@pytest.mark.parametrize(
    ("kind", "name", "methods"),
    [
        ({"generation": 1}, "DESFire EV1", "EV1 AES"),
        ({}, "DESFire EV2", "EV2, EV1 AES"),
        ({"generation": 3}, "DESFire EV3", "EV2, EV1 AES"),
        ({"lrp": True}, "DESFire EV2", "LRP, EV1 AES"),
    ],
)
def test_a_card_of_the_site(kind: dict[str, int], name: str, methods: str) -> None:
    card = issued(**kind)  # type: ignore[arg-type]
    before = copy.deepcopy(card.applications)
    lines = told(card)
    assert lines["DESFire"].startswith(name)
    assert UID.hex() in lines["DESFire"]
    gate = f"gate {DEFAULT_LAYOUT.gate_aid.hex()}"
    assert lines[gate] == "keys of a kind it does not tell"
    assert lines[f"{gate} key epochs"] == "0: 1, 1: 1, 2: 1, 3: 1, 4: 1, 5: 255"
    assert lines[f"{gate} authentication"] == methods
    assert card.applications == before


def test_an_application_whose_listing_is_free_tells_more() -> None:
    card = issued()
    card.applications[DEFAULT_LAYOUT.gate_aid[::-1]].settings = 0x0B
    assert told(card)[f"gate {DEFAULT_LAYOUT.gate_aid.hex()}"] == "6 AES key(s), settings 0b"


def test_a_blank_card() -> None:
    lines = told(DesfireCard(UID))
    assert lines["card 000000 key epochs"] == "0: factory"
    assert lines[f"canteen {DEFAULT_LAYOUT.canteen_aid.hex()}"] == "not on the card (A0)"


def test_other_cards() -> None:
    assert told(PkocCard(1))["PKOC"] == "yes: 5c020100"
    assert told(cpu_card())["CPU card, gate"].startswith("yes: 6f")
    lines = told(UidCard(bytes.fromhex("08A1B2C3")))
    assert (lines["DESFire"], lines["PKOC"]) == ("no", "no")
    assert "random" in lines["serial number"]


def test_rubbish_ends_in_a_reason() -> None:
    outcome = CardField(RubbishCard(4)).run(diagnose(DEFAULT_LAYOUT))
    assert isinstance(outcome, CardFailure) or all(isinstance(each, Found) for each in outcome)
