"""What a bus is, and the bounded queue through which a subscriber reads it. Both kinds of bus share these.

A message may be missed (Redis lost, a slow subscriber): then `MISSED` comes instead, and the subscriber reads the truth
again (outbox, policy version, device rows). Everything here belongs to the event loop's thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import StrEnum
from typing import Any, NamedTuple, Protocol, Self

QUEUE_MESSAGES = 1_000
"""Messages a subscriber may lag behind."""
MAX_MESSAGE_BYTES = 64 * 1024


class BusMessage(NamedTuple):
    """One message: its topic and its JSON payload."""

    topic: str
    payload: Mapping[str, Any]


MISSED = BusMessage("", {})
"""Stands for messages that were lost: read the truth again."""


class BusState(StrEnum):
    """How far messages travel now."""

    LOCAL = "local"
    """One process, no Redis configured."""
    UP = "up"
    DOWN = "down"
    """Redis is configured and lost: messages reach this process only."""


class Subscription:
    """One subscriber's queue; iterate it, close it. `async for` ends when it is closed."""

    def __init__(self, topics: frozenset[str], forget: Callable[[Subscription], None]) -> None:
        """Made by a bus; `forget` is called at the close."""
        self.topics = topics
        self._forget = forget
        self._queue: asyncio.Queue[BusMessage | None] = asyncio.Queue(QUEUE_MESSAGES + 1)
        self._is_closed = False

    def offer(self, message: BusMessage) -> None:
        """Put a message; when the subscriber lags too far, all it has not read becomes one `MISSED`."""
        if self._is_closed:
            return
        if self._queue.qsize() >= QUEUE_MESSAGES:
            while not self._queue.empty():
                self._queue.get_nowait()
            message = MISSED
        self._queue.put_nowait(message)

    async def wait(self, wait_ms: int) -> bool:
        """Wait until something was said, at most `wait_ms`; read and drop all of it. For those who read the truth."""
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_ms / 1000):
                found = await self._queue.get()
                while found is not None and not self._queue.empty():
                    found = self._queue.get_nowait()
                return True
        return False

    def close(self) -> None:
        """End it; whoever waits is released."""
        if not self._is_closed:
            self._is_closed = True
            self._forget(self)
            self._queue.put_nowait(None)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> BusMessage:
        if self._is_closed:
            raise StopAsyncIteration
        message = await self._queue.get()
        if message is None:
            raise StopAsyncIteration
        return message

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Bus(Protocol):
    """Carries hints. One contract, two implementations, one test suite."""

    @property
    def state(self) -> BusState:
        """How far messages travel now."""
        ...

    def publish(self, topic: str, payload: Mapping[str, Any]) -> None:
        """Hand a message to every subscriber of the topic; never waits, never raises for an outage."""
        ...

    def subscribe(self, *topics: str) -> Subscription:
        """Return a subscription that hears from now on."""
        ...

    async def start(self) -> None:
        """Begin; returns at once whether or not Redis answers."""
        ...

    async def close(self) -> None:
        """End every subscription and task."""
        ...
