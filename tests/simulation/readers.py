"""The readers, lamps and turnstiles of one box: a port without bytes, that keeps the promises of a real one.

A command is executed in time or not at all and finishes exactly once; a pulse moves a relay some milliseconds later.
What people see and hear is noted as it happens, and whoever stands there is told.
"""

from __future__ import annotations

import asyncio
import random
from typing import Protocol

from cardcore.ids import CredentialKey
from cardcore.reasons import Reason
from cardcore.texts import REASON_TEXTS
from reader_daemon.messages import (
    CardRead,
    CommandFinished,
    CommandResult,
    EventSink,
    InputChanged,
    KeysPressed,
    Lamp,
    LedColour,
    Pulse,
    ReaderAction,
    ReaderStatus,
    Show,
)
from tests.simulation.hosts import MILLISECONDS, Host
from tests.simulation.loop import VirtualLoop

PASS, READY = 0, 2
PASS_OPEN_SECONDS = 0.4
RELAY_MS = (2.0, 40.0)
CHARGED_TEXT = REASON_TEXTS[Reason.CHARGED].display
UNDONE_TEXT = REASON_TEXTS[Reason.UNDONE].display
STALE_CHANCE = 0.02


class Onlooker(Protocol):
    """Sees what happens at the readers."""

    def lamp(self, reader: str, colour: LedColour) -> None:
        """See a lamp."""
        ...

    def charged(self, reader: str) -> None:
        """Read on a till's display that a meal was charged."""
        ...

    def undone(self, reader: str) -> None:
        """Read on a till's display that the last charge was taken back."""
        ...

    def shown(self, reader: str, text: str) -> None:
        """Read the first row of a display."""
        ...

    def relay(self, reader: str, asked_ms: int) -> None:
        """Hear a relay move; `asked_ms` is when the daemon asked for it (its monotonic clock)."""
        ...


class SimulatedPort:
    """Implements `reader_daemon.messages.ReaderPort`."""

    def __init__(
        self, readers: tuple[str, ...], sink: EventSink, host: Host, stream: random.Random, onlooker: Onlooker
    ) -> None:
        self._readers = readers
        self._sink = sink
        self._host = host
        self._stream = stream
        self._onlooker = onlooker
        self._commands = 0
        self.slow_ms = 0.0
        """How long the line holds commands back, in a fault."""
        self.started = False

    @property
    def readers(self) -> tuple[str, ...]:
        return self._readers

    @property
    def _loop(self) -> VirtualLoop:
        return self._host.loop

    def submit(self, reader: str, action: ReaderAction, deadline_ms: int) -> int:
        self._commands += 1
        number = self._commands
        match action:
            case Pulse():
                asked_ms = self._host.monotonic_ms()
                late_ms = self._stream.uniform(*RELAY_MS) + self.slow_ms
                self._loop.call_later(late_ms / MILLISECONDS, self._pulse, reader, number, asked_ms, deadline_ms)
                return number
            case Lamp(colour):
                self._onlooker.lamp(reader, colour)
            case Show(text, 2) if text == CHARGED_TEXT:
                self._onlooker.charged(reader)
            case Show(text, 2) if text == UNDONE_TEXT:
                self._onlooker.undone(reader)
            case Show(text, 1):
                self._onlooker.shown(reader, text)
            case _:
                pass
        self._sink(CommandFinished(reader, number, CommandResult.DONE))
        return number

    def _pulse(self, reader: str, number: int, asked_ms: int, deadline_ms: int) -> None:
        if self._host.monotonic_ms() > deadline_ms:
            self._sink(CommandFinished(reader, number, CommandResult.EXPIRED))
            return
        self._onlooker.relay(reader, asked_ms)
        self._sink(CommandFinished(reader, number, CommandResult.DONE))

    def start(self) -> None:
        self.started = True
        for reader in self._readers:
            self._sink(ReaderStatus(reader, online=True, secure=True))
            self._contact(reader, PASS, active=True)
            self._contact(reader, READY, active=True)

    def stop(self) -> None:
        self.started = False

    # --- what people do -----------------------------------------------------------------------------------------

    def tap(self, reader: str, credential: CredentialKey) -> None:
        """Hold a card to a reader."""
        stale = self._stream.random() < STALE_CHANCE
        self._sink(CardRead(reader, credential, self._host.now(), self._host.monotonic_ms(), possibly_stale=stale))

    def keys(self, reader: str, keys: str) -> None:
        """Press keys of a till's keypad."""
        self._sink(KeysPressed(reader, keys, self._host.now(), self._host.monotonic_ms()))

    async def pass_through(self, reader: str) -> None:
        """Walk through a turnstile."""
        self._contact(reader, PASS, active=False)
        await asyncio.sleep(PASS_OPEN_SECONDS)
        self._contact(reader, PASS, active=True)

    def offline(self, reader: str, *, online: bool) -> None:
        """Lose or find a reader."""
        self._sink(ReaderStatus(reader, online=online, secure=online))

    def _contact(self, reader: str, number: int, *, active: bool) -> None:
        self._sink(InputChanged(reader, number, active, self._host.now(), self._host.monotonic_ms()))
