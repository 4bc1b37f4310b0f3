"""Who answers a card dialogue's questions about keys in this daemon: the server's key service, or a key held here.

Relay is the default and holds nothing: questions cross from the reader's thread into the event loop, over the link and
back. An edge key is an opt-in for lanes that must open without the server: a file sealed for this device alone.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Awaitable, Callable
from pathlib import Path

from cardcore.card_keys.answering import KeyAnswers, reading_only
from cardcore.card_keys.asks import KeyAnswer, KeyRefusal, KeyRefused, KeyRequest, KeySource
from cardcore.card_keys.edge_file import EdgeKeysError, open_edge_keys
from cardcore.card_keys.roles import CardLayout
from cardcore.card_keys.software import SoftwareCustody
from reader_daemon.identity import Identity
from reader_daemon.settings import SettingsError
from reader_daemon.system import System

CROSSING_SECONDS = 2.0
"""The link gives up after 1.5 s by itself; this only covers an event loop that hangs."""

AskServer = Callable[[str, KeyRequest], Awaitable[KeyAnswer]]
KeySourceOf = Callable[[str], KeySource]
"""Returns the key source of a reader, by its name."""


class KeyRelay:
    """The way of questions into the event loop; before `bind` everything is unavailable."""

    def __init__(self) -> None:
        """Begin unbound."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ask: AskServer | None = None

    def bind(self, loop: asyncio.AbstractEventLoop, ask: AskServer) -> None:
        """Say where questions go; called in the loop before the first port starts."""
        self._loop, self._ask = loop, ask

    def source(self, reader: str) -> KeySource:
        """Return the key source of a reader."""
        return _RelayedKeys(self, reader)

    def ask(self, reader: str, request: KeyRequest) -> KeyAnswer:
        """Ask from a reader's thread, and wait."""
        if self._loop is None or self._ask is None or self._loop.is_closed():
            return KeyRefused(KeyRefusal.UNAVAILABLE, "the daemon is not running")
        crossing = asyncio.run_coroutine_threadsafe(_awaited(self._ask(reader, request)), self._loop)
        try:
            return crossing.result(CROSSING_SECONDS)
        except (TimeoutError, concurrent.futures.CancelledError):
            crossing.cancel()
            return KeyRefused(KeyRefusal.UNAVAILABLE, "the daemon is ending or hangs")


async def _awaited(answer: Awaitable[KeyAnswer]) -> KeyAnswer:
    return await answer


class _RelayedKeys:
    """`KeySource` of one reader over the relay."""

    def __init__(self, relay: KeyRelay, reader: str) -> None:
        self._relay = relay
        self._reader = reader

    def ask(self, request: KeyRequest) -> KeyAnswer:
        return self._relay.ask(self._reader, request)


def edge_sources(path: Path, layout: CardLayout, identity: Identity, system: System) -> KeySourceOf:
    """Return key sources over an edge key file; each reader has its own, so that no two threads share one.

    Raises SettingsError when the file is not this device's, is open to others, or does not verify.
    """
    try:
        mode = path.stat().st_mode & 0o777
        if mode & 0o077:
            msg = f"{path}: others may read the edge keys (mode {mode:o}); run: chmod 600 {path}"
            raise SettingsError(msg)
        masters = open_edge_keys(path.read_bytes(), identity.device, identity.record_key)
    except (OSError, EdgeKeysError) as error:
        msg = f"{path}: the edge keys cannot be used: {error}"
        raise SettingsError(msg) from error
    allowed = reading_only(frozenset(role for role, _ in masters))
    custody = SoftwareCustody(layout, masters)
    made: dict[str, KeySource] = {}

    def source(reader: str) -> KeySource:
        return made.setdefault(reader, KeyAnswers(custody, allowed, system.clock, system.ids))

    return source


def key_sources(
    relay: KeyRelay, edge_file: Path | None, layout: CardLayout, identity: Identity, system: System
) -> KeySourceOf:
    """Return the edge keys' sources where the settings name a file, else the relay's."""
    return relay.source if edge_file is None else edge_sources(edge_file, layout, identity, system)
