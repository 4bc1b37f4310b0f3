"""Sequence numbers and the cached reply: tells a new command from a repeat and from one out of order (OSDP 2.2, 5.9).

A repeat is recognised by its number alone, before anything of it is believed, and gets the same bytes again.
"""

from __future__ import annotations

from enum import Enum

SILENCE_MS = 8_000
"""A conversation, and with it the session, ends after 8 s without a valid command."""
_LAST_SEQUENCE = 3


class Order(Enum):
    """How a command's sequence number relates to the conversation."""

    RESTART = "restart"
    NEXT = "next"
    REPEAT = "repeat"
    WRONG = "wrong"


class Conversation:
    """The reader's end of the sequence rules."""

    def __init__(self) -> None:
        """Begin without a conversation: only sequence 0 is welcome."""
        self._last: int | None = None
        self._cached = b""
        self._heard_ms = 0

    @property
    def is_open(self) -> bool:
        """Say whether a conversation is going on."""
        return self._last is not None

    @property
    def cached_reply(self) -> bytes:
        """Return the bytes of the last reply."""
        return self._cached

    def judge(self, sequence: int) -> Order:
        """Say what a command with this number is. Changes nothing."""
        if sequence == 0:
            return Order.RESTART
        if self._last is None:
            return Order.WRONG
        if sequence == self._last and self._cached:
            return Order.REPEAT
        expected = 1 if self._last == _LAST_SEQUENCE else self._last + 1
        return Order.NEXT if sequence == expected else Order.WRONG

    def heard(self, now_ms: int) -> None:
        """Note that a valid command came."""
        self._heard_ms = now_ms

    def answered(self, sequence: int, reply: bytes) -> None:
        """Note the reply that was given, for repeats."""
        self._last = sequence
        self._cached = reply

    def close(self) -> None:
        """End the conversation."""
        self._last = None
        self._cached = b""

    def ends_ms(self) -> int | None:
        """Return when silence ends the conversation, None without one."""
        return None if self._last is None else self._heard_ms + SILENCE_MS
