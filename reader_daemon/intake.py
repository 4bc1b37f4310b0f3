"""The door between the ports' threads and the event loop: bounded, never blocking, never raising into a port."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from cardcore.issuer import IssuerKey
from reader_daemon.desk import Desk, DeskEvent
from reader_daemon.device_watch import DeviceWatch
from reader_daemon.messages import (
    CardFailed,
    CardRead,
    CodeScanned,
    CommandFinished,
    InputChanged,
    KeysPressed,
    PortEvent,
    PortLost,
    PortReopened,
    ReaderStatus,
    SecurityAlarm,
)
from reader_daemon.registration import read_of_code

MAX_CROSSING = 8_192
"""Events on their way into the loop. More means that the loop hangs, which the watchdog will notice."""

_log = structlog.get_logger(__name__)


class Intake:
    """Its `sink` is the `EventSink` of every port."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take the loop; `route` is set before the first port starts."""
        self._loop = loop
        self._crossing = 0
        self.route: Callable[[PortEvent], None] = lambda _event: None
        self.dropped = 0

    def sink(self, event: PortEvent) -> None:
        """Hand an event over; called in any thread."""
        if self._crossing >= MAX_CROSSING:
            self.dropped += 1
            return
        self._crossing += 1
        try:
            self._loop.call_soon_threadsafe(self._arrive, event)
        except RuntimeError:  # the loop is closed: the daemon is ending
            self._crossing -= 1

    def _arrive(self, event: PortEvent) -> None:
        self._crossing -= 1
        self.route(event)


class Router:
    """Sends each event to its reader's desk and to the device watch."""

    def __init__(
        self,
        desks: dict[str, Desk],
        watch: DeviceWatch,
        beside: dict[str, str],
        issuers: tuple[IssuerKey, ...] = (),
    ) -> None:
        """`beside` says at which reader a scanner's codes count as shown, `issuers` whose passes are believed."""
        self._issuers = issuers
        self._desks = desks
        self._watch = watch
        self._beside = beside
        self._strangers: set[str] = set()

    def route(self, event: PortEvent) -> None:
        """Take an event, in the loop."""
        match event:
            case CardRead() | CardFailed() | KeysPressed() | InputChanged() | CommandFinished():
                self._at_desk(event.reader, event)
            case ReaderStatus():
                self._at_desk(event.reader, event)
                self._watch.accept(event)
            case CodeScanned():
                beside = self._beside.get(event.reader, event.reader)
                self._at_desk(beside, read_of_code(event, beside, self._issuers))
            case SecurityAlarm() | PortLost() | PortReopened():
                self._watch.accept(event)

    def _at_desk(self, reader: str, event: DeskEvent) -> None:
        desk = self._desks.get(reader)
        if desk is not None:
            desk.accept(event)
        elif reader not in self._strangers:
            self._strangers.add(reader)
            _log.error("event_of_unknown_reader", reader=reader)
