"""The event loop's side of one serial line: bytes between a pseudo terminal and the devices on it, and their timers.

The only place of the plant that moves bytes. It sleeps until the panel speaks or a device's timer is due.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from firmware_mocks.osdp_reader.bus import MultiDropBus
from firmware_mocks.pty_line import PtyLine
from firmware_mocks.system import MILLISECONDS_PER_SECOND, monotonic_ms

MIN_SLEEP_MS = 1
MAX_READS = 8
"""Reads from one line before others get their turn."""


class BusPort:
    """One line, plugged in while running."""

    def __init__(self, name: str, link: Path, bus: MultiDropBus) -> None:
        """Prepare the line; `start` makes its path appear."""
        self.name = name
        self.bus = bus
        self.link = link
        self._line: PtyLine | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due_ms = 0
        self._replug: asyncio.TimerHandle | None = None
        self._calm: asyncio.TimerHandle | None = None

    @property
    def is_plugged(self) -> bool:
        """Say whether the path is there."""
        return self._line is not None

    def start(self) -> None:
        """Plug the line in. Needs a running event loop."""
        if self._line is None:
            self._line = PtyLine(self.link)
            asyncio.get_running_loop().add_reader(self._line.master, self._readable)
            self.wake()

    def stop(self) -> None:
        """Unplug the line and drop its timers."""
        for handle in (self._timer, self._replug, self._calm):
            if handle is not None:
                handle.cancel()
        self._timer = self._replug = self._calm = None
        self._unplug()

    def unplug(self, seconds: float) -> None:
        """Take the port away, as a pulled USB adapter, and bring it back after that time."""
        self._unplug()
        if self._replug is not None:
            self._replug.cancel()
        self._replug = asyncio.get_running_loop().call_later(seconds, self.start)

    def cut(self, seconds: float) -> None:
        """Cut the line; 0 mends it."""
        self.bus.cut(monotonic_ms() + int(seconds * MILLISECONDS_PER_SECOND))

    def noise(self, rate: float, seconds: float | None) -> None:
        """Make the line noisy, for a time or until told otherwise."""
        self.bus.set_noise(rate)
        if self._calm is not None:
            self._calm.cancel()
            self._calm = None
        if seconds is not None:
            self._calm = asyncio.get_running_loop().call_later(seconds, self.bus.set_noise, 0.0)

    def wake(self) -> None:
        """Let the devices act: call after anything was done to one of them."""
        self._send(self.bus.advance(monotonic_ms()))
        self._plan()

    def _readable(self) -> None:
        line = self._line
        if line is None:
            return
        for _ in range(MAX_READS):
            data = line.read()
            if not data:
                break
            self._send(self.bus.feed(data, monotonic_ms()))
        self._plan()

    def _send(self, data: bytes) -> None:
        if data and self._line is not None:
            self._line.write(data)

    def _plan(self) -> None:
        """Set the timer for the next due instant; an earlier timer may stay, it only wakes for nothing."""
        due_ms = self.bus.next_due_ms()
        if due_ms is None or (self._timer is not None and self._timer_due_ms <= due_ms):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_due_ms = due_ms
        sleep_ms = max(due_ms - monotonic_ms(), MIN_SLEEP_MS)
        self._timer = asyncio.get_running_loop().call_later(sleep_ms / MILLISECONDS_PER_SECOND, self._due)

    def _due(self) -> None:
        self._timer = None
        self.wake()

    def _unplug(self) -> None:
        if self._line is not None:
            asyncio.get_running_loop().remove_reader(self._line.master)
            self._line.close()
            self._line = None
