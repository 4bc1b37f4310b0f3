"""The PC/SC port: all contactless readers of one host behind the `ReaderPort` protocol, a thread a reader.

Holds no loop itself; it starts and stops the readers and tells the loss of the service once, not once a reader.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from threading import Lock, Thread

import structlog

from cardcore.clock import Clock
from cardcore.ids import IdSource
from reader_daemon.messages import EventSink, PortLost, PortReopened, ReaderAction
from reader_daemon.transports.pcsc_commands import WaitingCommand
from reader_daemon.transports.pcsc_reader import PcscReader, PcscReaderSettings, PcscSurroundings
from reader_daemon.transports.pcsc_scard import pcsc_establish
from reader_daemon.transports.pcsc_service import EstablishContext

READERS_PER_SERVICE = 16
"""pcsc-lite is compiled for this many (PCSCLITE_MAX_READERS_CONTEXTS)."""
STOP_SECONDS = 2.0
WAKE_EVERY_SECONDS = 0.05

_log = structlog.get_logger(__name__)


class PcscPort:
    """A `ReaderPort` over the host's PC/SC service."""

    def __init__(
        self,
        name: str,
        readers: Sequence[PcscReaderSettings],
        *,
        clock: Clock,
        ids: IdSource,
        sink: EventSink,
        establish: EstablishContext | None = None,
    ) -> None:
        """Take 1..16 readers with different names, else ValueError; `PcscMissing` when pyscard is not installed.

        `establish` is another PC/SC service than the host's, for tests.
        """
        names = [reader.name for reader in readers]
        if not 1 <= len(names) <= READERS_PER_SERVICE or len(set(names)) != len(names):
            msg = f"a PC/SC port takes 1 to {READERS_PER_SERVICE} readers with different names, got {names}"
            raise ValueError(msg)
        self._name = name
        self._sink = sink
        around = PcscSurroundings(establish or pcsc_establish(), clock, ids, sink, self)
        self._readers = {settings.name: PcscReader(settings, around) for settings in readers}
        self._threads: list[Thread] = []
        self._command_ids = itertools.count(1)
        self._lost: set[str] = set()
        self._lost_lock = Lock()

    @property
    def readers(self) -> tuple[str, ...]:
        """Names of the readers, as set."""
        return tuple(self._readers)

    def submit(self, reader: str, action: ReaderAction, deadline_ms: int) -> int:
        """See `ReaderPort`. Raises KeyError for a reader this port does not have."""
        owner = self._readers[reader]
        command_id = next(self._command_ids)
        owner.commands.put(WaitingCommand(command_id, action, deadline_ms))
        owner.wake()
        return command_id

    def look_again(self, reader: str) -> None:
        """Read the card that lies on a reader once more, if one does. Raises KeyError for an unknown reader."""
        self._readers[reader].look_again()

    def start(self) -> None:
        """Start a thread a reader. A port is started once."""
        for name, reader in self._readers.items():
            thread = Thread(target=reader.run, name=f"pcsc-{name}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """Stop the threads within 2 s; one that a hanging card holds is left behind, and ends with its exchange."""
        for _ in range(round(STOP_SECONDS / WAKE_EVERY_SECONDS)):
            for reader in self._readers.values():
                reader.stop()
            running = [thread for thread in self._threads if thread.is_alive()]
            if not running:
                break
            running[0].join(WAKE_EVERY_SECONDS)
        for reader in self._readers.values():
            reader.commands.close()

    def service_lost(self, reader: str, detail: str) -> None:
        """Report the port as lost when the first reader loses the service."""
        with self._lost_lock:
            first = not self._lost
            self._lost.add(reader)
        if first:
            _log.warning("port_lost", port=self._name, detail=detail)
            self._sink(PortLost(self._name, f"PC/SC service {detail}"))

    def service_back(self, reader: str) -> None:
        """Report the port as reopened when the last reader has the service again."""
        with self._lost_lock:
            last = self._lost == {reader}
            self._lost.discard(reader)
        if last:
            _log.info("port_reopened", port=self._name)
            self._sink(PortReopened(self._name))
