"""The commands that wait for one reader: bounded, each with a deadline and exactly one completion.

It sends nothing and decides no retry: the link takes the next command and says how it ended.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from reader_daemon.protocols.osdp.commands import Command, SetOutputs
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
    """First in, first out, at most MAX_QUEUED_COMMANDS."""

    def __init__(self) -> None:
        """Begin empty."""
        self._waiting: deque[WaitingCommand] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, command: WaitingCommand) -> bool:
        """Queue a command; False if the queue is full."""
        if len(self._waiting) >= MAX_QUEUED_COMMANDS:
            return False
        self._waiting.append(command)
        return True

    def first_order(self) -> int | None:
        """Return the place of the oldest command, None when empty."""
        return self._waiting[0].order if self._waiting else None

    def first_deadline_ms(self) -> int | None:
        """Return the earliest deadline, None when empty."""
        return min((command.deadline_ms for command in self._waiting), default=None)

    def take(self) -> WaitingCommand | None:
        """Remove and return the oldest command. Call `expired` first: what is late must not be sent."""
        return self._waiting.popleft() if self._waiting else None

    def expired(self, now_ms: int) -> list[WaitingCommand]:
        """Remove and return the commands whose deadline has come."""
        late = [command for command in self._waiting if now_ms >= command.deadline_ms]
        if late:
            self._waiting = deque(command for command in self._waiting if now_ms < command.deadline_ms)
        return late

    def drain(self) -> list[WaitingCommand]:
        """Remove and return all."""
        everything = list(self._waiting)
        self._waiting.clear()
        return everything
