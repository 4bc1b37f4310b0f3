"""The live hub: one subscription to the feed, shared by all open monitors (server-sent events, WHATWG HTML 9.2).

Theory of operation. The first client starts the one upstream task, the last to leave ends it. Events that come within
a moment travel as one parcel, rendered once a kind of monitor (language, with or without photos): a hundred clients
are handed the same bytes, through a bounded queue each. A client joins its queue *before* it reads the backlog, and
skips what it has already sent by event id: so nothing is missed and nothing comes twice, on the first connection as
after a break (`Last-Event-ID`). A client that lags loses its stream, not its events: it resumes by id.
Every stream asks again, at fixed intervals, whether its session is still in force and still shows what it showed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import structlog

from admin_web.i18n import Language
from admin_web.ports import LiveFeed, Run
from admin_web.settings import LiveLimits
from cardcore.clock import Clock
from server.live.feed import LiveTap


@dataclass(frozen=True, slots=True)
class Showing:
    """A kind of monitor: those of one kind are sent the same bytes."""

    language: Language
    photos: bool = False
    """For those alone who may see photos."""


RenderRow = Callable[[LiveTap, Showing], str]
MAX_PARCEL_EVENTS = 100
"""A parcel of so many waits for no others."""
HEARTBEAT = b": still here\n\n"
SIGNED_OUT = b"event: signed-out\ndata:\n\n"
FULL = b"retry: 30000\nevent: live-full\ndata:\n\n"

log = structlog.get_logger(__name__)


def sse_frame(event_id: int, html: str) -> bytes:
    """Return one unnamed message, which htmx swaps into the page; line breaks become further `data` lines."""
    data = "".join(f"data: {line}\n" for line in html.strip().splitlines())
    return f"id: {event_id}\n{data}\n".encode()


def photo_address(event: LiveTap) -> str:
    """Return where the photo of a tap is to be had, empty for an outcome: the tap before it brought the photo."""
    return f"/people/{event.person_id}/photo" if event.person_id is not None and event.outcome is None else ""


class _Entry:
    """One event in the replay window, with its frames, rendered on first use."""

    __slots__ = ("_frames", "event")

    def __init__(self, event: LiveTap) -> None:
        self.event = event
        self._frames: dict[Showing, bytes] = {}

    def frame(self, showing: Showing, render: RenderRow) -> bytes:
        if showing not in self._frames:
            self._frames[showing] = sse_frame(self.event.id, render(self.event, showing))
        return self._frames[showing]


class _Parcel:
    """Events that came within a moment, oldest first, with the bytes that all monitors of a kind are sent."""

    __slots__ = ("_bytes", "entries")

    def __init__(self, entries: Sequence[_Entry]) -> None:
        self.entries = entries
        self._bytes: dict[Showing, bytes] = {}

    @property
    def last_id(self) -> int:
        return self.entries[-1].event.id

    def after(self, sent_id: int, showing: Showing, render: RenderRow) -> bytes:
        """Return what a client still lacks; the same object for everybody who lacks all of it."""
        if self.entries[0].event.id <= sent_id:
            return b"".join(entry.frame(showing, render) for entry in self.entries if entry.event.id > sent_id)
        if showing not in self._bytes:
            self._bytes[showing] = b"".join(entry.frame(showing, render) for entry in self.entries)
        return self._bytes[showing]


class _Client:
    """One open monitor."""

    __slots__ = ("has_lagged", "queue")

    def __init__(self, queue_parcels: int) -> None:
        self.queue: asyncio.Queue[_Parcel] = asyncio.Queue(queue_parcels)
        self.has_lagged = False

    def offer(self, parcel: _Parcel) -> None:
        try:
            self.queue.put_nowait(parcel)
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
        self._gathered: list[_Entry] = []
        self._hand_out_at: asyncio.TimerHandle | None = None
        self._handed_out_ms = -limits.gather_ms

    @property
    def client_count(self) -> int:
        """Open streams."""
        return len(self._clients)

    async def stream(
        self, after_id: int, showing: Showing, is_in_force: Callable[[], Awaitable[bool]]
    ) -> AsyncGenerator[bytes, None]:
        """Yield frames after `after_id` until the session ends, the client lags or the caller stops."""
        if len(self._clients) >= self._limits.max_clients:
            log.warning("live_full", clients=len(self._clients))
            yield FULL
            return
        client = _Client(self._limits.queue_parcels)
        self._clients.add(client)
        try:
            backlog = await self._join(after_id)
            if backlog is None:
                return
            sent_id = after_id
            for parcel in backlog:
                yield parcel.after(sent_id, showing, self._render)
                sent_id = parcel.last_id
            async for frame in self._follow(client, sent_id, showing, is_in_force):
                yield frame
        finally:
            self._clients.discard(client)
            if not self._clients:
                await self.close()

    async def close(self) -> None:
        """End the upstream task; for the process's shutdown and when the last monitor is closed."""
        upstream, self._upstream = self._upstream, None
        if self._hand_out_at is not None:
            self._hand_out_at.cancel()
            self._hand_out_at = None
        self._gathered.clear()
        if upstream is not None:
            upstream.cancel()
            with suppress(asyncio.CancelledError):
                await upstream

    async def _follow(
        self, client: _Client, sent_id: int, showing: Showing, is_in_force: Callable[[], Awaitable[bool]]
    ) -> AsyncGenerator[bytes, None]:
        check_ms = self._limits.session_check_ms
        checked_ms = spoken_ms = self._clock.monotonic_ms()
        while not client.has_lagged:
            parcel = await self._next(client, checked_ms + check_ms - self._clock.monotonic_ms())
            now_ms = self._clock.monotonic_ms()
            if now_ms - checked_ms >= check_ms:
                if not await is_in_force():
                    yield SIGNED_OUT
                    return
                checked_ms = now_ms
            if parcel is not None and parcel.last_id > sent_id:
                content = parcel.after(sent_id, showing, self._render)
                sent_id = parcel.last_id
                spoken_ms = now_ms
                yield content
            elif now_ms - spoken_ms >= self._limits.heartbeat_ms:
                spoken_ms = now_ms
                yield HEARTBEAT
        log.warning("live_client_lagged", queue_parcels=self._limits.queue_parcels)

    async def _next(self, client: _Client, wait_ms: int) -> _Parcel | None:
        with suppress(TimeoutError):
            async with asyncio.timeout(max(1, wait_ms) / 1000):
                return await client.queue.get()
        return None

    async def _join(self, after_id: int) -> list[_Parcel] | None:
        """Make sure that the upstream runs, then return the backlog; None if the feed is out of reach.

        The window is filled when the upstream starts: whoever joins later costs no query and no rendering.
        """
        try:
            async with self._starting:
                if self._upstream is None:
                    # the start is read before any backlog: what comes between the two is in the backlog and the queue
                    recent = await self._run(self._feed.recent, self._limits.replay_events)
                    self._window.clear()
                    self._window.extend(_Entry(event) for event in recent)
                    start_id = recent[-1].id if recent else 0
                    self._upstream = asyncio.create_task(self._pump(start_id), name="live-upstream")
            missed = [entry for entry in self._window if entry.event.id > after_id]
            return [_Parcel(missed[n : n + MAX_PARCEL_EVENTS]) for n in range(0, len(missed), MAX_PARCEL_EVENTS)]
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
        """Keep an event and hand it out: at once after a silence, else with those of the next moment."""
        entry = _Entry(event)
        self._window.append(entry)
        self._gathered.append(entry)
        if len(self._gathered) >= MAX_PARCEL_EVENTS:
            self._hand_out()
        elif self._hand_out_at is None:
            waited_ms = self._clock.monotonic_ms() - self._handed_out_ms
            wait_ms = max(0, self._limits.gather_ms - waited_ms)
            self._hand_out_at = asyncio.get_running_loop().call_later(wait_ms / 1000, self._hand_out)

    def _hand_out(self) -> None:
        if self._hand_out_at is not None:
            self._hand_out_at.cancel()
            self._hand_out_at = None
        self._handed_out_ms = self._clock.monotonic_ms()
        gathered, self._gathered = self._gathered, []
        if gathered:
            parcel = _Parcel(gathered)
            for client in self._clients:
                client.offer(parcel)
