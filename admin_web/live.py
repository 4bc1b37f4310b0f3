"""The live hub: one subscription to the feed, shared by all open monitors (server-sent events, WHATWG HTML 9.2).

Theory of operation. The first client starts the one upstream task, the last to leave ends it. Each event is rendered
once a language and handed to a bounded queue a client. A client joins its queue *before* it reads the backlog, and
skips what it has already sent by event id: so nothing is missed and nothing comes twice, on the first connection as
after a break (`Last-Event-ID`). A client that lags loses its stream, not its events: it resumes by id.
Every stream asks again, at fixed intervals, whether its session is still in force.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress

import structlog

from admin_web.i18n import Language
from admin_web.ports import LiveFeed, Run
from admin_web.settings import LiveLimits
from cardcore.clock import Clock
from server.live.feed import LiveTap

RenderRow = Callable[[LiveTap, Language], str]
HEARTBEAT = b": still here\n\n"
SIGNED_OUT = b"event: signed-out\ndata:\n\n"
FULL = b"retry: 30000\nevent: live-full\ndata:\n\n"

log = structlog.get_logger(__name__)


def sse_frame(event_id: int, html: str) -> bytes:
    """Return one unnamed message, which htmx swaps into the page; line breaks become further `data` lines."""
    data = "".join(f"data: {line}\n" for line in html.strip().splitlines())
    return f"id: {event_id}\n{data}\n".encode()


class _Entry:
    """One event in the replay window, with its frames, rendered on first use."""

    __slots__ = ("_frames", "event")

    def __init__(self, event: LiveTap) -> None:
        self.event = event
        self._frames: dict[Language, bytes] = {}

    def frame(self, language: Language, render: RenderRow) -> bytes:
        if language not in self._frames:
            self._frames[language] = sse_frame(self.event.id, render(self.event, language))
        return self._frames[language]


class _Client:
    """One open monitor."""

    __slots__ = ("has_lagged", "queue")

    def __init__(self, queue_events: int) -> None:
        self.queue: asyncio.Queue[_Entry] = asyncio.Queue(queue_events)
        self.has_lagged = False

    def offer(self, entry: _Entry) -> None:
        try:
            self.queue.put_nowait(entry)
        except asyncio.QueueFull:
            self.has_lagged = True


class LiveHub:
    """Fans the feed out to every open monitor of this process."""

    def __init__(self, feed: LiveFeed, run: Run, clock: Clock, render: RenderRow, limits: LiveLimits) -> None:
        """Hold the parts; nothing runs until the first client comes."""
        self._feed = feed
        self._run = run
        self._clock = clock
        self._render = render
        self._limits = limits
        self._clients: set[_Client] = set()
        self._window: deque[_Entry] = deque(maxlen=limits.replay_events)
        self._upstream: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()

    @property
    def client_count(self) -> int:
        """Open streams."""
        return len(self._clients)

    async def stream(
        self, after_id: int, language: Language, is_in_force: Callable[[], Awaitable[bool]]
    ) -> AsyncGenerator[bytes, None]:
        """Yield frames after `after_id` until the session ends, the client lags or the caller stops."""
        if len(self._clients) >= self._limits.max_clients:
            log.warning("live_full", clients=len(self._clients))
            yield FULL
            return
        client = _Client(self._limits.queue_events)
        self._clients.add(client)
        try:
            backlog = await self._join(after_id)
            if backlog is None:
                return
            sent_id = after_id
            for entry in backlog:
                yield entry.frame(language, self._render)
                sent_id = entry.event.id
            async for frame in self._follow(client, sent_id, language, is_in_force):
                yield frame
        finally:
            self._clients.discard(client)
            if not self._clients:
                await self.close()

    async def close(self) -> None:
        """End the upstream task; for the process's shutdown and when the last monitor is closed."""
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            upstream.cancel()
            with suppress(asyncio.CancelledError):
                await upstream

    async def _follow(
        self, client: _Client, sent_id: int, language: Language, is_in_force: Callable[[], Awaitable[bool]]
    ) -> AsyncGenerator[bytes, None]:
        check_ms = self._limits.session_check_ms
        checked_ms = spoken_ms = self._clock.monotonic_ms()
        while not client.has_lagged:
            entry = await self._next(client, checked_ms + check_ms - self._clock.monotonic_ms())
            now_ms = self._clock.monotonic_ms()
            if now_ms - checked_ms >= check_ms:
                if not await is_in_force():
                    yield SIGNED_OUT
                    return
                checked_ms = now_ms
            if entry is not None and entry.event.id > sent_id:
                sent_id = entry.event.id
                spoken_ms = now_ms
                yield entry.frame(language, self._render)
            elif now_ms - spoken_ms >= self._limits.heartbeat_ms:
                spoken_ms = now_ms
                yield HEARTBEAT
        log.warning("live_client_lagged", queue_events=self._limits.queue_events)

    async def _next(self, client: _Client, wait_ms: int) -> _Entry | None:
        with suppress(TimeoutError):
            async with asyncio.timeout(max(1, wait_ms) / 1000):
                return await client.queue.get()
        return None

    async def _backlog(self, after_id: int) -> list[_Entry]:
        if self._window and self._window[0].event.id <= after_id:
            return [entry for entry in self._window if entry.event.id > after_id]
        recent = await self._run(self._feed.recent, self._limits.replay_events)
        return [_Entry(event) for event in recent if event.id > after_id]

    async def _join(self, after_id: int) -> list[_Entry] | None:
        """Make sure that the upstream runs, then return the backlog; None if the feed is out of reach."""
        try:
            async with self._starting:
                if self._upstream is None:
                    # the start is read before any backlog: what comes between the two is in the backlog and the queue
                    newest = await self._run(self._feed.recent, 1)
                    self._window.clear()
                    start_id = newest[-1].id if newest else 0
                    self._upstream = asyncio.create_task(self._pump(start_id), name="live-upstream")
            return await self._backlog(after_id)
        except Exception as fault:  # noqa: BLE001 - whatever the feed raises, the browser tries again by itself
            log.warning("live_feed_lost", fault=repr(fault))
            return None

    async def _pump(self, newest_id: int) -> None:
        """Follow the feed for as long as there are clients; a lost feed is tried again from the last id."""
        wait_ms = self._limits.retry_first_ms
        while True:  # ends by cancellation, in `close`
            try:
                async for event in self._feed.subscribe(newest_id):
                    newest_id = event.id
                    wait_ms = self._limits.retry_first_ms
                    self._publish(event)
            except Exception as fault:  # noqa: BLE001 - whatever the bus raises, the monitors wait and resume
                log.warning("live_feed_lost", retry_ms=wait_ms, fault=repr(fault))
            await asyncio.sleep(wait_ms / 1000)
            wait_ms = min(wait_ms * 2, self._limits.retry_max_ms)

    def _publish(self, event: LiveTap) -> None:
        entry = _Entry(event)
        self._window.append(entry)
        for client in self._clients:
            client.offer(entry)
