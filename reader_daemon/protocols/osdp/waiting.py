"""The commands that wait for one reader: bounded, each with a deadline and exactly one completion.

It sends nothing and decides no retry: the link takes the next command and says how it ended.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from reader_daemon.messages import CommandFinished, CommandResult
from reader_daemon.protocols.osdp.commands import Command, SetOutputs
from reader_daemon.protocols.osdp.health import Emit
from reader_daemon.protocols.osdp.timing import MAX_QUEUED_COMMANDS, PULSE_LIMIT_MS


@dataclass(frozen=True, slots=True)
class WaitingCommand:
    """A command of a use case. `order` is its place among all commands of the bus."""

    command_id: int
    command: Command
    deadline_ms: int
    order: int


def waiting_command(command_id: int, command: Command, deadline_ms: int, order: int, now_ms: int) -> WaitingCommand:
    """Build one, with a relay's deadline cut to PULSE_LIMIT_MS from now."""
    if isinstance(command, SetOutputs):
        deadline_ms = min(deadline_ms, now_ms + PULSE_LIMIT_MS)
    return WaitingCommand(command_id, command, deadline_ms, order)


class CommandQueue:
    """First in, first out, at most MAX_QUEUED_COMMANDS. Tells how each command ended."""

    def __init__(self, reader: str, emit: Emit) -> None:
        """Begin empty."""
        self._reader = reader
        self._emit = emit
        self._waiting: deque[WaitingCommand] = deque()

    def add(self, command: WaitingCommand) -> None:
        """Queue a command; a full queue refuses it."""
        if len(self._waiting) >= MAX_QUEUED_COMMANDS:
            self.finish(command, CommandResult.REFUSED)
        else:
            self._waiting.append(command)

    def finish(self, command: WaitingCommand, result: CommandResult) -> None:
        """Tell how a command ended that is not in the queue (any more)."""
        self._emit(CommandFinished(self._reader, command.command_id, result))

    def first_order(self) -> int | None:
        """Return the place of the oldest command, None when empty."""
        return self._waiting[0].order if self._waiting else None

    def first_deadline_ms(self) -> int | None:
        """Return the earliest deadline, None when empty."""
        return min((command.deadline_ms for command in self._waiting), default=None)

    def take(self) -> WaitingCommand | None:
        """Remove and return the oldest command. Call `expire` first: what is late must not be sent."""
        return self._waiting.popleft() if self._waiting else None

    def expire(self, now_ms: int) -> None:
        """End the commands whose deadline has come."""
        if not self._waiting:
            return
        late = [command for command in self._waiting if now_ms >= command.deadline_ms]
        if late:
            self._waiting = deque(command for command in self._waiting if now_ms < command.deadline_ms)
        for command in late:
            self.finish(command, CommandResult.EXPIRED)

    def expire_all(self) -> None:
        """End all of them: the reader cannot be reached."""
        while self._waiting:
            self.finish(self._waiting.popleft(), CommandResult.EXPIRED)
