"""One reader's desk: a bounded queue and one worker, so that a reader's events are served one after the other.

It asks the snapshot for each card what the reader is for, and keeps the lane's timers. It decides nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from cardcore.ids import masked
from cardcore.reasons import Reason
from cardcore.wire.messages import Command, CommandDone
from reader_daemon.lane import Lane
from reader_daemon.messages import CardFailed, CardRead, CommandFinished, InputChanged, KeysPressed, ReaderStatus
from reader_daemon.signals import SIGNAL_LIFE_MS, answer_signals
from reader_daemon.store.tap_state import LastServed
from reader_daemon.surroundings import Surroundings, Wiring
from reader_daemon.till import Till

MAX_WAITING = 128
"""Events of one reader not served yet. A person taps once a second; more than this is a reader gone mad."""

SLOW_CARD_MS = 500
"""Time in the card alone for one proof, the server's not counted. A card at the reader needs 40 to 100 ms, a relayed
one at least 30 ms more in each of six exchanges. Nothing is refused for it: a relay can be suspected, not proved."""

DeskEvent = CardRead | CardFailed | KeysPressed | InputChanged | ReaderStatus | CommandFinished
Work = Callable[[], Awaitable[None]]

_log = structlog.get_logger(__name__)


class Desk:
    """See the module. `accept` from the event loop; `run` as a task."""

    def __init__(self, reader: str, wiring: Wiring, around: Surroundings, recovered: dict[str, LastServed]) -> None:
        """Begin with an empty queue."""
        self.reader = reader
        self._around = around
        self._lane = Lane(reader, wiring, around)
        self._till = Till(reader, around, recovered)
        self._queue: asyncio.Queue[DeskEvent | Work] = asyncio.Queue(MAX_WAITING)
        self.dropped = 0

    def accept(self, event: DeskEvent) -> None:
        """Queue an event; one too many is dropped, counted and logged once."""
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            self.dropped += 1
            if self.dropped == 1:
                _log.error("reader_events_dropped", reader=self.reader, waiting=MAX_WAITING)

    async def open_by(self, command: Command, deadline_ms: int) -> CommandDone:
        """Open the lane for an operator, in turn with the reader's other events."""
        done: asyncio.Future[CommandDone] = asyncio.get_running_loop().create_future()

        async def work() -> None:
            lane = self._around.policy.snapshot.lane_of_reader.get(self.reader)
            if lane is None:
                answer = CommandDone(command.nonce, "unknown", "this reader is no lane's")
            elif self._around.clock.monotonic_ms() >= deadline_ms:
                answer = CommandDone(command.nonce, "expired")
            else:
                answer = await self._lane.open_by(command, lane, deadline_ms)
            if not done.done():  # the session that asked may have ended meanwhile
                done.set_result(answer)

        try:
            self._queue.put_nowait(work)
        except asyncio.QueueFull:
            return CommandDone(command.nonce, "refused", "the reader is flooded")
        return await done

    def keep_open(self) -> None:
        """Look whether the lane is free now, and unlock it once more if so; a desk with work to do comes next time."""
        lane = self._around.policy.snapshot.lane_of_reader.get(self.reader)
        if lane is not None and self._queue.empty() and self._around.memory.is_free(lane):
            self._queue.put_nowait(lambda: self._lane.keep_open(lane))

    async def run(self) -> None:
        """Serve events and timers for ever. A fault in one event is logged, and the next is served."""
        while True:
            event = await self._next()
            try:
                if event is None:
                    await self._lane.settle()
                else:
                    await self._serve(event)
            except Exception:  # noqa: BLE001 - one event must not end the lane
                _log.exception("reader_event_failed", reader=self.reader)

    async def _next(self) -> DeskEvent | Work | None:
        """Wait for an event, or (None) for the lane's next timer; a waiting event comes first."""
        if not self._queue.empty():
            return self._queue.get_nowait()
        due_ms = self._lane.next_due_ms()
        if due_ms is None:
            return await self._queue.get()
        wait_ms = max(0, due_ms - self._around.clock.monotonic_ms())
        try:
            async with asyncio.timeout(wait_ms / 1000):
                return await self._queue.get()
        except TimeoutError:
            return None

    async def _serve(self, event: DeskEvent | Work) -> None:
        snapshot = self._around.policy.snapshot
        match event:
            case CardRead():
                await self._card(event)
            case CardFailed():
                await self._failed(event)
            case KeysPressed():
                till = snapshot.till_of_reader.get(self.reader)
                if till is not None:
                    self._till.keys(event, till)
            case InputChanged():
                await self._lane.input_changed(event, snapshot.lane_of_reader.get(self.reader))
            case ReaderStatus():
                await self._lane.reader_status(event)
            case CommandFinished():
                await self._lane.command_finished(event)
            case _:
                await event()

    async def _card(self, read: CardRead) -> None:
        if read.authentication_ms > SLOW_CARD_MS:
            _log.warning("card_slow", reader=self.reader, card=masked(read.credential), card_ms=read.authentication_ms)
            detail = f"{masked(read.credential)} took {read.authentication_ms} ms: a radio bridge may stand between"
            await self._around.recorder.event("card_slow", self.reader, detail, alarm=True)
        snapshot = self._around.policy.snapshot
        lane = snapshot.lane_of_reader.get(self.reader)
        till = snapshot.till_of_reader.get(self.reader)
        if lane is not None:
            await self._lane.tap(read, lane)
        elif till is not None:
            await self._till.tap(read, till)
        else:
            reason = Reason.SNAPSHOT_MISSING if snapshot.version == 0 else Reason.LANE_UNKNOWN
            _log.warning("tap_unassigned", reader=self.reader, card=masked(read.credential), reason=reason)
            await self._around.recorder.event("tap_unassigned", self.reader, f"{masked(read.credential)} {reason}")
            self._tell(reason)

    async def _failed(self, failed: CardFailed) -> None:
        alarm = failed.reason == Reason.CARD_NOT_GENUINE
        _log.info("card_failed", reader=self.reader, reason=failed.reason, detail=failed.detail)
        detail = f"{failed.reason}: {failed.detail}"
        await self._around.recorder.event("card_failed", self.reader, detail, alarm=alarm)
        self._tell(failed.reason)

    def _tell(self, reason: str) -> None:
        deadline_ms = self._around.clock.monotonic_ms() + SIGNAL_LIFE_MS
        for action in answer_signals(reason, granted=False):
            self._around.tell(self.reader, action, deadline_ms)
