"""What somebody who had a card in his hand for a minute can make of it: recordings and copies. For tests."""

from __future__ import annotations

import copy

from firmware_mocks.virtual_card.card import VirtualCard
from firmware_mocks.virtual_card.desfire.card import DesfireCard
from firmware_mocks.virtual_card.desfire.memory import Key


class Wiretap:
    """Passes everything on to a good card and keeps what the card answered."""

    def __init__(self, card: VirtualCard) -> None:
        self._card = card
        self.atr = card.atr
        self.answers: list[bytes] = []

    def power_on(self) -> None:
        self._card.power_on()

    def answer(self, command: bytes) -> bytes | None:
        said = self._card.answer(command)
        assert said is not None
        self.answers.append(said)
        return said


class Replayed:
    """Gives the recorded answers again, one after the other, whatever it is asked."""

    def __init__(self, recording: Wiretap) -> None:
        self.atr = recording.atr
        self._answers = list(recording.answers)
        self._at = 0

    def power_on(self) -> None:
        self._at = 0

    def answer(self, _command: bytes) -> bytes:
        said = self._answers[min(self._at, len(self._answers) - 1)]
        self._at += 1
        return said


def clone_of(card: DesfireCard) -> DesfireCard:
    """Return a card with the same serial number, files and key versions, and keys that are wrong by a bit."""
    made = DesfireCard(card.uid)
    made.applications = copy.deepcopy(card.applications)
    for application in made.applications.values():
        for keys in application.key_sets:
            keys[:] = [Key(bytes([key.value[0] ^ 1]) + key.value[1:], key.version) for key in keys]
    return made
