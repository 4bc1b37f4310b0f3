"""What every virtual card is: an answer to reset, a power switch, and answers to commands.

No I/O: `vpcd_link` carries a card to a virtual reader, tests call it directly.
"""

from __future__ import annotations

from typing import Protocol

ATR_14443_4 = bytes.fromhex("3B80800101")
"""What a reader makes of an ISO/IEC 14443-4 card without historical bytes (PC/SC part 3, 3.1.3.2.3.2)."""
ATR_STORAGE = bytes.fromhex("3B8F8001804F0CA000000306030001000000006A")
"""A storage card as readers describe it: ISO/IEC 14443-3 A, 1K (PC/SC part 3, 3.1.3.2.3.1)."""

STATUS_OK = bytes.fromhex("9000")
STATUS_WRONG_LENGTH = bytes.fromhex("6700")
STATUS_CONDITIONS = bytes.fromhex("6985")
STATUS_WRONG_DATA = bytes.fromhex("6A80")
STATUS_NOT_FOUND = bytes.fromhex("6A82")
STATUS_INSTRUCTION = bytes.fromhex("6D00")
STATUS_CLASS = bytes.fromhex("6E00")

SHORTEST_COMMAND_BYTES = 4


class CardGone(Exception):  # noqa: N818 - an event in the life of a card, no fault of the program
    """The card leaves the field now: whoever carries it must end the connection without an answer."""


class VirtualCard(Protocol):
    """A card in a field. Not safe for use by two threads at once."""

    @property
    def atr(self) -> bytes:
        """The answer to reset, 2..33 bytes."""
        ...

    def power_on(self) -> None:
        """Forget everything volatile, as a card does when its field comes or is reset."""
        ...

    def answer(self, command: bytes) -> bytes | None:
        """Return the answer to a command; None for a card that falls silent. Raises `CardGone` when it is torn away."""
        ...
