"""Commands waiting for one PC/SC reader, and their single completion each.

Bounded; a command is never sent after its deadline, and an offline reader expires all of them. Speaks to no reader.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from threading import Lock

from reader_daemon.messages import CommandFinished, CommandResult, EventSink, ReaderAction

WAITING_COMMANDS = 32


@dataclass(frozen=True, slots=True)
class WaitingCommand:
    """One submitted action; `deadline_ms` on the injected clock's monotonic scale."""

    command_id: int
    action: ReaderAction
    deadline_ms: int


class CommandQueue:
    """First in, first out; thread-safe."""

    def __init__(self, reader: str, sink: EventSink) -> None:
        """Completions go to `sink` under the name `reader`."""
        self._reader = reader
        self._sink = sink
        self._waiting: deque[WaitingCommand] = deque()
        self._lock = Lock()
        self._closed = False

    def put(self, command: WaitingCommand) -> None:
        """Add a command; beyond 32 waiting it is refused at once, and after `close` it expires at once."""
        with self._lock:
            closed, full = self._closed, len(self._waiting) >= WAITING_COMMANDS
            if not closed and not full:
                self._waiting.append(command)
                return
        self.finish(command, CommandResult.EXPIRED if closed else CommandResult.REFUSED)

    def take(self) -> WaitingCommand | None:
        """Remove and return the oldest, None when there is none."""
        with self._lock:
            return self._waiting.popleft() if self._waiting else None

    def finish(self, command: WaitingCommand, result: CommandResult) -> None:
        """Report how a command that was taken has ended."""
        self._sink(CommandFinished(self._reader, command.command_id, result))

    def expire_all(self) -> None:
        """Report everything waiting as expired."""
        while (command := self.take()) is not None:
            self.finish(command, CommandResult.EXPIRED)

    def close(self) -> None:
        """Expire what waits and whatever comes later."""
        with self._lock:
            self._closed = True
        self.expire_all()
