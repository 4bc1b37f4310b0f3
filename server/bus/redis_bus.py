"""The bus between server processes, over Redis publish/subscribe. Redis is never the truth (design decision 3).

Theory of operation. Subscribers of this process are served directly, so an outage of Redis costs them nothing; Redis
carries a copy to the other processes, marked with its origin so that it does not come back. One task listens on one
connection, one task sends from a bounded queue. While Redis is lost nothing is queued for it; when it is back, every
subscriber is told that it may have missed something.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import msgspec
import structlog
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from cardcore.ids import IdSource
from server.bus.local import LocalBus
from server.bus.protocol import MAX_MESSAGE_BYTES, BusState, Subscription

CONNECT_SECONDS = 2
QUIET_SECONDS = 3.0
"""After so long without a message the connection is asked whether it lives, and has as long again to answer."""
FIRST_WAIT_MS = 100
LONGEST_WAIT_MS = 5_000
QUEUE_MESSAGES = 2_000
ORIGIN_BYTES = 8
CLOSE_TRIES = 20
CLOSE_WAIT_SECONDS = 0.25

log = structlog.get_logger(__name__)


class _Envelope(msgspec.Struct, frozen=True):
    """A message as it travels: who sent it, and what."""

    origin: str
    payload: dict[str, Any]


_decoder = msgspec.json.Decoder(_Envelope)


class RedisBus:
    """Delivers in this process directly and to the others through Redis."""

    def __init__(self, url: str, ids: IdSource, namespace: str = "onecard") -> None:
        """Take the address; `namespace` keeps installations apart that share one Redis."""
        self._local = LocalBus()
        self._origin = ids.random_bytes(ORIGIN_BYTES).hex()
        self._prefix = f"{namespace}:"
        self._redis = Redis.from_url(
            url, socket_connect_timeout=CONNECT_SECONDS, socket_timeout=CONNECT_SECONDS, retry=Retry(NoBackoff(), 0)
        )
        self._outgoing: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue(QUEUE_MESSAGES)
        self._tasks: list[asyncio.Task[None]] = []
        self._is_up = False
        self._is_first = True

    @property
    def state(self) -> BusState:
        """Whether Redis carries messages now."""
        return BusState.UP if self._is_up else BusState.DOWN

    def publish(self, topic: str, payload: Mapping[str, Any]) -> None:
        """Deliver here, and queue a copy for the other processes; dropped for them while Redis is lost."""
        self._local.publish(topic, payload)
        if not self._is_up:
            return
        data = msgspec.json.encode({"origin": self._origin, "payload": payload})
        if len(data) > MAX_MESSAGE_BYTES:
            log.warning("bus_message_too_large", topic=topic, size_bytes=len(data))
            return
        try:
            self._outgoing.put_nowait((topic, data))
        except asyncio.QueueFull:
            self._lost("more messages wait than Redis takes")

    def subscribe(self, *topics: str) -> Subscription:
        """Return a subscription that hears from now on."""
        return self._local.subscribe(*topics)

    async def start(self) -> None:
        """Begin listening and sending; returns at once."""
        self._tasks = [
            asyncio.create_task(self._listen(), name="bus-listen"),
            asyncio.create_task(self._send(), name="bus-send"),
        ]

    async def close(self) -> None:
        """End every subscription, both tasks and the connections."""
        for _ in range(CLOSE_TRIES):
            for task in self._tasks:
                task.cancel()  # redis-py may swallow one that meets the end of its own timeout
            if not self._tasks or not (await asyncio.wait(self._tasks, timeout=CLOSE_WAIT_SECONDS))[1]:
                break
        await self._local.close()
        with suppress(RedisError, OSError):
            await self._redis.aclose()

    async def _listen(self) -> None:
        wait_ms = FIRST_WAIT_MS
        while True:  # ends by cancellation, in `close`
            try:
                async with self._redis.pubsub() as channel:
                    await channel.psubscribe(f"{self._prefix}*")
                    async for _ in self._messages(channel):
                        wait_ms = FIRST_WAIT_MS
            except (RedisError, OSError, TimeoutError) as error:
                self._lost(str(error) or type(error).__name__)
            await asyncio.sleep(wait_ms / 1000)
            wait_ms = min(wait_ms * 2, LONGEST_WAIT_MS)

    async def _messages(self, channel: PubSub) -> Any:  # noqa: ANN401 - an iterator of nothing but ticks
        """Deliver what comes until the connection is lost; yields once for each sign of life."""
        is_asked = False
        while True:
            message = await channel.get_message(timeout=QUIET_SECONDS)
            if message is None:
                if is_asked:
                    msg = "Redis does not answer"
                    raise TimeoutError(msg)
                await channel.ping()
                is_asked = True
                continue
            is_asked = False
            match message["type"]:
                case "psubscribe":
                    self._found()
                case "pmessage":
                    self._deliver(message["channel"].decode(), message["data"])
            yield None

    def _deliver(self, channel: str, data: bytes) -> None:
        try:
            envelope = _decoder.decode(data[: MAX_MESSAGE_BYTES + 1])
        except (msgspec.DecodeError, msgspec.ValidationError):
            log.warning("bus_message_unreadable", channel=channel, size_bytes=len(data))
            return
        if envelope.origin != self._origin:
            self._local.publish(channel.removeprefix(self._prefix), envelope.payload)

    async def _send(self) -> None:
        while True:  # ends by cancellation, in `close`
            topic, data = await self._outgoing.get()
            try:
                await self._redis.publish(f"{self._prefix}{topic}", data)
            except (RedisError, OSError, TimeoutError) as error:
                self._lost(str(error) or type(error).__name__)

    def _found(self) -> None:
        self._is_up = True
        if self._is_first:
            log.info("bus_up")
        else:
            log.info("bus_back")
        self._is_first = False
        self._local.missed()

    def _lost(self, problem: str) -> None:
        while not self._outgoing.empty():
            self._outgoing.get_nowait()
        if self._is_up or self._is_first:
            log.warning("bus_lost", problem=problem)
        self._is_up = self._is_first = False
