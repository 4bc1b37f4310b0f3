"""A panel and its scripted readers on one line, in virtual milliseconds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TypeVar

from reader_daemon.messages import CommandFinished, CommandResult, ReaderAction, ReaderStatus, SecurityAlarm
from reader_daemon.protocols.osdp.codes import CommandCode, SecurityBlock
from reader_daemon.protocols.osdp.frames import Frame, FrameSplitter
from reader_daemon.protocols.osdp.health import PanelEvent, ReaderHealth
from reader_daemon.protocols.osdp.panel import Panel
from reader_daemon.protocols.osdp.settings import ReaderSettings
from reader_daemon.protocols.osdp.timing import Moment, air_ms
from tests.reader_daemon.protocols.osdp.scripted_reader import ScriptedReader

START = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
BAUD = 115_200
TURN_ROUND_MS = 2
_RANDOM = Random(7)
KEYS = tuple(_RANDOM.randbytes(16) for _ in range(64))

ALLOWED_IN_CLEAR = {CommandCode.ID, CommandCode.CAP, CommandCode.CHLNG, CommandCode.SCRYPT}

EventType = TypeVar("EventType")
Mangle = Callable[[bytes], bytes]


def unchanged(message: bytes) -> bytes:
    return message


class VirtualBus:
    """Runs the panel as its port's thread would, with the line's delays."""

    def __init__(
        self,
        readers: Sequence[ScriptedReader],
        settings: Sequence[ReaderSettings] | None = None,
        began_ms: int = 1_000_000,
    ) -> None:
        self.readers = readers
        self.ms = began_ms
        self.settings = settings or [
            ReaderSettings(f"r{number}", reader.address, KEYS[number]) for number, reader in enumerate(readers)
        ]
        self.panel = Panel(self.settings, BAUD, Random(1).randbytes, self.now)
        self.line_up = True
        self.to_readers: Mangle = unchanged
        self.to_panel: Mangle = unchanged
        self.events: list[tuple[int, PanelEvent]] = []
        self.sent: list[tuple[int, Frame]] = []
        self.most_events = 0
        self._arriving: list[tuple[int, bytes]] = []
        self._command_id = 0

    @property
    def now(self) -> Moment:
        return Moment(self.ms, START + timedelta(milliseconds=self.ms))

    def run(self, duration_ms: int) -> None:
        """Let virtual time pass."""
        until = self.ms + duration_ms
        while True:
            self._step()
            wanted = self.panel.next_deadline_ms(self.ms)
            if self._arriving:
                wanted = min(wanted, self._arriving[0][0])
            if wanted >= until:
                break
            self.ms = max(wanted, self.ms + 1)
        self.ms = until

    def run_until(self, true: Callable[[], bool], limit_ms: int) -> int:
        """Run in 5 ms steps until the condition holds; return how long it took. Fails after `limit_ms`."""
        began = self.ms
        while not true():
            assert self.ms - began < limit_ms, f"not so within {limit_ms} ms"
            self.run(5)
        return self.ms - began

    def _step(self) -> None:
        while self._arriving and self._arriving[0][0] <= self.ms:
            self.panel.feed(self._arriving.pop(0)[1], self.now)
        message = self.panel.tick(self.now)
        if message:
            self.sent += [(self.ms, frame) for frame in FrameSplitter().feed(message) if isinstance(frame, Frame)]
            if self.line_up:
                self._carry(message)
        self.events += [(self.ms, event) for event in self.panel.take_events()]

    def _carry(self, message: bytes) -> None:
        arrived = self.ms + air_ms(len(message), BAUD) + TURN_ROUND_MS
        message = self.to_readers(message)
        for reader in self.readers:
            reply = reader.receive(message, arrived)
            if reply and (reply := self.to_panel(reply)):
                self._arriving.append((arrived + air_ms(len(reply), BAUD), reply))

    def submit(self, reader: str, action: ReaderAction, within_ms: int = 1_000) -> int:
        """Submit an action; returns its id."""
        self._command_id += 1
        self.panel.submit(reader, self._command_id, action, self.ms + within_ms, self.now)
        return self._command_id

    def results(self, command_id: int) -> list[CommandResult]:
        return [event.result for event in self.all(CommandFinished) if event.command_id == command_id]

    def all(self, kind: type[EventType]) -> list[EventType]:
        return [event for _, event in self.events if isinstance(event, kind)]

    def alarms(self) -> list[str]:
        return [alarm.kind for alarm in self.all(SecurityAlarm)]

    def health(self, reader: str = "r0") -> ReaderHealth:
        return next(health for health in self.panel.health(self.ms) if health.reader == reader)

    def status(self, reader: str = "r0") -> ReaderStatus:
        return [status for status in self.all(ReaderStatus) if status.reader == reader][-1]

    def is_usable(self, reader: str = "r0") -> bool:
        return self.health(reader).online and self.health(reader).secure


def one_reader() -> tuple[VirtualBus, ScriptedReader]:
    """Return a bus with one healthy reader, in session, its memory found empty."""
    reader = ScriptedReader(5, KEYS[0])
    bus = VirtualBus([reader])
    bus.run_until(bus.is_usable, 3_000)
    bus.run(1_000)
    return bus, reader


def assert_said_nothing_in_clear(bus: VirtualBus) -> None:
    """Clear text holds the four opening commands only; KEYSET was nowhere; SCBK-D was never offered."""
    for _, frame in bus.sent:
        assert frame.is_secured or frame.code in ALLOWED_IN_CLEAR
        assert frame.code != CommandCode.KEYSET
        if frame.block_type in {SecurityBlock.SCS_11, SecurityBlock.SCS_13}:
            assert frame.block_data == b"\1"
