"""Gives OSDP readers their keys: drawn here, on disk before they are sent, the old one kept until the new is proven.

The server only orders; no key crosses the link.

    order (event loop)                    disk                             bus thread
    install  draw, or take the pending -> pending                       -> install mode, KEYSET on the public key once
    roll     draw                      -> pending, current              -> KEYSET inside the session
             the reader proves it      <- pending becomes current       <- KeyRolled(promoted)
             the old one still opens   <- pending forgotten, or kept    <- KeyRolled(not promoted)

A box that dies at any arrow tries the pending key first, then the current one, and ends in one of the two last lines.
A pending key is only forgotten when the reader opened with the old one: a reader that is cut off may have taken it.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import structlog

from cardcore.ids import IdSource
from cardcore.wire.messages import Command, CommandDone, CommandKind
from reader_daemon.blocking import RunBlocking
from reader_daemon.device_watch import Happened
from reader_daemon.protocols.osdp.crypto import KEY_BYTES
from reader_daemon.protocols.osdp.health import InstallModeClosed, KeyEvent, KeyRolled, ReaderIdentified
from reader_daemon.protocols.osdp.keys import WeakKeyError, require_strong_key
from reader_daemon.protocols.osdp.settings import ReaderSettings
from reader_daemon.protocols.osdp.timing import INSTALL_MODE_LIMIT_MS
from reader_daemon.store.reader_keys import HeldKeys, ReaderKeyFile

MAX_INSTALL_MINUTES = INSTALL_MODE_LIMIT_MS // 60_000
MAX_DRAWS = 8
"""Tries for a key that is not weak; one is wanted in a lifetime of draws."""
MAX_WAITING = 256
"""Key events not yet written; a reader makes a few in an hour."""
KEY_ORDERS = frozenset({CommandKind.INSTALL_READER_KEY, CommandKind.ROLL_READER_KEY, CommandKind.CONFIRM_READER})

_log = structlog.get_logger(__name__)


class KeyPort(Protocol):
    """A bus, as keys see it."""

    def roll_key(self, reader: str, new_key: bytes) -> None:
        """Replace a reader's key inside its session."""
        ...

    def open_install_mode(self, reader: str, new_key: bytes, duration_ms: int) -> None:
        """Let a reader on the public default key have its first key."""
        ...

    def confirm_identity(self, reader: str) -> None:
        """Accept the device that answers in this reader's place."""
        ...


