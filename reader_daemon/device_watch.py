"""The health of readers and ports: what changed becomes a device event once, and the rest a line of the health message.

Alarms that repeat themselves (a babbling line) are recorded once a minute, so that they cannot fill the journal.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass

import structlog

from cardcore.clock import Clock
from cardcore.wire.messages import ReaderHealth
from reader_daemon.messages import PortLost, PortReopened, ReaderStatus, SecurityAlarm
from reader_daemon.recorder import Recorder

MAX_WAITING = 1_024
REPEATED_ALARM_MS = 60_000

WatchedEvent = ReaderStatus | SecurityAlarm | PortLost | PortReopened

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Happened:
    """A device event to be recorded."""

    event: str
    place: str
    detail: str = ""
    alarm: bool = False


class DeviceWatch:
    """See the module. `accept` from the event loop; `run` as a task."""

    def __init__(self, readers: tuple[str, ...], clock: Clock, recorder: Recorder) -> None:
        """Begin with every reader offline: none was heard yet."""
        self._clock = clock
        self._recorder = recorder
        self._status = {reader: ReaderStatus(reader, online=False, secure=False) for reader in readers}
        self._alarms: dict[tuple[str, str], int] = {}
        self._queue: asyncio.Queue[Happened] = asyncio.Queue(MAX_WAITING)
        self.on_change: Callable[[], None] = lambda: None
        """Called after every change, in the event loop; the uplink sends the health then."""

    def accept(self, event: WatchedEvent) -> None:
        """Take an event of a port."""
        match event:
            case ReaderStatus():
                before = self._status.get(event.reader) or ReaderStatus(event.reader, online=False, secure=False)
                self._status[event.reader] = event
                for happened in changes(before, event):
                    self.tell(happened)
            case SecurityAlarm(reader, kind, detail):
                now_ms = self._clock.monotonic_ms()
                last_ms = self._alarms.get((reader, kind))
                if last_ms is None or now_ms - last_ms >= REPEATED_ALARM_MS:
                    self._alarms[reader, kind] = now_ms
                    self.tell(Happened("security_alarm", reader, f"{kind}: {detail}", alarm=True))
            case PortLost(port, detail):
                self.tell(Happened("port_lost", port, detail, alarm=True))
            case PortReopened(port):
                self.tell(Happened("port_reopened", port))
        self.on_change()

    def tell(self, happened: Happened) -> None:
        """Queue a device event; one too many is logged only."""
        try:
            self._queue.put_nowait(happened)
        except asyncio.QueueFull:
            _log.error("device_event_dropped", event_name=happened.event, place=happened.place)

    async def run(self) -> None:
        """Record what is queued, for ever."""
        while True:
            happened = await self._queue.get()
            await self._recorder.event(happened.event, happened.place, happened.detail, alarm=happened.alarm)

    def health(
        self, place_of: Callable[[str], str], key_of: Callable[[str], str], encoders: Collection[str] = ()
    ) -> tuple[ReaderHealth, ...]:
        """Return every reader's condition; `place_of` names the lane or till it serves, `key_of` how its key stands."""
        return tuple(
            ReaderHealth(
                name, place_of(name), status.online, status.secure, _detail(status), name in encoders, key_of(name)
            )
            for name, status in self._status.items()
        )


def changes(before: ReaderStatus, after: ReaderStatus) -> list[Happened]:
    """Return one event for each thing that changed."""
    found: list[Happened] = []
    if before.online != after.online:
        name = "reader_online" if after.online else "reader_offline"
        found.append(Happened(name, after.reader, after.detail, alarm=not after.online))
    if before.tampered != after.tampered:
        found.append(
            Happened("reader_tampered" if after.tampered else "tamper_over", after.reader, alarm=after.tampered)
        )
    if before.power_fault != after.power_fault:
        name = "reader_power_fault" if after.power_fault else "power_fault_over"
        found.append(Happened(name, after.reader, alarm=after.power_fault))
    return found


def _detail(status: ReaderStatus) -> str:
    words = [status.detail] if status.detail else []
    words += ["tampered"] if status.tampered else []
    words += ["power fault"] if status.power_fault else []
    return ", ".join(words)
