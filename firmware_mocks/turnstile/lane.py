"""A turnstile wired to an OSDP reader: relay 0 unlocks A, relay 1 unlocks B; PASS A, PASS B, Ready, Fire come back.

Only wiring: contacts one way, relays the other, in order of time.
"""

from __future__ import annotations

from firmware_mocks.osdp_reader.reader import OsdpReader
from firmware_mocks.turnstile.mechanism import Direction, Turnstile

MAX_STEPS = 64
"""Instants a lane passes through in one call; a mechanism that needs more in one poll is broken."""
_UNLOCKS = {0: Direction.A, 1: Direction.B}


class TurnstileLane:
    """Reader and turnstile as one device on a bus."""

    def __init__(self, reader: OsdpReader, turnstile: Turnstile) -> None:
        """Wire them together."""
        self.reader = reader
        self.turnstile = turnstile
        reader.body.output_listener = self._relay_switched

    def feed(self, data: bytes, now_ms: int) -> bytes:
        """Hear bytes; the contacts are brought up to date before and after."""
        self.settle(now_ms)
        sent = self.reader.feed(data, now_ms)
        self.settle(now_ms)
        return sent

    def advance(self, now_ms: int) -> bytes:
        """Let time pass."""
        self.settle(now_ms)
        return self.reader.advance(now_ms)

    def next_due_ms(self) -> int | None:
        """Return when `advance` next has something to do."""
        instants = (self.reader.next_due_ms(), self.turnstile.next_due_ms())
        return min((instant for instant in instants if instant is not None), default=None)

    def settle(self, now_ms: int) -> None:
        """Carry the contacts to the reader's inputs, edge by edge, up to `now_ms`."""
        for _ in range(MAX_STEPS):
            due_ms = self.turnstile.next_due_ms()
            if due_ms is None or due_ms >= now_ms:
                break
            self._carry(due_ms)
        self._carry(now_ms)

    def _carry(self, at_ms: int) -> None:
        contacts = self.turnstile.contacts(at_ms)
        states = bytes((contacts.pass_a, contacts.pass_b, contacts.ready, contacts.fire))
        self.reader.body.set_inputs(states, at_ms)

    def _relay_switched(self, output: int, on: bool, at_ms: int) -> None:  # noqa: FBT001 - OutputListener's shape
        if on and output in _UNLOCKS:
            self.turnstile.unlock(_UNLOCKS[output], at_ms)