class ReaderKeys:
    """See the module. Orders and events are taken one after the other in the event loop."""

    def __init__(self, file: ReaderKeyFile, ids: IdSource) -> None:
        """Begin without buses; `bind` before the first port starts."""
        self._file = file
        self._ids = ids
        self._ports: dict[str, KeyPort] = {}
        self._installing: set[str] = set()
        self._turn = asyncio.Lock()
        self._events: asyncio.Queue[KeyEvent] = asyncio.Queue(MAX_WAITING)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._run: RunBlocking | None = None
        self._tell: Callable[[Happened], None] = lambda _happened: None

    def settings(self, name: str, address: int, configured: bytes | None) -> ReaderSettings:
        """Return what the panel is told of a reader; `configured` is the key of its key file.

        The disk's keys count, unless a person put another key file in: then that one does. Raises WeakKeyError.
        """
        held = self._counting(name, configured)
        if held is None:
            return ReaderSettings(name, address, configured)
        return ReaderSettings(name, address, held.current, held.pending, held.identity)

    def serve(self, readers: tuple[ReaderSettings, ...], configured: dict[str, bytes | None], port: KeyPort) -> None:
        """Take the readers of a bus in charge, with the keys that its panel begins with."""
        for reader in readers:
            self._ports[reader.name] = port
            own = configured[reader.name]
            if self._counting(reader.name, own) is None:
                self._file.put(reader.name, HeldKeys(reader.scbk, origin=_origin(own)))

    def _counting(self, reader: str, configured: bytes | None) -> HeldKeys | None:
        """Return what the disk holds of a reader; None when nothing, or when a person put another key file in since."""
        held, origin = self._file.get(reader), _origin(configured)
        return None if held is not None and origin and held.origin != origin else held

    def bind(self, loop: asyncio.AbstractEventLoop, run: RunBlocking, tell: Callable[[Happened], None]) -> None:
        """Say where events go, and who writes."""
        self._loop, self._run, self._tell = loop, run, tell

    def sink(self, event: KeyEvent) -> None:
        """Take an event of a bus; called in its thread."""
        if self._loop is not None:
            try:
                self._loop.call_soon_threadsafe(self._arrive, event)
            except RuntimeError:  # the loop is closed: the next start asks the reader again
                _log.info("key_event_after_the_end", reader=event.reader)

    def state(self, reader: str) -> str:
        """Return how a reader's key stands: none, own, rolling or installing; empty for one that has none to have."""
        held = self._file.get(reader) if reader in self._ports else None
        if held is None:
            return ""
        if reader in self._installing:
            return "installing"
        if held.pending is not None:
            return "rolling" if held.current is not None else "installing"
        return "none" if held.current is None else "heard" if held.heard else "own"

    async def run(self) -> None:
        """Write down what became of keys, for ever."""
        while True:
            event = await self._events.get()
            async with self._turn:
                try:
                    await self._write(event)
                except OSError as error:
                    # The disk still holds the pending key: the next start, or session, tells the same again.
                    _log.error("reader_key_not_kept", reader=event.reader, detail=str(error))
                    self._tell(Happened("reader_key_not_kept", event.reader, str(error), alarm=True))

    async def order(self, command: Command) -> CommandDone:
        """Carry out one order about a reader's key; the end follows as a device event."""
        async with self._turn:
            port, held = self._ports.get(command.place), self._file.get(command.place)
            if port is None or held is None:
                return CommandDone(command.nonce, "unknown", f"no OSDP reader {command.place} here")
            try:
                refusal = await self._begin(command, port, held)
            except (OSError, WeakKeyError, RuntimeError) as error:
                refusal = str(error)
        return CommandDone(command.nonce, "refused" if refusal else "done", refusal)

    # --- one at a time ---------------------------------------------------------------------------------------------

    async def _begin(self, command: Command, port: KeyPort, held: HeldKeys) -> str:
        """Start what is ordered; return why not, or nothing."""
        reader = command.place
        match command.kind:
            case CommandKind.INSTALL_READER_KEY:
                if not 0 < command.minutes <= MAX_INSTALL_MINUTES:
                    return f"install mode lasts 1 to {MAX_INSTALL_MINUTES} minutes"
                # A key that was sent before may have been taken: the same again, or the reader would be lost with it.
                key = held.pending or self._draw()
                await self._put(reader, replace(held, pending=key, pending_heard=True))
                self._installing.add(reader)
                port.open_install_mode(reader, key, command.minutes * 60_000)
                detail = f"{command.minutes} min, by {command.actor}: {command.reason}"
                self._tell(Happened("install_mode_opened", reader, detail, alarm=True))
            case CommandKind.ROLL_READER_KEY:
                if held.current is None:
                    return "it has no key yet: install mode gives it the first one"
                if held.pending is not None:
                    return "a new key is on its way to it already"
                key = self._draw()
                await self._put(reader, replace(held, pending=key, pending_heard=held.heard))
                port.roll_key(reader, key)
                self._tell(Happened("reader_key_sent", reader, f"by {command.actor}: {command.reason}"))
            case _:
                await self._put(reader, replace(held, identity=None))
                port.confirm_identity(reader)
                self._tell(Happened("reader_confirmed", reader, f"by {command.actor}: {command.reason}"))
        return ""

    async def _write(self, event: KeyEvent) -> None:
        reader = event.reader
        held = self._file.get(reader)
        if held is None:
            return
        match event:
            case KeyRolled(_, True) if held.pending is not None:
                proven = replace(
                    held, current=held.pending, heard=held.pending_heard, pending=None, pending_heard=False
                )
                await self._put(reader, proven)
                self._installing.discard(reader)
                self._tell(Happened("reader_key_proven", reader))
            case KeyRolled(_, False) if held.pending is not None:
                await self._put(reader, replace(held, pending=None, pending_heard=False))
                self._tell(Happened("reader_key_kept", reader, "the old key still opens: the new one was not taken"))
            case InstallModeClosed(_, key_sent):
                self._installing.discard(reader)
                self._tell(Happened("install_mode_closed", reader, "a key was sent" if key_sent else "no key was sent"))
            case ReaderIdentified(_, identity) if held.identity != identity:
                await self._put(reader, replace(held, identity=identity))
                self._tell(Happened("reader_identified", reader, f"serial {identity.serial:08X}"))
            case _:
                pass

    async def _put(self, reader: str, held: HeldKeys) -> None:
        assert self._run is not None  # bound before the first port starts, and the link comes later still
        await self._run(lambda: self._file.put(reader, held))

    def _draw(self) -> bytes:
        """Return a key that nobody had before."""
        for _ in range(MAX_DRAWS):
            try:
                return require_strong_key(self._ids.random_bytes(KEY_BYTES))
            except WeakKeyError:
                continue
        msg = "the source of chance gives weak keys"
        raise RuntimeError(msg)

    def _arrive(self, event: KeyEvent) -> None:
        try:
            self._events.put_nowait(event)
        except asyncio.QueueFull:
            _log.error("key_event_dropped", reader=event.reader)


def _origin(configured: bytes | None) -> str:
    """Return the mark of a key file's key; it tells files apart and says nothing of the key."""
    return "" if configured is None else hashlib.sha256(b"onecard reader key file" + configured).hexdigest()[:16]
