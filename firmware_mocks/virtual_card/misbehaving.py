"""Cards as they are on a bad day: torn away, babbling, silent.

Each wraps or replaces a good card, so that any test that takes a card can be given a bad one.
"""

from __future__ import annotations

import hashlib
from threading import Event

from firmware_mocks.virtual_card.card import ATR_14443_4, CardGone, VirtualCard

LONGEST_RUBBISH_BYTES = 300


class TornCard:
    """A good card that leaves the field once it has been sent `after_bytes` bytes; back at the next insertion."""

    def __init__(self, card: VirtualCard, after_bytes: int) -> None:
        """`after_bytes` counts command bytes from power-on; 0 tears at the first command."""
        self._card = card
        self._after_bytes = after_bytes
        self._received_bytes = 0

    @property
    def atr(self) -> bytes:
        """The wrapped card's."""
        return self._card.atr

    def power_on(self) -> None:
        """Count from zero again."""
        self._received_bytes = 0
        self._card.power_on()

    def answer(self, command: bytes) -> bytes | None:
        """Answer as the wrapped card until the count is reached."""
        self._received_bytes += len(command)
        if self._received_bytes > self._after_bytes:
            raise CardGone
        return self._card.answer(command)


class RubbishCard:
    """Answers every command with bytes that mean nothing: 0..300 of them, the same for the same seed."""

    def __init__(self, seed: int, *, accepting: bool = False) -> None:
        """End each answer in 9000 when `accepting`, so that the rubbish is looked at."""
        self._seed = seed
        self._answers = 0
        self._ending = bytes.fromhex("9000") if accepting else b""
        self.atr = ATR_14443_4

    def power_on(self) -> None:
        """Babble from the beginning."""
        self._answers = 0

    def answer(self, command: bytes) -> bytes:
        """Return the next rubbish; what was asked does not matter."""
        self._answers += 1
        stream = hashlib.shake_256(f"{self._seed}/{self._answers}".encode()).digest(LONGEST_RUBBISH_BYTES + 2)
        return stream[2 : 2 + int.from_bytes(stream[:2], "big") % LONGEST_RUBBISH_BYTES] + self._ending


class SilentCard:
    """Powers up and never answers a command; `asked` is set when the first one comes."""

    def __init__(self) -> None:
        """Look like any other card until asked something."""
        self.asked = Event()
        self.atr = ATR_14443_4

    def power_on(self) -> None:
        """Nothing to forget."""

    def answer(self, command: bytes) -> None:
        """Stay silent."""
        self.asked.set()
