"""The no-timer micro-batcher: whatever queued while the last commit ran becomes the next batch.

One waiting tap pays nothing for batching; load batches itself. Live taps go before uploads, and a live tap never waits
for more than one upload's share of a batch (P11). All database work runs in one injected executor call at a time.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Protocol

import structlog

from cardcore.wire.messages import MAX_UPLOAD_RECORDS
from server.metrics import Metrics
from server.taps.arrivals import Arrival, Receipt

log = structlog.get_logger()

MAX_LIVE_BATCH = 500
"""Live taps of one transaction."""
MAX_QUEUED_LIVE = 5_000
"""Beyond this a live tap is refused at once: its daemon decides by itself."""
MAX_QUEUED_UPLOADS = 512
"""One a device is the rule (credit); beyond this the server is told to slow down."""


class BusyError(Exception):
    """The queue is full; the caller's peer should decide by itself or come back later."""


class Processor(Protocol):
    """What the batcher drives; `server.taps.service.TapService` is the real one."""

    def process(self, arrivals: Sequence[Arrival]) -> list[Receipt]:
        """Process and commit a batch; a receipt for each arrival, in order."""
        ...


Run = Callable[[Callable[[Sequence[Arrival]], list[Receipt]], Sequence[Arrival]], Awaitable[list[Receipt]]]
"""Runs a blocking call off the loop; injected so that a simulator can run it inline."""

Answered = Callable[[Receipt | BaseException], None]
"""Hears what became of an arrival."""

_Waiting = tuple[Arrival, Answered]


class Batcher:
    """Queues arrivals and commits them in batches. Belongs to one event loop."""

    def __init__(self, processor: Processor, run: Run, metrics: Metrics) -> None:
        """Take the processor, how to run it, and where to count."""
        self._metrics = metrics
        self._processor = processor
        self._run = run
        self._live: deque[_Waiting] = deque()
        self._uploads: deque[_Waiting] = deque()
        self._wake = asyncio.Event()

    def offer(self, arrival: Arrival, answered: Answered) -> None:
        """Queue an arrival; `answered` is called once, after its commit or its failure. Raises BusyError when full.

        It is called on the loop, between two batches: it must only hand the answer on.
        """
        queue, limit = (self._live, MAX_QUEUED_LIVE) if arrival.live else (self._uploads, MAX_QUEUED_UPLOADS)
        if len(queue) >= limit:
            raise BusyError
        queue.append((arrival, answered))
        self._wake.set()

    async def submit(self, arrival: Arrival) -> Receipt:
        """Queue an arrival and wait for its commit. Raises BusyError at once when the queue is full."""
        future: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self.offer(arrival, partial(_resolve, future))
        return await future

    async def serve(self) -> None:
        """Run until cancelled. A failed batch fails its own arrivals and nothing else."""
        try:
            while True:
                await self._wake.wait()
                batch = self._gather()
                if not batch:
                    self._wake.clear()
                    continue
                await self._commit(batch)
        finally:
            for _, answered in (*self._live, *self._uploads):
                answered(asyncio.CancelledError())

    def _gather(self) -> list[_Waiting]:
        batch = [self._live.popleft() for _ in range(min(len(self._live), MAX_LIVE_BATCH))]
        records = 0
        while self._uploads and records + len(self._uploads[0][0].records) <= MAX_UPLOAD_RECORDS:
            waiting = self._uploads.popleft()
            records += len(waiting[0].records)
            batch.append(waiting)
        return batch

    async def _commit(self, batch: list[_Waiting]) -> None:
        try:
            receipts = await self._run(self._processor.process, [arrival for arrival, _ in batch])
        except Exception as error:
            log.exception("batch_failed", arrivals=len(batch))
            for _, answered in batch:
                answered(error)
            return
        for (_, answered), receipt in zip(batch, receipts, strict=True):
            answered(receipt)
        self._count(receipts)

    def _count(self, receipts: Sequence[Receipt]) -> None:
        """Count what was committed, after everybody was answered."""
        self._metrics.batch_taps.observe(len(receipts))
        for status, count in Counter(status for receipt in receipts for _, status in receipt.statuses).items():
            self._metrics.records.labels(status).inc(count)
        taps = Counter(
            (receipt.purpose, str(receipt.decision.reason), receipt.decision.granted)
            for receipt in receipts
            if receipt.decision is not None
        )
        for (purpose, reason, granted), count in taps.items():
            self._metrics.tap(purpose, reason, granted=granted, offline=False, count=count)


def _resolve(future: asyncio.Future[Receipt], answer: Receipt | BaseException) -> None:
    if future.done():
        return
    if isinstance(answer, Receipt):
        future.set_result(answer)
    elif isinstance(answer, asyncio.CancelledError):
        future.cancel()
    else:
        future.set_exception(answer)
