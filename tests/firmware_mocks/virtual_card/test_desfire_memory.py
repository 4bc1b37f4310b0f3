"""A virtual card's memory in a file is the card again; its ATRs end in the right check byte; it is nobody's friend."""

from __future__ import annotations

import json
from functools import reduce

import pytest

from firmware_mocks.virtual_card.card import ATR_STORAGE
from firmware_mocks.virtual_card.desfire.card import ATR_DESFIRE, DesfireCard
from firmware_mocks.virtual_card.desfire.memory import Application, File, Key, from_document, to_document
from tests.cardcore.vectors import names, vector

UID = bytes.fromhex("04782E21801D80")


def test_the_memory_survives_in_a_file() -> None:
    applications = {
        bytes(3): Application(),
        b"\1\2\3": Application(
            9, [[Key(b"k" * 16, 3)], [Key()]], [1, 2], 2, 1, 0, {1: File(1, 3, 0x1230, 4, bytearray(b"data"))}
        ),
    }
    applications[b"\1\2\3"].files[4] = File(4, 0, 0, 2, records=[b"ab", b"cd"], most_records=3)
    document = json.loads(json.dumps(to_document(applications)))
    assert from_document(document) == applications


@pytest.mark.parametrize("name", [name for name in names() if name.startswith("atr-")])
def test_answers_to_reset_end_in_their_check_byte(name: str) -> None:
    v = vector(name)
    assert reduce(lambda a, b: a ^ b, v["atr_without_tck"][1:]) == v["tck"][0]
    known = {ATR_DESFIRE[:-1]: ATR_DESFIRE[-1:], ATR_STORAGE[:-1]: ATR_STORAGE[-1:]}
    assert known.get(v["atr_without_tck"], v["tck"]) == v["tck"]


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("60", "6700"),
        ("90600000020A", "6700"),
        ("90AF000000", "911C"),
        ("90FF000000", "911C"),
        ("905A000002000000", "917E"),
        ("905A000003FFFFFF00", "91A0"),
        ("90BD0000070100000000000000", "911C"),
        ("90710000020900 00", "9140"),
        ("907700000100 00", "919D"),
        ("900A00000100 00", "911C"),
        ("00B0000000", "6D00"),
        ("80CA000000", "6E00"),
        ("00A4040002112200", "6A82"),
    ],
)
def test_what_a_chip_answers_to_nonsense(command: str, answer: str) -> None:
    assert DesfireCard(UID).answer(bytes.fromhex(command)).hex().upper() == answer
